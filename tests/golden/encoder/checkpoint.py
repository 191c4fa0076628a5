# Built by archspec 0.1.0 from encoder.yaml; edit the spec and build again.
"""Published tensors → the tensors of this model, and back: in files, or in a state dict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from .shards import gather, write
from .tensors import read, unusable

ModelType = TypeVar("ModelType", bound=nn.Module)


@dataclass(frozen=True)
class Part:
    """A published tensor that is one of ours as it is."""

    published: str
    name: str  # ours
    tensor: Tensor


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
    parts, problems = as_they_are(tensors, own)
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
    return model


def save_checkpoint(
    model: nn.Module,
    folder: str | Path,
    max_shard_size: int = 5 * 10**9,
    overwrite: bool = False,
) -> None:
    """Write the weights of `model` as `safetensors` files under their names.

    It is the inverse of `load_checkpoint`: those of `state_dict`.
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
    write(Path(folder), own, own.__getitem__, max_shard_size, overwrite)


def as_they_are(
    tensors: Mapping[str, Tensor], own: Mapping[str, Tensor]
) -> tuple[list[Part], list[str]]:
    """A part for each of this model's tensors by its own name, and all that is wrong with them."""
    parts: list[Part] = []
    problems = [f"missing {name}" for name in own if name not in tensors]
    for name, tensor in tensors.items():
        if name not in own:
            problems.append(f"unknown {name}")
        elif why := unusable(tensor):
            problems.append(f"{name} {why}")
        elif tensor.shape != own[name].shape:
            problems.append(f"{name} is {(*tensor.shape,)}, not {(*own[name].shape,)}")
        else:
            parts.append(Part(name, name, tensor))
    return parts, problems
