"""A checkpoint's names and shapes after its mapping: written from the language's description.

Deliberately apart from what generated packages do, so that the two check each other.
"""

from __future__ import annotations

import math
import re

from archspec.architecture.model import Architecture
from archspec.spec.checkpoint import TensorRule

Shape = tuple[int, ...]


def mapped(architecture: Architecture, published: dict[str, Shape]) -> dict[str, Shape]:
    """Our name → shape for every published tensor that the model uses."""
    checkpoint = architecture.checkpoint
    ours = {parameter.name: parameter.shape for parameter in architecture.parameters()}
    tied = bool(architecture.head and architecture.head.tied)
    rules = checkpoint.tensors
    out: dict[str, Shape] = {}
    for full, shape in published.items():
        name = full.removeprefix(checkpoint.prefix or "")
        if tied and name == "lm_head.weight":
            continue
        beside = (*checkpoint.ignore, *checkpoint.copies, *checkpoint.constants)
        if any(match(pattern, name) for pattern in beside):
            continue
        if tied and any(match(head, name) and r.to == ("lm_head",) for head, r in rules.items()):
            continue
        for target, part in _placed(rules, name, shape, ours):
            assert target not in out, f"{target} is filled twice"
            out[target] = part
    return out


def match(pattern: str, name: str) -> re.Match[str] | None:
    """`name`, or what it starts with up to a dot; `{layer}` and `{item}` are numbers."""
    expression = re.escape(pattern)
    for placeholder in ("layer", "item"):
        expression = expression.replace(rf"\{{{placeholder}\}}", rf"(?P<{placeholder}>\d+)")
    return re.fullmatch(rf"{expression}(?P<rest>(?:\..+)?)", name)


def _placed(
    rules: dict[str, TensorRule], name: str, shape: Shape, ours: dict[str, Shape]
) -> list[tuple[str, Shape]]:
    for pattern, rule in rules.items():
        if found := match(pattern, name):
            layer = found.groupdict().get("layer") or ""
            names = [to.replace("{layer}", layer) + found["rest"] for to in rule.to]
            if rule.part or "{item}" in pattern:
                return _piece(rule, shape, names[0], ours, found.groupdict().get("item"))
            return list(zip(names, _arranged(rule, shape, names, ours), strict=True))
    return [(name, shape)]


def _piece(
    rule: TensorRule, shape: Shape, name: str, ours: dict[str, Shape], item: str | None
) -> list[tuple[str, Shape]]:
    """The last piece stands for the whole, which has its shape only if all pieces have theirs."""
    whole = ours[name][1:] if item else ours[name]
    if rule.part:
        half = whole[rule.axis] // 2
        whole = (*whole[: rule.axis], half, *whole[rule.axis + 1 :])
    if rule.reshape:
        assert math.prod(shape) == math.prod(whole), f"{shape} is not {whole}"
        shape = whole
    elif rule.transpose:
        shape = (*shape[:-2], shape[-1], shape[-2])
    assert shape == whole, f"{shape} is no part of {name}"
    last_item = item is None or int(item) == ours[name][0] - 1
    return [(name, ours[name])] if rule.part in (None, "second") and last_item else []


def _arranged(
    rule: TensorRule, shape: Shape, names: list[str], ours: dict[str, Shape]
) -> list[Shape]:
    if rule.reshape:
        assert math.prod(shape) == math.prod(ours[names[0]])
        return [ours[names[0]]]
    if rule.transpose and len(shape) >= 2:
        shape = (*shape[:-2], shape[-1], shape[-2])
    assert not rule.interleaved or shape[rule.axis] % 2 == 0
    if len(names) == 1:
        return [shape]
    widths = [ours[name][rule.axis] for name in names]
    assert sum(widths) == shape[rule.axis], f"{names} do not share {shape}"
    assert not any(width % rule.groups for width in widths), f"{names} do not share groups"
    return [(*shape[: rule.axis], width, *shape[rule.axis + 1 :]) for width in widths]
