"""What differs between two architectures: structure field by field, and the numbers it moves.

Compares the resolved architectures, so two specs written differently that mean the same are
equal. Names, titles, `about` and the layout of a checkpoint are not structure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Literal

from pydantic import BaseModel

from archspec.architecture.block import Block, NamedNorm, Scale
from archspec.architecture.model import Architecture
from archspec.mechanisms.base import Mechanism
from archspec.numbers.analysis import analyse, feedforwards, mixers
from archspec.spec.norm import Norm

Kind = Literal["added", "removed", "changed"]

_NOT_STRUCTURE = {"name", "title", "about", "checkpoint", "layers", "schedule"}


@dataclass(frozen=True)
class Change:
    """One difference at a dotted `path`; the side where nothing stands is None."""

    kind: Kind
    path: str
    before: Any
    after: Any

    def to_dict(self) -> dict[str, Any]:
        """As plain data for JSON."""
        return {"kind": self.kind, "path": self.path, "before": self.before, "after": self.after}


@dataclass(frozen=True)
class Number:
    """A figure of both models: `parameters.total`, and so on."""

    name: str
    before: int
    after: int

    @property
    def delta(self) -> int:
        """How much the second model has more."""
        return self.after - self.before


@dataclass(frozen=True)
class Difference:
    """Everything between two architectures; `renamed` blocks are compared as the same block."""

    before: str
    after: str
    changes: tuple[Change, ...]
    renamed: tuple[tuple[str, str], ...]
    numbers: tuple[Number, ...]
    context: int
    """The tokens at which cache and FLOPs are counted, as long as both models allow."""

    def to_dict(self) -> dict[str, Any]:
        """As plain data for JSON."""
        return {
            "before": self.before,
            "after": self.after,
            "equal": not self.changes,
            "changes": [change.to_dict() for change in self.changes],
            "renamed": dict(self.renamed),
            "context": self.context,
            "numbers": {
                n.name: {"before": n.before, "after": n.after, "delta": n.delta}
                for n in self.numbers
            },
        }


def diff(before: Architecture, after: Architecture) -> Difference:
    """The changes that turn `before` into `after`, in the order of the model."""
    pairs = _pairs(before, after)
    changes = [
        *_model(before, after),
        *_schedule(before, after, pairs),
        *_blocks(before, after, pairs),
    ]
    renamed = tuple((a, b) for a, b in pairs.items() if a != b)
    context = min(before.context_length, after.context_length)
    numbers = _numbers(before, after, context)
    return Difference(before.name, after.name, tuple(changes), renamed, numbers, context)


def _model(before: Architecture, after: Architecture) -> Iterator[Change]:
    for field in fields(Architecture):
        if field.name not in _NOT_STRUCTURE:
            a, b = getattr(before, field.name), getattr(after, field.name)
            yield from _compare(field.name, a, b)


def _schedule(before: Architecture, after: Architecture, pairs: dict[str, str]) -> Iterator[Change]:
    a = [layer.block.name for layer in before.layers]
    b = [layer.block.name for layer in after.layers]
    if len(a) != len(b):
        yield Change("changed", "layers", len(a), len(b))
    if [pairs.get(name) for name in a] != b:
        yield Change("changed", "schedule", str(before.schedule), str(after.schedule))


def _blocks(before: Architecture, after: Architecture, pairs: dict[str, str]) -> Iterator[Change]:
    old = {block.name: block for block in before.blocks}
    new = {block.name: block for block in after.blocks}
    for name, block in old.items():
        if name in pairs:
            yield from _block(f"blocks.{name}", block, new[pairs[name]])
        else:
            yield Change("removed", f"blocks.{name}", _plain_block(block), None)
    for name, block in new.items():
        if name not in pairs.values():
            yield Change("added", f"blocks.{name}", None, _plain_block(block))


def _pairs(before: Architecture, after: Architecture) -> dict[str, str]:
    """Blocks that are compared: of one name, else most often at the same depth."""
    old = [block.name for block in before.blocks]
    new = [block.name for block in after.blocks]
    pairs = {name: name for name in old if name in new}
    together = Counter(
        (a.block.name, b.block.name) for a, b in zip(before.layers, after.layers, strict=False)
    )
    for (a, b), _ in together.most_common():
        if a not in pairs and b not in pairs.values():
            pairs[a] = b
    return {name: pairs[name] for name in old if name in pairs}


def _branches(block: Block) -> dict[str, _Placed]:
    """The branches by the noun of the language: `mixer`, `feedforward`, `mixer_2`."""
    nouns = [("mixer", mixers(block)), ("feedforward", feedforwards(block))]
    noun_of = {id(body): noun for noun, bodies in nouns for body in bodies}
    out: dict[str, _Placed] = {}
    for update in block.updates:
        for branch in update.branches:
            noun = noun_of.get(id(branch.body), "branch")
            count = sum(1 for known in out if known.partition("_")[0] == noun)
            out[noun if not count else f"{noun}_{count + 1}"] = _Placed(
                branch.body,
                _value(branch.before or update.before),
                _value(branch.inside),
                _value(update.after),
                branch.scale.value if branch.scale and not branch.scale.name else branch.scale,
                _value(update.inside),
                True if len(update.branches) > 1 else None,
                True if update.before else None,
            )
    return out


@dataclass(frozen=True)
class _Placed:
    """A branch with what stands around it, in the words of the language."""

    body: Mechanism
    norm_before: Norm | None
    norm_inside: Norm | None
    norm_after: Norm | None
    residual_scale: float | Scale | None
    joint_norm: Norm | None
    parallel: bool | None
    shared_norm: bool | None


def _block(path: str, before: Block, after: Block) -> Iterator[Change]:
    old, new = _branches(before), _branches(after)
    yield from _compare(f"{path}.stream_scale", before.scale, after.scale)
    for noun in dict.fromkeys([*old, *new]):
        a, b = old.get(noun), new.get(noun)
        here = f"{path}.{noun}"
        if a is None or b is None:
            yield from _compare(here, a and a.body, b and b.body)
            continue
        yield from _compare(here, a.body, b.body)
        for field in fields(_Placed):
            if field.name != "body":
                pair = (getattr(side, field.name) for side in (a, b))
                yield from _compare(f"{here}.{field.name}", *pair)


def _value(named: NamedNorm | None) -> Norm | None:
    """Without the module's name, which follows from where the norm stands."""
    return named.norm if named else None


