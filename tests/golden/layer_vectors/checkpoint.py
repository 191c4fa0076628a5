# Built by archspec 0.1.0 from layer-vectors.yaml; edit the spec and build again.
"""Published tensors → the tensors of this model. Files are read with the `safetensors` package."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

ModelType = TypeVar("ModelType", bound=nn.Module)


def load_checkpoint(model: ModelType, source: str | Path | Mapping[str, Tensor]) -> ModelType:
    """Fill `model` with published weights and return it.

    Args:
        model: The model, on any device; tensors on the meta device get memory here.
        source: A state dict, a `.safetensors` file, the index of a sharded one
            (`model.safetensors.index.json`), or a folder that holds either.

    Raises:
        ValueError: a tensor is missing, unknown, or has another shape; nothing was loaded.
    """
    tensors = read(source)
    own: dict[str, Tensor] = model.state_dict(keep_vars=True)
    targets = {published: place(published) for published in tensors}
    check(targets, tensors, own)
    born: dict[str, Tensor] = {}
    with torch.no_grad():
        for published, ours in targets.items():
            parts = arrange(published, tensors[published], [own[name] for name in ours])
            for name, part in zip(ours, parts, strict=True):
                if own[name].is_meta:
                    born[name] = part.to(own[name].dtype, copy=True)
                else:
                    own[name].copy_(part)
    model.load_state_dict(born, strict=False, assign=True)
    return model


def check(
    targets: dict[str, list[str]], tensors: Mapping[str, Tensor], own: Mapping[str, Tensor]
) -> None:
    """Raise ValueError unless every tensor of the model is filled once, by one of its shape."""
    given = Counter(name for ours in targets.values() for name in ours)
    problems = [f"missing {name}" for name in own if name not in given]
    for published, ours in targets.items():
        unknown = [name for name in ours if name not in own]
        problems += [f"unknown {published}" for _ in unknown[:1]]
        problems += [f"{name} is given twice" for name in ours if given[name] > 1]
        if unknown:
            continue
        wanted = [own[name] for name in ours]
        parts = arrange(published, tensors[published].to("meta"), wanted)
        for name, part, tensor in zip(ours, parts, wanted, strict=True):
            if part.shape != tensor.shape:
                problems.append(f"{name} is {(*part.shape,)}, not {(*tensor.shape,)}")
    if problems:
        more = f" and {len(problems) - 10} more" if len(problems) > 10 else ""
        raise ValueError(f"the checkpoint does not fit: {'; '.join(problems[:10])}{more}")


def place(published: str) -> list[str]:
    """Our tensors that a published one fills; none when the model does not use it."""
    name = published
    if name == "lm_head.weight":  # the token embedding again
        return []
    return [name]


def arrange(published: str, tensor: Tensor, wanted: list[Tensor]) -> list[Tensor]:
    """The published tensor in our layout, cut into one part for each of ours that it fills."""
    return [tensor] * len(wanted)


def read(source: str | Path | Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Published name → tensor, from files without reading them yet: they are mapped to memory."""
    if isinstance(source, Mapping):
        return source
    from safetensors.torch import load_file

    path = Path(source)
    if path.is_dir():
        index = path / "model.safetensors.index.json"
        path = index if index.exists() else path / "model.safetensors"
    if path.suffix != ".json":
        return load_file(path)
    files = sorted(set(json.loads(path.read_text())["weight_map"].values()))
    return {name: t for file in files for name, t in load_file(path.parent / file).items()}
