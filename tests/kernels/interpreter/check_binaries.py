"""One binary of each of attention's kernels serves every batch and length."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import ROOT, Builder
from torch import Tensor

PAIRS = [(batch, tokens) for batch in (1, 2, 3, 7) for tokens in (2, 5, 16, 33, 250)]
FILES = ("attention_operators", "decode_kernels", "paged_kernels")


def key(kernel: Any, name: str, value: Any) -> object:
    """What of an argument Triton compiles for: types, a one, and whether 16 divides it."""
    if isinstance(value, Tensor):
        return value.dtype, value.data_ptr() % 16 == 0
    if value is None or name in kernel.kwargs.get("do_not_specialize", ()):
        return type(value)
    return value == 1, value % 16 == 0


@pytest.mark.parametrize("name", ["local-global", "chunked", "block-sparse"])
def test_lengths_reach_no_binary(
    name: str, builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = builder.load((ROOT / f"examples/{name}.yaml").read_text(encoding="utf-8"))
    seen: dict[str, set[object]] = {}

    def note(kernel: Any, _: Any, *arguments: Any, **options: Any) -> None:
        named = zip(kernel.arg_names, arguments, strict=False)
        keys = tuple(key(kernel, *one) for one in named)
        seen.setdefault(kernel.__name__, set()).add((keys, *sorted(options.items())))

    for path in Path(package.__path__[0]).glob("*_kernels.py"):  # nothing is computed
        module = importlib.import_module(f"{package.__name__}.{path.stem}")
        if hasattr(module, "launch"):
            monkeypatch.setattr(module, "launch", lambda *_, **__: None)
    for file in FILES:
        monkeypatch.setattr(importlib.import_module(f"{package.__name__}.{file}"), "launch", note)
    paged = importlib.import_module(f"{package.__name__}.paged")
    model = package.Model()
    for batch, tokens in PAIRS:
        ids = torch.zeros(batch, tokens, dtype=torch.long)
        model(ids).sum().backward()
        cache = model.new_cache(batch, tokens + 3)
        with torch.no_grad():
            model(ids, cache=cache)
            model(ids[:, :1], cache=cache)
        q, block = torch.zeros(batch, tokens, 4, 32).transpose(1, 2), torch.zeros(9, 16, 2, 32)
        table, lengths = torch.zeros(batch, 20, dtype=torch.int32), torch.full((batch,), tokens)
        kept = paged.PagedKeyValueCache(block, block, table, lengths.int())
        for queries in (q, q[:, :, :1]):
            paged.causal_paged(queries, kept)
    assert len(seen) > 9
    for kernel, keys in seen.items():
        assert len(keys) == 1, (kernel, keys)
