"""A package's check of itself: where it runs, what it says of kernels, and how much it needs."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
from conftest import ROOT, Builder
from torch import nn

TINY = (ROOT / "examples/tiny.yaml").read_text(encoding="utf-8")
CROWDED = """
archspec: 1
name: crowded
vocab_size: 64
hidden_size: 512
context_length: 64
blocks:
  only:
    mixer: {type: attention, heads: 2, head_dim: 16}
    feedforward:
      type: moe
      experts: 2048
      top_k: 2
      intermediate_size: 128
      activation: silu
      gated: true
      renormalize: true
layers: only
head: {tied: true}
"""
STORED = 4 * 250_000_000
"""Bytes of float32 beyond which experts are not held each."""


def test_without_a_gpu_it_says_that_kernels_did_not_run(
    builder: Builder, capsys: pytest.CaptureFixture[str]
) -> None:
    selftest: Any = importlib.import_module(f"{builder.load(TINY).__name__}.selftest")
    assert selftest.main() == 0
    assert capsys.readouterr().out.splitlines()[-1] == "on cpu; kernels: not run, no GPU"


def test_many_experts_have_room(builder: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    selftest: Any = importlib.import_module(f"{builder.load(CROWDED).__name__}.selftest")
    made: list[nn.Module] = []
    compare = selftest.compare

    def noted(*given: Any) -> None:
        made.append(given[-1])
        compare(*given)

    monkeypatch.setattr(selftest, "compare", noted)
    assert selftest.main() == 0
    (layer,) = made
    largest = max(layer.parameters(), key=lambda p: p.numel())
    assert 4 * largest.numel() > STORED
    assert largest.untyped_storage().nbytes() < STORED / 200
    assert not largest[0].equal(largest[1])
    assert sum(p.untyped_storage().nbytes() for p in layer.parameters()) < STORED
