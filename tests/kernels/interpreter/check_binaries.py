"""One binary of each of attention's kernels serves every batch and length."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from conftest import ROOT, Builder
from kernels.latent import ALONE
from torch import Tensor

PAIRS = [(batch, tokens) for batch in (1, 2, 3, 7) for tokens in (2, 5, 16, 33, 250)]
FILES = ("kernels.attention_operators", "kernels.decode", "kernels.paged")
SCORES = """
archspec: 1
name: scores
vocab_size: 64
hidden_size: 32
context_length: 512
blocks:
  related:
    mixer: {type: attention, heads: 4, kv_heads: 2, head_dim: 32, relative_bias: {max_distance: 20}}
  gated:
    mixer: {type: attention, heads: 4, kv_heads: 2, head_dim: 32, gate: {per: element}}
layers: related, gated
head: {tied: true}
"""
EXAMPLES = {
    name: ROOT / f"examples/{name}.yaml" for name in ("local-global", "chunked", "block-sparse")
}
TEXTS = {name: path.read_text(encoding="utf-8") for name, path in EXAMPLES.items()}
TEXTS |= {"latent": ALONE, "scores": SCORES}


def key(kernel: Any, name: str, value: Any) -> object:
    """What of an argument Triton compiles for: types, a one, and whether 16 divides it."""
    if isinstance(value, Tensor):
        return value.dtype, value.data_ptr() % 16 == 0
    if value is None or name in kernel.kwargs.get("do_not_specialize", ()):
        return type(value)
    return value == 1, value % 16 == 0


def noted(package: ModuleType, monkeypatch: pytest.MonkeyPatch) -> dict[str, set[object]]:
    """What each of attention's kernels is launched with from here on, as Triton sees it."""
    seen: dict[str, set[object]] = {}

    def note(kernel: Any, _: Any, *arguments: Any, **options: Any) -> None:
        named = zip(kernel.arg_names, arguments, strict=False)
        keys = tuple(key(kernel, *one) for one in named)
        seen.setdefault(kernel.__name__, set()).add((keys, *sorted(options.items())))

    folder = Path(package.__path__[0])
    for path in folder.glob("kernels/[a-z]*.py"):  # nothing is computed
        module = importlib.import_module(f"{package.__name__}.kernels.{path.stem}")
        if hasattr(module, "launch"):
            monkeypatch.setattr(module, "launch", lambda *_, **__: None)
    for file in FILES:
        if (folder / f"{file.replace('.', '/')}.py").exists():
            module = importlib.import_module(f"{package.__name__}.{file}")
            monkeypatch.setattr(module, "launch", note)
    return seen


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_lengths_reach_no_binary(
    text: str, builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = builder.load(text, ("paged",))
    seen = noted(package, monkeypatch)
    model = package.Model()
    for batch, tokens in PAIRS:
        ids = torch.zeros(batch, tokens, dtype=torch.long)
        model(ids).sum().backward()
        cache = model.new_cache(batch, tokens + 3)
        with torch.no_grad():
            model(ids, cache=cache)
            model(ids[:, :1], cache=cache)
        if (Path(package.__path__[0]) / "paged.py").exists():
            in_pages(package, batch, tokens)
    assert len(seen) > (9 if "type: mla" not in text else 5)
    # What was gated is kept for gradients alone, and keys in pages know no gate.
    twice = {"causal_gated_forward", "combine_32x32_gated"} if text == SCORES else set[str]()
    for kernel, keys in seen.items():
        assert len(keys) == (2 if kernel in twice else 1), (kernel, keys)


@pytest.mark.parametrize("name", sorted(set(TEXTS) - {"block-sparse"}))  # whose rows hold one text
def test_packings_reach_no_binary(
    name: str, builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One binary more than for whole rows, whatever the texts in them."""
    package = builder.load(TEXTS[name])
    seen = noted(package, monkeypatch)
    model = package.Model()
    generator = torch.Generator().manual_seed(0)
    for batch, tokens in PAIRS:
        ids = torch.zeros(batch, tokens, dtype=torch.long)
        text_ids = torch.randint(3, ids.shape, generator=generator)
        model(ids, text_ids=text_ids).sum().backward()
    assert len(seen) > 5
    for kernel, keys in seen.items():
        assert len(keys) == 1, (kernel, keys)


def in_pages(package: ModuleType, batch: int, tokens: int) -> None:
    """Several tokens and one, of two key-value heads in pages."""
    paged = importlib.import_module(f"{package.__name__}.paged")
    q, block = torch.zeros(batch, tokens, 4, 32).transpose(1, 2), torch.zeros(9, 16, 2, 32)
    table, lengths = torch.zeros(batch, 20, dtype=torch.int32), torch.full((batch,), tokens)
    kept = paged.PagedKeyValueCache(block, block, table, lengths.int())
    for queries in (q, q[:, :, :1]):
        own = "causal_paged" if hasattr(paged, "causal_paged") else "causal_gated_paged"
        getattr(paged, own)(queries, kept, scale=0.2)
