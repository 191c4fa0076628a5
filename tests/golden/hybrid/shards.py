# Built by archspec 0.1.0 from hybrid.yaml; edit the spec and build again.
"""Tensors to `safetensors` files: one, or several with an index; all of them, or none."""

from __future__ import annotations

import ctypes
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from .tensors import INDEX, ONE

CODES = {
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float32: "F32",
    torch.float64: "F64",
}


def gather(own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors that are cut over processes, put together in the first of these; none elsewhere.

    Every process has to call it. Tensors that are whole stay as they are.
    """
    cut = [getattr(tensor, "full_tensor", None) for tensor in own.values()]
    if not any(cut):
        return dict(own)
    first = torch.distributed.get_rank() == 0
    whole: dict[str, Tensor] = {}
    for (name, tensor), put_together in zip(own.items(), cut, strict=True):
        full = put_together() if put_together else tensor
        if first:
            whole[name] = full.cpu()
    return whole


def write(
    folder: Path,
    outline: Mapping[str, Tensor],
    give: Callable[[str], Tensor],
    max_shard_size: int,
    overwrite: bool,
) -> None:
    """Write tensors of the shapes and types in `outline`, each asked for when it is written.

    The files get their names when all are complete. Raises FileExistsError where the folder has
    weights and may not be written over.
    """
    old = [path for path in (folder / INDEX, folder / ONE) if path.exists()]
    old += sorted(folder.glob("model-*-of-*.safetensors"))
    if old and not overwrite:
        raise FileExistsError(
            f"{old[0]} is there; overwrite=True writes these weights in its place"
        )
    files = divide(outline, max_shard_size)
    folder.mkdir(parents=True, exist_ok=True)
    made: dict[str, Path] = {}  # under other names, until all are
    try:
        for file, names in files.items():
            made[file] = folder / f".{file}.{os.getpid()}"
            write_file(made[file], {name: outline[name] for name in names}, give)
        if len(files) > 1:
            made[INDEX] = folder / f".{INDEX}.{os.getpid()}"
            made[INDEX].write_text(index_of(files, outline), encoding="utf-8")
        # While new files take the place of old ones, no index says that they belong together.
        (folder / INDEX).unlink(missing_ok=True)
        for file, temporary in made.items():
            temporary.replace(folder / file)
    finally:
        for temporary in made.values():
            temporary.unlink(missing_ok=True)
    for path in old:
        if path.name not in made:
            path.unlink(missing_ok=True)


def divide(outline: Mapping[str, Tensor], max_shard_size: int) -> dict[str, list[str]]:
    """File → names, in order: each file takes what fits in it, and one tensor at least."""
    shards: list[list[str]] = [[]]
    size = 0
    for name, tensor in outline.items():
        if shards[-1] and size + tensor.nbytes > max_shard_size:
            shards.append([])
            size = 0
        shards[-1].append(name)
        size += tensor.nbytes
    if len(shards) == 1:
        return {ONE: shards[0]}
    end = f"-of-{len(shards):05d}.safetensors"
    return {f"model-{number:05d}{end}": names for number, names in enumerate(shards, 1)}


def index_of(files: Mapping[str, list[str]], outline: Mapping[str, Tensor]) -> str:
    """The text of the file that says which tensor is in which other one."""
    place = {name: file for file, names in files.items() for name in names}
    size = sum(tensor.nbytes for tensor in outline.values())
    index = {"metadata": {"total_size": size}, "weight_map": dict(sorted(place.items()))}
    return json.dumps(index, indent=2) + "\n"


def write_file(path: Path, outline: Mapping[str, Tensor], give: Callable[[str], Tensor]) -> None:
    """One file: the length of its header, the header, and the numbers one after the other.

    As the `safetensors` library, the widest type first, so that each tensor stands at a multiple
    of its width.
    """
    names = sorted(outline, key=lambda name: (-outline[name].itemsize, name))
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name in names:
        tensor, begin = outline[name], end
        end += tensor.nbytes
        offsets = [begin, end]
        header[name] = {
            "dtype": CODES[tensor.dtype],
            "shape": [*tensor.shape],
            "data_offsets": offsets,
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in names:
            tensor = give(name).detach().cpu().contiguous()
            file.write((ctypes.c_char * tensor.nbytes).from_address(tensor.data_ptr()))
        file.flush()
        os.fsync(file.fileno())
