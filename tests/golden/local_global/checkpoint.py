# Built by archspec 0.1.0 from local-global.yaml; edit the spec and build again.
"""Published tensors → the parameters of this model. Files are read with the `safetensors` package."""

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
        model: The model, on any device; parameters on the meta device get memory here.
        source: A state dict, a `.safetensors` file, the index of a sharded one
            (`model.safetensors.index.json`), or a folder that holds either.

    Raises:
        ValueError: a tensor is missing, unknown, or has another shape; nothing was loaded.
    """
    tensors = read(source)
    parameters = dict(model.named_parameters())
    targets = {published: place(published) for published in tensors}
    check(targets, tensors, parameters)
    with torch.no_grad():
        for published, ours in targets.items():
            parts = arrange(published, tensors[published], [parameters[name] for name in ours])
            for name, part in zip(ours, parts, strict=True):
                fill(model, name, parameters[name], part)
    return model


def check(
    targets: dict[str, list[str]],
    tensors: Mapping[str, Tensor],
    parameters: dict[str, nn.Parameter],
) -> None:
    """Raise ValueError unless every parameter is filled once, by a tensor of its shape."""
    given = Counter(name for ours in targets.values() for name in ours)
    problems = [f"missing {name}" for name in parameters if name not in given]
    for published, ours in targets.items():
        unknown = [name for name in ours if name not in parameters]
        problems += [f"unknown {published}" for _ in unknown[:1]]
        problems += [f"{name} is given twice" for name in ours if given[name] > 1]
        if unknown:
            continue
        wanted = [parameters[name] for name in ours]
        parts = arrange(published, tensors[published].to("meta"), wanted)
        for name, part, parameter in zip(ours, parts, wanted, strict=True):
            if part.shape != parameter.shape:
                problems.append(f"{name} is {(*part.shape,)}, not {(*parameter.shape,)}")
    if problems:
        more = f" and {len(problems) - 10} more" if len(problems) > 10 else ""
        raise ValueError(f"the checkpoint does not fit: {'; '.join(problems[:10])}{more}")


def place(published: str) -> list[str]:
    """The parameters that a published tensor fills; none when the model does not use it."""
    name = published
    if name == "lm_head.weight":  # the token embedding again
        return []
    return [name]


def arrange(published: str, tensor: Tensor, wanted: list[nn.Parameter]) -> list[Tensor]:
    """The published tensor in our layout, cut into one part for each parameter it fills."""
    return [tensor] * len(wanted)


def fill(model: nn.Module, name: str, parameter: nn.Parameter, value: Tensor) -> None:
    """Copy `value` into a parameter, giving it memory if it has none."""
    if not parameter.is_meta:
        parameter.copy_(value)
        return
    owner, _, leaf = name.rpartition(".")
    filled = nn.Parameter(value.to(parameter.dtype, copy=True), parameter.requires_grad)
    setattr(model.get_submodule(owner), leaf, filled)


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
