"""How `initialise` draws the matrices of a model: one statement for each kind of them."""

from __future__ import annotations

from dataclasses import dataclass

from archspec.architecture.model import Architecture
from archspec.mechanisms.base import USUAL_OUTPUTS


@dataclass(frozen=True)
class Draw:
    """Which parameters, as a condition in Python (empty for the others), and what is done."""

    condition: str
    statement: str


@dataclass(frozen=True)
class InitializationView:
    """What the template of `initialise` sees."""

    draws: tuple[Draw, ...]
    named: bool
    """A condition asks where in the model a parameter is."""

    said: str
    """The docstring's account of it."""


def initialization_view(architecture: Architecture) -> InitializationView:
    """The view of a model's scheme: kinds of parameters that are drawn like the rest have none."""
    own, head = architecture.initialization, architecture.head
    share = " / parameter.shape[-1] ** 0.5" if own.fan_in else ""
    draws: list[Draw] = []
    if own.embedding_std is not None:
        of = "isinstance(module, nn.Embedding)"
        draws.append(_draw(of, repr(own.embedding_std), own.truncated))
    if own.head_std is not None and head and not head.tied:
        draws.append(_draw('place == "lm_head"', repr(own.head_std), own.truncated))
    ends = _ends(architecture)
    if own.output == "zeros":
        draws.append(Draw(ends, "parameter.zero_()"))
    elif own.output == "scaled":
        encoder = architecture.encoder.layers if architecture.encoder else ()
        for layers, where in (
            (encoder, ' and place.startswith("encoder.")'),
            (architecture.layers, ""),
        ):
            if branches := sum(len(layer.block.branches) for layer in layers):
                std = f"{own.std!r} / {branches} ** 0.5{share}"
                draws.append(_draw(ends + where, std, own.truncated))
    draws.append(_draw("", f"{own.std!r}{share}", own.truncated))
    named = any("place" in draw.condition for draw in draws)
    one = len(draws) == 1 and not own.fan_in and own.truncated is None
    said = f"a normal distribution with\n        standard deviation {own.std!r}"
    return InitializationView(tuple(draws), named, said if one else "normal distributions")


def _draw(condition: str, std: str, truncated: float | None) -> Draw:
    if truncated is None:
        return Draw(condition, f"parameter.normal_(std={std})")
    return Draw(condition, f"truncated_normal(parameter, std={std}, most={truncated!r})")


def _ends(architecture: Architecture) -> str:
    """The condition that a parameter is a matrix whose product is added to the stream."""
    branches = [branch for block in architecture.blocks for branch in block.branches]
    usual = all(branch.body.outputs() == USUAL_OUTPUTS for branch in branches)
    found: set[str] = set()
    for branch in branches:
        for parameter in branch.body.graph(architecture.hidden_size).parameters():
            matrix = parameter.name.removesuffix(".weight")
            for last in branch.body.outputs():
                if f".{matrix}".endswith(f".{last}"):
                    tail = parameter.name[len(matrix) :]
                    found.add(f".{last}{tail}" if usual else f".{branch.name}.{parameter.name}")
    ends = ", ".join(f'"{end}"' for end in sorted(found))
    among = f"({ends})" if len(found) > 1 else ends
    return f'f"{{place}}.{{name}}".endswith({among})'
