# Built by archspec 0.1.0 from parallel.yaml; edit the spec and build again.
"""Published tensors → the tensors of this model, and back: in files, or in a state dict."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from .shards import gather, write
from .tensors import alike, read, unusable

ModelType = TypeVar("ModelType", bound=nn.Module)


NUMBER = "(?:0|[1-9][0-9]{0,8})"  # written in one way only, so that no two names mean one tensor


def pattern(name: str) -> re.Pattern[str]:
    """Matches `name`, with a number for {layer}, and whatever follows it after a dot."""
    expression = re.escape(name).replace(r"\{layer\}", f"(?P<layer>{NUMBER})")
    return re.compile(expression + r"(?P<rest>\..*)?")


def spelled(name: str, match: re.Match[str]) -> str:
    """`name` with the layer that was matched, and with what followed."""
    return name.replace("{layer}", match.groupdict().get("layer") or "") + (match["rest"] or "")


# Published once more: each holds the same numbers as what fills the tensor of ours, or is refused.
COPIES = [
    (pattern("lm_head.weight"), "embed_tokens.weight"),
]


@dataclass(frozen=True)
class Part:
    """A published tensor that is one of ours as it is."""

    published: str
    name: str  # ours
    tensor: Tensor


@dataclass(frozen=True)
class Loaded:
    """What `load_checkpoint` found, so that `save_checkpoint` writes the same again."""

    names: tuple[str, ...]  # published
    shapes: dict[str, torch.Size]  # of ours


LOADED: WeakKeyDictionary[nn.Module, Loaded] = WeakKeyDictionary()


def load_checkpoint(model: ModelType, source: str | Path | Mapping[str, Tensor]) -> ModelType:
    """Fill `model` with published weights, or with what its `state_dict` gave, and return it.

    Args:
        model: The model, on any device; tensors on the meta device get memory here.
        source: A state dict, a `.safetensors` file, the index of a sharded one
            (`model.safetensors.index.json`), or a folder that holds either.

    Raises:
        ValueError: a file cannot be read, or a tensor is missing, unknown, given twice, of another
            shape or of no floating-point type; nothing was loaded.
        TypeError: the state dict has something else than tensors; nothing was loaded.
    """
    own: dict[str, Tensor] = model.state_dict(keep_vars=True)
    tensors = read(source)
    parts, problems = place(tensors, own)
    if problems:
        where = "" if isinstance(source, Mapping) else f" {source}"
        more = f" and {len(problems) - 10} more" if len(problems) > 10 else ""
        raise ValueError(f"the checkpoint{where} does not fit: {'; '.join(problems[:10])}{more}")
    born: dict[str, Tensor] = {}
    with torch.no_grad():
        for part in parts:
            target = own[part.name]
            if target.is_meta:
                target = born.setdefault(
                    part.name, torch.empty_like(target, device=part.tensor.device)
                )
            target.copy_(part.tensor)
    model.load_state_dict(born, strict=False, assign=True)
    if tensors.keys() != own.keys():  # else they may be what `state_dict` gave
        names = tuple(tensors)
        shapes = {name: tensor.shape for name, tensor in own.items()}
        LOADED[model] = Loaded(names, shapes)
    return model


def save_checkpoint(
    model: nn.Module,
    folder: str | Path,
    max_shard_size: int = 5 * 10**9,
    overwrite: bool = False,
) -> None:
    """Write the weights of `model` as `safetensors` files under their published names.

    It is the inverse of `load_checkpoint`: the names are those of the checkpoint that was
    loaded, or of published files where none was, or where shapes have changed since.
    Each tensor keeps its type. Either all files are written, or none. Where processes hold parts of
    the model, every one of them calls this, and the first one writes.

    Args:
        model: The model, on any device.
        folder: Made where it is missing: it gets `model.safetensors`, or else
            `model-00001-of-0000N.safetensors` and the others, with `model.safetensors.index.json`.
        max_shard_size: Bytes up to which tensors share a file.
        overwrite: Whether to write over weights that are in the folder.

    Raises:
        FileExistsError: there are weights in the folder; it is as it was.
        ValueError: a tensor is on the meta device, or of no floating-point type.
    """
    state: dict[str, Tensor] = model.state_dict()
    if problems := [f"{name} {why}" for name, tensor in state.items() if (why := unusable(tensor))]:
        raise ValueError(f"these weights cannot be written: {'; '.join(problems[:10])}")
    own = gather(state)
    if not own:  # another process writes
        return
    loaded = LOADED.get(model)
    if loaded and loaded.shapes == {name: tensor.shape for name, tensor in own.items()}:
        names = loaded.names
    else:
        names = published_names(own)
    meta = {name: tensor.to("meta") for name, tensor in own.items()}
    outline = {name: publish(name, meta) for name in names}
    write(Path(folder), outline, lambda name: publish(name, own), max_shard_size, overwrite)


def place(tensors: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> tuple[list[Part], list[str]]:
    """What each published tensor gives to which of ours, and all that is wrong with them."""
    parts: list[Part] = []
    problems: list[str] = []
    again: list[Part] = []
    for published, tensor in tensors.items():
        name = published
        if copied := first(name, COPIES):
            again.append(Part(published, copied, tensor))
            continue
        if name not in own:
            problems.append(f"unknown {published}")
            continue
        if why := unusable(tensor):
            problems.append(f"{published} {why}")
        elif tensor.shape != own[name].shape:
            problems.append(f"{published} is {(*tensor.shape,)}, not {(*own[name].shape,)}")
        parts.append(Part(published, name, tensor))
    compare(again, parts, own, problems)
    problems += uneven(parts, own)
    return parts, problems


def publish(published: str, own: Mapping[str, Tensor]) -> Tensor:
    """A published tensor made of ours: what reading does with it, undone."""
    name = published
    if copied := first(name, COPIES):
        return own[copied]
    return own[name]


def published_names(own: Mapping[str, Tensor]) -> tuple[str, ...]:
    """The names by which files hold these tensors."""
    return tuple(name for name in own)


def first(name: str, patterns: list[tuple[re.Pattern[str], str]]) -> str | None:
    """What a name is called on the other side by the first pattern that matches it, if one does."""
    found = ((expression.fullmatch(name), other) for expression, other in patterns)
    return next((spelled(other, match) for match, other in found if match), None)


def compare(
    again: list[Part], parts: list[Part], own: Mapping[str, Tensor], problems: list[str]
) -> None:
    """Note what differs from the tensor that it is a copy of; a copy alone is that tensor."""
    for copy in again:
        if copy.name not in own:
            problems.append(f"unknown {copy.published}")
            continue
        whole = [part for part in parts if part.name == copy.name]
        if why := unusable(copy.tensor):
            problems.append(f"{copy.published} {why}")
        elif copy.tensor.shape != own[copy.name].shape:
            shapes = f"{(*copy.tensor.shape,)}, not {(*own[copy.name].shape,)}"
            problems.append(f"{copy.published} is {shapes}")
        elif not whole:
            parts.append(copy)
        elif not problems and not all(alike(copy.tensor, part.tensor) for part in whole):
            problems.append(
                f"{copy.published} differs from {whole[0].published}, "
                "and the two are one tensor in this model"
            )


def uneven(parts: list[Part], own: Mapping[str, Tensor]) -> list[str]:
    """What of ours no part fills, and what several do."""
    given: dict[str, list[str]] = {}
    for part in parts:
        given.setdefault(part.name, []).append(part.published)
    problems = [f"missing {name}" for name in own if name not in given]
    twice = {name: by for name, by in given.items() if len(by) > 1}
    return [
        *problems,
        *(f"{name} is given twice, by {' and '.join(by)}" for name, by in twice.items()),
    ]
