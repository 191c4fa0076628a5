"""What the rotary template sees: every number of a rope worked out."""

from __future__ import annotations

import math
from dataclasses import dataclass

from archspec.architecture import Architecture
from archspec.spec.rope import LinearScaling, Llama3Scaling, Rope, YarnScaling


@dataclass(frozen=True)
class RotaryView:
    """One function of positions; `scaling` is the template that stretches its frequencies."""

    name: str
    caption: str
    theta: float
    width: int
    scaling: str | None = None
    factor: float = 1.0
    temperature: float = 1.0
    low: float = 0.0
    high: float = 0.0
    span: float = 1.0
    original_context: int = 0
    longest: str = ""
    shortest: str = ""


def rotary_views(architecture: Architecture) -> dict[tuple[Rope, int], RotaryView]:
    """A view for each distinct rope and head width, named after the first block that has it."""
    owners: dict[tuple[Rope, int], str] = {}
    for block in architecture.blocks:
        for branch in block.branches:
            found = branch.body.rotary()
            if found:
                owners.setdefault(found, block.name)
    if len(owners) == 1:
        return {key: _view("rotary", *key) for key in owners}
    return {key: _view(f"{owner}_rotary", *key) for key, owner in owners.items()}


def _view(name: str, rope: Rope, head_dim: int) -> RotaryView:
    width = rope.width(head_dim)
    caption = f"Base {rope.theta:,.0f}, {width} dimensions."
    scaling = rope.scaling
    if scaling is None:
        return RotaryView(name, caption, rope.theta, width)
    template = f"templates/rope/{scaling.type}.py.jinja"
    if isinstance(scaling, LinearScaling):
        return RotaryView(name, caption, rope.theta, width, template, scaling.factor)
    if isinstance(scaling, Llama3Scaling):
        low, high = scaling.low_frequency_factor, scaling.high_frequency_factor
        return RotaryView(
            name,
            caption,
            rope.theta,
            width,
            template,
            scaling.factor,
            low=low,
            span=high - low,
            original_context=scaling.original_context,
            longest=f"{scaling.original_context / low:,.0f}",
            shortest=f"{scaling.original_context / high:,.0f}",
        )
    low, high = _yarn_ramp(scaling, rope.theta, width)
    return RotaryView(
        name,
        caption,
        rope.theta,
        width,
        template,
        scaling.factor,
        temperature=scaling.temperature(),
        low=low,
        high=high,
        span=high - low,
    )


def _yarn_ramp(scaling: YarnScaling, theta: float, width: int) -> tuple[float, float]:
    """The dimensions between which YaRN blends (arXiv 2309.00071, section 3.2)."""

    def dimension(turns: float) -> float:
        ratio = scaling.original_context / (turns * 2 * math.pi)
        return width * math.log(ratio) / (2 * math.log(theta))

    low, high = dimension(scaling.beta_fast), dimension(scaling.beta_slow)
    if scaling.truncate:
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, width - 1)
    return low, high if high != low else high + 0.001
