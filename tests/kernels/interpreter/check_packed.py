"""Texts packed into rows through a whole model: kernels agree with the model without them."""

from __future__ import annotations

import importlib

import pytest
import torch
from conftest import Builder
from torch import Tensor, nn

SPEC = """
archspec: 1
name: packed
vocab_size: 64
hidden_size: 32
context_length: 64
blocks:
  first:
    mixer: {{type: attention, heads: {heads}, kv_heads: 1, head_dim: 16, {more}}}
    feedforward: {{type: dense, hidden_size: 32, activation: silu, gated: true}}
  second:
    extends: first
    mixer: {{window: null, chunk: null}}
layers: first, second
head: {{tied: true}}
"""
ROPE = "rope: {theta: 100}"
KINDS = {
    "window": SPEC.format(heads=3, more=f"window: 5, {ROPE}"),
    "chunk": SPEC.format(heads=3, more=f"chunk: 7, {ROPE}"),
    "sinks": SPEC.format(heads=1, more=f"sinks: true, softcap: 2, {ROPE}, qk_norm: true"),
    "alibi": SPEC.format(heads=2, more="alibi: true"),
    "relative": SPEC.format(heads=2, more="relative_bias: {max_distance: 6}"),
    "gate": SPEC.format(heads=2, more=f"gate: {{per: element}}, {ROPE}"),
}
LENGTHS = [[1, 11, 5, 3], [16, 4]]
IDS = (torch.arange(40) * 7 % 64).view(2, 20)
TEXT_IDS = torch.stack(
    [torch.arange(len(row)).repeat_interleave(torch.tensor(row)) for row in LENGTHS]
)


@pytest.fixture(params=KINDS)
def text(request: pytest.FixtureRequest) -> str:
    return KINDS[request.param]


def results(model: nn.Module, mask: Tensor | None = None) -> list[Tensor]:
    """Logits, loss and gradients."""
    given = {"text_ids": TEXT_IDS} | ({} if mask is None else {"attention_mask": mask})
    model.zero_grad()
    logits = model(IDS, **given)
    loss = model(IDS, labels=IDS, **given)
    (loss + logits.square().mean()).backward()
    grads = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    return [logits.detach(), loss.detach(), *grads]


def test_kernels_keep_texts_apart(
    text: str, builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = builder.load(text)
    torch.manual_seed(0)
    model = package.Model()
    mask = torch.ones_like(IDS)
    mask[1, :5] = 0
    found = [results(model), results(model, mask)]
    launch = importlib.import_module(f"{package.__name__}.launch")
    monkeypatch.setattr(launch, "USED", False)
    for kernels, own in zip(found, [results(model), results(model, mask)], strict=True):
        largest = max(float(x.abs().max()) for x in own)
        for one, other in zip(kernels, own, strict=True):
            assert (one - other).abs().max() < 1e-5 * largest


def test_packed_texts_leave_the_graph_whole(builder: Builder) -> None:
    model = builder.load(KINDS["window"]).Model()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(IDS, text_ids=TEXT_IDS), model(IDS, text_ids=TEXT_IDS))
