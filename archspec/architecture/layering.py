"""A block as written → its updates of the residual stream, with every norm named and placed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from archspec.architecture.block import Block, Branch, NamedNorm, Scale, Update
from archspec.mechanisms.base import Mechanism
from archspec.spec import block as written
from archspec.spec.norm import Norm, complete_norms
from archspec.spec.scale import LearnedScale

_PLACES = {
    "pre": ("before",),
    "post": ("after",),
    "output": ("inside",),
    "sandwich": ("before", "inside"),
    "none": (),
}

# The names of published checkpoints.
_MIXER = {"before": "input_layernorm", "inside": "post_attention_layernorm"}
_CROSS = {"before": "cross_attention_layernorm", "inside": "post_cross_attention_layernorm"}
_FEEDFORWARD = {"before": "post_attention_layernorm", "inside": "post_feedforward_layernorm"}
_PRE_FEEDFORWARD = "pre_feedforward_layernorm"


@dataclass(frozen=True)
class _Slot:
    """Mechanisms side by side, and the names of the norms around them."""

    bodies: Sequence[Mechanism]
    names: dict[str, str]
    called: str | None = None
    """The name of its module, where its attribute names another."""


def lay(name: str, block: written.Block, default: Norm, width: int) -> Block:
    """The block called `name` of a stream of `width`; norms are completed from `default`."""
    norm = (block.norm or Norm()).over(default)
    taken: Counter[str] = Counter()
    updates = [_update(slot, block, norm, default, width, taken) for slot in _slots(block)]
    if block.parallel:
        shared = NamedNorm(_MIXER["before"], norm) if block.shared_norm else None
        updates = [Update(tuple(b for update in updates for b in update.branches), shared)]
    if block.per_layer_input:
        body = complete_norms(block.per_layer_input, default)
        updates.append(Update((Branch(body.attribute, body),)))
    return Block(name, tuple(updates), _scale(block.stream_scale, "layer_scale", width))


def _slots(block: written.Block) -> list[_Slot]:
    cross = (block.cross_attention,) if block.cross_attention else ()
    names = dict(_FEEDFORWARD)
    if block.norm_position == "sandwich":
        names["before"] = _PRE_FEEDFORWARD
    elif block.norm_position == "pre" and not block.mixer:
        # A branch alone has the name of the first, wherever it stands in other blocks.
        names["before"] = _MIXER["before"]
    slots = [
        _Slot(block.mixer, _MIXER),
        _Slot(cross, _CROSS, "cross_attn"),
        _Slot(block.feedforward, names),
    ]
    return [slot for slot in slots if slot.bodies]


def _update(
    slot: _Slot,
    block: written.Block,
    norm: Norm,
    default: Norm,
    width: int,
    taken: Counter[str],
) -> Update:
    places, several = _PLACES[block.norm_position], len(slot.bodies) > 1
    each = not several or block.list_norms == "each"

    def named(place: str, wanted: bool, suffix: str = "") -> NamedNorm | None:
        name = slot.names["inside" if place == "after" else place]
        return NamedNorm(name + suffix, norm) if place in places and wanted else None

    branches: list[Branch] = []
    for number, written_body in enumerate(slot.bodies, start=1):
        body = complete_norms(written_body, default)
        name = slot.called or body.attribute
        taken[name] += 1
        name = name if taken[name] == 1 else f"{name}_{taken[name]}"
        own = each and not block.shared_norm and not body.norms_itself()
        before = named("before", own, f"_{number}" if number > 1 else "")
        inside = named("inside", each, f"_{number}" if several else "")
        scale = _scale(block.residual_scale, f"{name}_scale", width)
        branches.append(Branch(name, body, before, inside, scale))
    return Update(
        tuple(branches),
        named("before", several and not each),
        named("inside", several),
        named("after", True),
    )


def _scale(own: float | LearnedScale | None, name: str, width: int) -> Scale | None:
    if not isinstance(own, LearnedScale):
        return None if own is None else Scale(own)
    return Scale(own.initial, name, width if own.per == "channel" else 1, own.trained)