def _compare(path: str, before: Any, after: Any) -> Iterator[Change]:
    if before == after:
        return
    if before is None:
        yield Change("added", path, None, plain(after))
    elif after is None:
        yield Change("removed", path, plain(before), None)
    elif (names := _names(before)) and (others := _names(after)):
        for name in dict.fromkeys([*names, *others]):
            a, b = getattr(before, name, None), getattr(after, name, None)
            yield from _compare(f"{path}.{name}", a, b)
    else:
        yield Change("changed", path, plain(before), plain(after))


def _names(value: Any) -> list[str]:
    if isinstance(value, BaseModel):
        return list(type(value).model_fields)
    if is_dataclass(value) and not isinstance(value, type):
        return [field.name for field in fields(value)]
    return []


def plain(value: Any) -> Any:
    """`value` as data for JSON, without what is at its default."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_defaults=True)
    if is_dataclass(value) and not isinstance(value, type):
        pairs = ((field.name, getattr(value, field.name)) for field in fields(value))
        return {name: plain(inner) for name, inner in pairs if inner is not None}
    return value


def _plain_block(block: Block) -> dict[str, Any]:
    return {noun: plain(branch.body) for noun, branch in _branches(block).items()}


def _numbers(before: Architecture, after: Architecture, context: int) -> tuple[Number, ...]:
    # At one context, so that the numbers differ only where the structures do.
    sources = [side.encoder.context_length for side in (before, after) if side.encoder]
    a, b = (
        analyse(side, context, source=min(sources) if side.encoder else None)
        for side in (before, after)
    )
    pairs: list[tuple[str, int | None, int | None]] = [
        ("parameters.total", a.parameters.total, b.parameters.total),
        ("parameters.active", a.parameters.active, b.parameters.active),
        ("parameters.buffers", a.parameters.buffers, b.parameters.buffers),
        ("cache.bytes_per_token", a.cache.bytes_per_token, b.cache.bytes_per_token),
        ("cache.state_bytes", a.cache.state_bytes, b.cache.state_bytes),
        ("cache.bytes", a.cache.bytes, b.cache.bytes),
        ("flops.prefill", a.flops.prefill, b.flops.prefill),
        ("flops.decode", a.flops.decode, b.flops.decode),
    ]
    return tuple(Number(name, x, y) for name, x, y in pairs if x is not None and y is not None)
