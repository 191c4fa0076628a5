# Built by archspec 0.1.0 from block-sparse.yaml; edit the spec and build again.
"""Published tensors → the tensors of this model, from `safetensors` files or a state dict."""

from __future__ import annotations

import json
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
    # The head is the token embedding again.
    tensors = {name: tensor for name, tensor in tensors.items() if name != "lm_head.weight"}
    check(tensors, own)
    born: dict[str, Tensor] = {}
    with torch.no_grad():
        for name, tensor in tensors.items():
            if own[name].is_meta:
                born[name] = tensor.to(own[name].dtype, copy=True)
            else:
                own[name].copy_(tensor)
    model.load_state_dict(born, strict=False, assign=True)
    return model


def check(tensors: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
    """Raise ValueError unless both have the same names and shapes."""
    problems = [f"missing {name}" for name in own if name not in tensors]
    for name, tensor in tensors.items():
        if name not in own:
            problems.append(f"unknown {name}")
        elif tensor.shape != own[name].shape:
            problems.append(f"{name} is {(*tensor.shape,)}, not {(*own[name].shape,)}")
    if problems:
        more = f" and {len(problems) - 10} more" if len(problems) > 10 else ""
        raise ValueError(f"the checkpoint does not fit: {'; '.join(problems[:10])}{more}")


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
