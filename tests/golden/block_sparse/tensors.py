# Built by archspec 0.1.0 from block-sparse.yaml; edit the spec and build again.
"""Tensors from a state dict or from `safetensors` files, and what makes one unusable."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

ONE = "model.safetensors"
INDEX = "model.safetensors.index.json"
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def read(source: str | Path | Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Name → tensor, from files without reading them yet: they are mapped to memory.

    Raises ValueError for a file or an index that cannot be read, TypeError for what is no tensor.
    """
    if isinstance(source, Mapping):
        for name, tensor in source.items():
            if not isinstance(name, str) or not isinstance(tensor, Tensor):
                raise TypeError(f"{name!r} is of type {type(tensor).__name__}, not a tensor")
        return source
    path = Path(source)
    if path.is_dir():
        found = [path / name for name in (INDEX, ONE) if (path / name).exists()]
        if not found:
            raise ValueError(f"{path}: a folder with neither {INDEX} nor {ONE}")
        path = found[0]
    return read_shards(path) if path.suffix == ".json" else read_file(path)


def read_file(path: Path) -> dict[str, Tensor]:
    """The tensors of one `safetensors` file."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    try:
        return load_file(path)
    except (SafetensorError, KeyError, OSError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: not a safetensors file that can be read: {error}") from None


def read_shards(path: Path) -> dict[str, Tensor]:
    """The tensors of all files that an index names, each of them in one file alone."""
    place = named_files(path)
    tensors: dict[str, Tensor] = {}
    origin: dict[str, str] = {}
    for file in sorted(set(place.values())):
        for name, tensor in read_file(path.parent / file).items():
            if name in tensors:
                raise ValueError(f"{path}: {name} stands in {origin[name]} and in {file}")
            tensors[name], origin[name] = tensor, file
    for name, file in place.items():
        if origin.get(name) != file:
            raise ValueError(f"{path}: {name} is not in {file}, where the index says it is")
    return tensors


def named_files(path: Path) -> dict[str, str]:
    """Tensor → file, as an index says: files beside it, never elsewhere.

    The index came with the weights, and a name in it must not lead to other files of this machine.
    A link in the folder is followed: only its owner can place one, and download caches are made
    of them.
    """
    try:
        index: Any = json.loads(path.read_bytes())
        place = {**index["weight_map"]}
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise ValueError(f"{path}: not an index of safetensors files: {error!r}") from None
    for name, file in place.items():
        plain = isinstance(file, str) and file.isprintable() and not set(file) & set("/\\:")
        if not plain or file in ("", ".", ".."):
            raise ValueError(f"{path}: {name} is said to be in {file!r}, not a file in that folder")
    return place


def unusable(tensor: Tensor) -> str:
    """Why no weight can be copied from a tensor; empty where it can."""
    if tensor.layout != torch.strided:
        return f"is {tensor.layout}, not dense".replace("torch.", "")
    if tensor.is_meta:
        return "is on the meta device and holds no numbers"
    if tensor.dtype not in FLOATS:
        wanted = "float16, bfloat16, float32 or float64"
        return f"is {tensor.dtype}, not {wanted}".replace("torch.", "")
    return ""


def alike(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors hold the same numbers, whatever their types and devices."""
    if a is b or a.shape != b.shape:
        return a is b
    wide = torch.promote_types(a.dtype, b.dtype)
    a, b = a.detach().to(wide), b.detach().to(a.device, wide)
    return torch.equal(a, b) or torch.allclose(a, b, rtol=0.0, atol=0.0, equal_nan=True)
