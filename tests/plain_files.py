"""Plain files as modules."""

from __future__ import annotations

import hashlib
import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from reading import Inputs, Reading
from torch import Tensor, nn

import archspec
from archspec.codegen.plain import build_plain


def write_plain(text: str, folder: Path, old: str = "", new: str = "") -> str:
    """Write what `build --plain` gives for the spec `text`; returns its name as a module.

    `new` stands in place of `old` where there is one.
    """
    source = build_plain(archspec.loads(text), "spec.yaml")
    assert old in source
    source = source.replace(old, new) if old else source
    name = "plain_" + hashlib.sha256(source.encode()).hexdigest()[:12]
    (folder / f"{name}.py").write_text(source, encoding="utf-8")
    return name


def load_plain(text: str, folder: Path, old: str = "", new: str = "") -> ModuleType:
    """The same as a module."""
    name = write_plain(text, folder, old, new)
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    return importlib.import_module(name)


def cached(
    reading: Reading,
    model: nn.Module,
    cache: Any,
    ids: Tensor,
    mask: Tensor | None,
    sizes: list[int],
) -> Tensor:
    """What `model` gives for pieces of these `sizes`, one after the other."""
    found: list[Tensor] = []
    start = 0
    for size in sizes:
        part = slice(start, start + size)
        given = reading.inputs(ids[:, part], None if mask is None else mask[:, part], start == 0)
        found.append(model(**exact(given, model), cache=cache))
        start += size
    assert start == ids.shape[1]
    return torch.cat(found, dim=1)


def exact(inputs: Inputs, model: nn.Module) -> Inputs:
    """The same in the type of the model's weights."""
    dtype = next(model.parameters()).dtype
    return {
        name: value.to(dtype) if torch.is_tensor(value) and value.is_floating_point() else value
        for name, value in inputs.items()
    }


def spread(ids: Tensor, places: list[list[int]], tokens: int) -> tuple[Tensor, Tensor]:
    """A text (1, T) in rows of `tokens` with padding at `places` of each row, and their mask."""
    mask = torch.ones(len(places), tokens, dtype=torch.long)
    for row, gone in enumerate(places):
        mask[row, gone] = 0
    padded = torch.zeros_like(mask)
    padded[mask.bool()] = ids.repeat(len(places), 1).flatten()
    return padded, mask
