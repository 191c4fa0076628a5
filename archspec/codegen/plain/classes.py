"""The mechanisms of a model → the classes of a plain file, one for all that differ in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from archspec.architecture.model import Architecture
from archspec.codegen.names import camel, unused
from archspec.codegen.plain.facts import Facts, Number
from archspec.codegen.plain.norms import Norms
from archspec.codegen.plain.rotations import Key, Rotation
from archspec.codegen.plain.site import PlainClass, PlainSite, plain_module
from archspec.mechanisms.base import Mechanism

TAKEN = frozenset({"Tensor", "Cache", "Model", "Encoder", "MtpModule", "ShortConv", "XIELU"})
"""Names of classes that stand in plain files beside those of mechanisms and layers."""


@dataclass(frozen=True)
class Written:
    """A class of the file and the mechanisms that are made of it."""

    own: PlainClass
    members: tuple[Mechanism, ...]

    def arguments(self, mechanism: Mechanism) -> dict[str, Number]:
        """What the class is made with for one of them."""
        return self.own.facts.of(self.members.index(mechanism))


def classes(
    a: Architecture, norms: Norms, rotations: Mapping[Key, Rotation]
) -> dict[Mechanism, Written]:
    """The class of each mechanism, in order of first appearance."""
    shared = shared_names(a)
    groups = _groups(a, shared)
    names = _names(a, groups)
    found: dict[Mechanism, Written] = {}
    for group in groups:
        module = plain_module(type(group[0]))
        site = PlainSite(names[group], a.hidden_size, _decodes(a), norms, rotations, shared)
        own = module.plain(group[0], Facts([module.varies(one, shared) for one in group]), site)
        found |= dict.fromkeys(group, Written(own, group))
    return found


def shared_names(a: Architecture) -> dict[str, str]:
    """Short names of what layers take from earlier ones, in which they still differ."""
    taken = sorted(a.taken)
    short = [name.partition("_")[0] for name in taken]
    return {
        name: first if short.count(first) == 1 else name
        for name, first in zip(taken, short, strict=True)
    }


def _decodes(a: Architecture) -> bool:
    """Whether layers keep something: what turns by the length of its text is read anew instead."""
    ropes = [rope for body in a.mechanisms for rope, _ in body.rotaries().values()]
    return a.is_causal and not any(reads_length(rope) for rope in ropes)


def reads_length(rope: object) -> bool:
    """Whether all tokens turn by the length of their text."""
    return getattr(getattr(rope, "scaling", None), "type", None) in ("dynamic", "longrope")


def _groups(a: Architecture, shared: Mapping[str, str]) -> list[tuple[Mechanism, ...]]:
    """The mechanisms that share a class, in order of first appearance."""
    found: dict[tuple[type, object], list[Mechanism]] = {}
    for body in a.mechanisms:
        key = (type(body), plain_module(type(body)).alike(body, shared))
        found.setdefault(key, []).append(body)
    return [tuple(group) for group in found.values()]


def common_words(names: list[str]) -> str:
    """The words that names of blocks share: `reader` of `local_reader` and `far_reader`."""
    words = [name.split("_") for name in names]
    return "_".join(word for word in words[0] if all(word in other for other in words))


def _names(
    a: Architecture, groups: list[tuple[Mechanism, ...]]
) -> dict[tuple[Mechanism, ...], str]:
    """Each class by what it does, else by its block."""
    owners: dict[Mechanism, str] = {}
    for block in a.blocks:
        for branch in block.branches:
            owners.setdefault(branch.body, block.name)
    names: dict[tuple[Mechanism, ...], str] = {}
    taken = set(TAKEN)
    for group in groups:
        alike = [other for other in groups if type(other[0]) is type(group[0])]
        roles = {body.role() for body in group}
        others = {body.role() for other in alike if other is not group for body in other}
        if len(alike) == 1:
            name = group[0].noun
        elif len(roles) == 1 and roles.isdisjoint(others):
            name = group[0].role()
        else:
            name = camel(common_words([owners[body] for body in group])) + group[0].noun
        names[group] = unused(name, taken)
    return names
