"""Learned biases and gates in whole models: kernels give what the model gives without them."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import torch
from conftest import ROOT, Builder, small_text
from torch import Tensor
from twice import Twice

SPECS = {
    "hybrid": ROOT / "examples/hybrid.yaml",
    "encoder-decoder": ROOT / "examples/encoder-decoder.yaml",
    "given-states": ROOT / "examples/given-states.yaml",
}
IDS = torch.arange(26).view(2, 13)


@pytest.fixture
def made(
    request: pytest.FixtureRequest, builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> Twice:
    text = small_text(SPECS[request.param])
    text = text.replace("3 x (3 x delta, attention)", "delta, attention")
    return Twice(text, builder, monkeypatch)


@pytest.mark.parametrize("made", SPECS, indirect=True)
def test_it_learns_the_same(made: Twice) -> None:
    launched = made.launched()
    made.agrees(lambda: made.learned(IDS % made.architecture.vocab_size))
    assert any("backward_queries" in name for name in launched)


@torch.no_grad()
@pytest.mark.parametrize("made", SPECS, indirect=True)
def test_token_by_token_is_the_text_at_once(made: Twice) -> None:
    ids = IDS % made.architecture.vocab_size
    whole = made.model(**made.inputs(ids))
    parts = made.in_parts(made.model, ids.split([6, 1, 1, 4, 1], dim=1))
    assert (parts - whole).abs().max() <= 2e-5 * whole.abs().max()


@pytest.mark.parametrize("made", ["hybrid"], indirect=True)
def test_what_was_gated_is_kept_for_gradients_alone(made: Twice) -> None:
    operators = made.module("kernels.attention_operators")
    q, k, v = (torch.randn(1, heads, 5, 32) for heads in (4, 1, 1))
    gate = torch.randn(1, 5, 4)
    for keep in (True, False):
        out, _, plain = operators.attention(
            "causal_gated_heads", q, k, v, gate, None, [], 0.2, "sigmoid", keep
        )
        assert plain.numel() == (out.numel() if keep else 0)
        opened = gate.sigmoid().transpose(1, 2)[..., None]
        if keep:
            torch.testing.assert_close(out, plain * opened)


WIDE = """
archspec: 1
name: wide
vocab_size: 64
hidden_size: 32
context_length: 64
blocks:
  gated:
    mixer: {type: attention, heads: 3, kv_heads: 1, head_dim: 64, gate: {per: PER}}
layers: gated
head: {tied: true}
"""


@pytest.mark.parametrize("per", ["element", "head"])
def test_a_gate_comes_after_a_kernel_in_gluon(
    per: str, builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = builder.load(WIDE.replace("PER", per), ("gluon",))
    operators = importlib.import_module(f"{package.__name__}.kernels.attention_operators")
    q, k, v = (torch.randn(2, heads, 7, 64) for heads in (3, 1, 1))
    gate = torch.randn(2, 7, 3 * (64 if per == "element" else 1))
    kind = "causal_gated" if per == "element" else "causal_gated_heads"
    given = (kind, q, k, v, gate, None, [], 0.125, "sigmoid")
    wanted = {keep: operators.attention(*given, keep) for keep in (True, False)}

    class Hopper:
        """What a kernel without a gate gives."""

        @staticmethod
        def attention(*_: Any) -> tuple[Tensor, Tensor]:
            return wanted[True][2], wanted[True][1]

    monkeypatch.setattr(operators, "use_gluon", lambda *_: True)
    kernels = importlib.import_module(f"{package.__name__}.kernels")
    monkeypatch.setattr(kernels, "attention_hopper", Hopper, raising=False)
    for keep, results in wanted.items():
        for found, own in zip(operators.attention(*given, keep), results, strict=True):
            torch.testing.assert_close(found, own)
            assert found.stride() == own.stride()
