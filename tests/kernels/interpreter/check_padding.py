"""Padded texts through a whole model: kernels agree with the model without them."""

from __future__ import annotations

import importlib
from collections.abc import Callable

import pytest
import torch
from conftest import ROOT, Builder
from measure import drawn
from reading import Reading
from torch import Tensor, nn

import archspec

SMALL = """
archspec: 1
name: padded
vocab_size: 64
hidden_size: 32
context_length: 64
blocks:
  sliding:
    mixer: {type: attention, heads: 4, kv_heads: 2, head_dim: 16, window: 5, rope: {theta: 100}}
    feedforward: {type: dense, hidden_size: 32, activation: silu, gated: false}
  global:
    extends: sliding
    mixer: {window: null}
layers: sliding, global
head: {tied: true}
"""
RELATIVE = """
archspec: 1
name: relative
vocab_size: 64
hidden_size: 32
context_length: 64
blocks:
  distant:
    mixer:
      type: attention
      heads: 4
      kv_heads: 2
      head_dim: 16
      relative_bias: {buckets: 6, max_distance: 9}
  near:
    mixer:
      type: attention
      heads: 3
      head_dim: 16
      relative_bias: {max_distance: 5, shared: false}
layers: 2 x distant, near
head: {tied: true}
"""
GATED = """
archspec: 1
name: gated
vocab_size: 64
hidden_size: 32
context_length: 64
blocks:
  sliding:
    mixer:
      type: attention
      heads: 4
      kv_heads: 2
      head_dim: 16
      window: 5
      sinks: true
      gate: {activation: sigmoid, per: element, bias: true}
  global:
    mixer:
      type: attention
      heads: 3
      kv_heads: 1
      head_dim: 12
      gate: {activation: softplus, per: head}
  plain:
    mixer: {type: attention, heads: 2, head_dim: 16}
layers: sliding, global, plain
head: {tied: true}
"""
SPECS = {"small": SMALL, "relative": RELATIVE, "gated": GATED}
TOKENS = 20
IDS = torch.arange(2 * TOKENS).view(2, TOKENS)
LEFT = torch.ones(2, TOKENS, dtype=torch.long)
LEFT[0, :7] = 0
BOTH = LEFT.clone()
BOTH[1, 15:] = 0


class Padded(Reading):
    """A model, and its results with kernels and without."""

    def __init__(self, name: str, builder: Builder, monkeypatch: pytest.MonkeyPatch):
        path = ROOT / f"examples/{name}.yaml"
        text = path.read_text(encoding="utf-8") if path.exists() else SPECS[name]
        super().__init__(archspec.loads(text))
        package = builder.load(text)
        torch.manual_seed(0)
        self.model: nn.Module = package.Model()
        self.launch = importlib.import_module(f"{package.__name__}.launch")
        self.monkeypatch = monkeypatch

    def agrees(self, call: Callable[[], list[Tensor]]) -> None:
        """What `call` gives is the same with kernels and without."""
        found = call()
        self.monkeypatch.setattr(self.launch, "USED", False)
        wanted = call()
        largest = max(float(own.abs().max()) for own in wanted)
        for kernel, own in zip(found, wanted, strict=True):
            assert (kernel - own).abs().max() < 1e-5 * largest

    def read(self, mask: Tensor) -> list[Tensor]:
        """The logits of real tokens, and the gradients of a sum of them."""
        inputs = {"attention_mask": mask} | self.inputs(IDS, mask)
        if self.architecture.encoder:
            source = torch.ones(2, self.source_length, dtype=torch.long)
            source[0, 6:] = 0
            inputs["attention_mask"] = source
        logits = self.model(**inputs)[mask.bool()]
        self.model.zero_grad()
        (logits * drawn(*logits.shape).float()).sum().backward()
        grads = [p.grad for p in self.model.parameters()]
        return [logits.detach(), *(grad.clone() for grad in grads if grad is not None)]


@pytest.fixture
def padded(
    request: pytest.FixtureRequest, builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> Padded:
    return Padded(request.param, builder, monkeypatch)


@pytest.mark.parametrize("mask", [LEFT, BOTH], ids=["left", "both"])
@pytest.mark.parametrize("padded", ["small", "encoder", "relative", "gated"], indirect=True)
def test_padding_on_either_side(padded: Padded, mask: Tensor) -> None:
    padded.agrees(lambda: padded.read(mask))


@pytest.mark.parametrize("padded", ["encoder-decoder"], indirect=True)
def test_a_padded_source(padded: Padded) -> None:
    padded.agrees(lambda: padded.read(BOTH))


@torch.no_grad()
@pytest.mark.parametrize("mask", [LEFT, BOTH], ids=["left", "both"])
@pytest.mark.parametrize("padded", SPECS, indirect=True)
def test_a_padded_text_goes_on(padded: Padded, mask: Tensor) -> None:
    """After padding on the right there is a gap in the text, which two bounds do not describe."""

    def read() -> list[Tensor]:
        cache = padded.model.new_cache(2, TOKENS + 8)  # type: ignore[operator]
        found = [padded.model(IDS, attention_mask=mask, cache=cache)[mask.bool()]]
        for count in (1, 1, 4, 1):
            found.append(padded.model(IDS[:, :count], cache=cache))
        return found

    padded.agrees(read)


@pytest.mark.parametrize("padded", SPECS, indirect=True)
def test_padding_leaves_the_graph_whole(padded: Padded) -> None:
    compiled = torch.compile(padded.model, fullgraph=True, backend="aot_eager")
    found = compiled(IDS, attention_mask=LEFT)
    torch.testing.assert_close(found, padded.model(IDS, attention_mask=LEFT))
