"""What queries, keys and values go through between their projections and the scores."""

from __future__ import annotations

from dataclasses import dataclass

from archspec.codegen.norms import IN_KERNELS, own_class
from archspec.codegen.rotary import Turn
from archspec.mechanisms.mixers.attention.fields import (
    ClippedTemperature,
    FloorTemperature,
    LearnedTemperature,
    PowerTemperature,
)
from archspec.mechanisms.mixers.attention.spec import Attention


@dataclass(frozen=True)
class TemperatureView:
    """What queries are multiplied by: its expression, its shape, and how it meets theirs."""

    growth: str
    shape: str
    spread: str


def stages(a: Attention, turned: Turn | None) -> list[str]:
    """The names of their templates, in order."""
    width = bool(a.qk_norm and a.qk_norm.scope == "width")
    norm = ["qk_norm"] if a.qk_norm and not width else []
    rotate = ["rotate" if turned.whole else "rotate_part"] if turned else []
    after = bool(a.qk_norm and a.qk_norm.after_rope)
    found = ["clip"] if a.clip_qkv is not None and not (width and a.shared_kv) else []
    found += ["v_norm"] if a.v_norm else []
    if norm and rotate == ["rotate"] and not after and _in_kernels(a):
        found += ["norm_rotate"]
    else:
        found += rotate + norm if after else norm + rotate
    return found + (["temperature"] if a.temperature else [])


def _in_kernels(a: Attention) -> bool:
    """Whether the norm of queries and keys has kernels."""
    each = a.heads if a.qk_norm and a.qk_norm.scope == "each_head" else None
    return bool(a.qk_norm) and own_class(a.qk_norm, each) in IN_KERNELS


def temperature(a: Attention) -> TemperatureView | None:
    """What queries grow by as a text gets longer, where they do."""
    own = a.temperature
    if own is None:
        return None
    if isinstance(own, LearnedTemperature):
        positions = "torch.log(step.positions + 1.0)[:, None]"
        growth = f"self.temperature_scale[:, None] * {positions} + self.temperature_bias[:, None]"
        return TemperatureView(growth, "(1 or B, H, T)", "[..., None]")
    if isinstance(own, PowerTemperature):
        growth = f"(1 + (step.positions + 1) / {own.original_context}) ** {own.exponent!r}"
    elif isinstance(own, ClippedTemperature):
        ratio = f"((step.positions + 1) / {own.original_context}).clamp(min=1.0)"
        growth = f"1 + {own.scale!r} * torch.log({ratio})"
    elif isinstance(own, FloorTemperature):
        steps = f"((step.positions + 1) // {own.floor}).float()"
        growth = f"1 + {own.scale!r} * torch.log1p({steps})"
    else:
        steps = f"(step.positions // {own.original_context}).float()"
        growth = f"1 + {own.scale!r} * torch.log1p({steps})"
    return TemperatureView(growth, "(1 or B, T)", "[:, None, :, None]")
