"""Names of classes and functions in the built package, each used once."""

from __future__ import annotations

import keyword
import re

from archspec.architecture.block import Block
from archspec.architecture.model import Architecture
from archspec.mechanisms.base import Mechanism


def package_name(name: str) -> str:
    """A model's name as Python can import it: `tiny-0.6b` → `tiny_0_6b`."""
    made = re.sub(r"[^a-z0-9_]", "_", name)
    reserved = keyword.iskeyword(made) or keyword.issoftkeyword(made)
    return f"m_{made}" if made[0].isdigit() or reserved else made


def camel(name: str) -> str:
    """A block's name as part of a class name: `local_attention` → `LocalAttention`."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_") if part)


def layer_names(architecture: Architecture) -> dict[Block, str]:
    """The class of each kind of layer: `Layer`, or `LocalLayer` and `GlobalLayer`."""
    if len(architecture.blocks) == 1:
        return {architecture.blocks[0]: "Layer"}
    taken: set[str] = set()
    return {block: unused(f"{camel(block.name)}Layer", taken) for block in architecture.blocks}


def mechanism_names(architecture: Architecture) -> dict[Mechanism, str]:
    """The class of each mechanism, named after what it does, else after its block."""
    owners: dict[Mechanism, str] = {}
    for block in architecture.blocks:
        for branch in block.branches:
            owners.setdefault(branch.body, block.name)
    names: dict[Mechanism, str] = {}
    taken: set[str] = set()
    for mechanism, owner in owners.items():
        alike = [m for m in owners if type(m) is type(mechanism)]
        roles = [m for m in alike if m.role() == mechanism.role()]
        if len(alike) == 1:
            name = mechanism.noun
        elif len(roles) == 1:
            name = mechanism.role()
        else:
            name = camel(owner) + mechanism.noun
        names[mechanism] = unused(name, taken)
    return names


def unused(name: str, taken: set[str]) -> str:
    """`name`, with a number behind it where it is in `taken`, to which it is added."""
    number, made = 2, name
    while made in taken:
        made, number = f"{name}{number}", number + 1
    taken.add(made)
    return made
