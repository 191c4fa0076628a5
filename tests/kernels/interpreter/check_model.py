"""A whole model with kernels is the same model: its logits, its loss, its gradients."""

from __future__ import annotations

import importlib
from types import ModuleType

import pytest
import torch
from conftest import ROOT, Builder
from torch import Tensor, nn


@pytest.fixture(scope="module", params=["two-routers", "local-global"])
def package(request: pytest.FixtureRequest, builder: Builder) -> ModuleType:
    return builder.load((ROOT / f"examples/{request.param}.yaml").read_text(encoding="utf-8"))


def results(model: nn.Module, tokens: Tensor) -> list[Tensor]:
    model.zero_grad()
    logits = model(tokens)
    loss = model(tokens, labels=tokens)
    loss.backward()
    return [logits.detach(), loss.detach(), *(p.grad.clone() for p in model.parameters())]


def test_it_agrees_with_itself_without_kernels(
    package: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    model, tokens = package.Model(), torch.arange(10).view(2, 5)
    found = results(model, tokens)
    launch = importlib.import_module(f"{package.__name__}.launch")
    monkeypatch.setattr(launch, "USED", False)
    for kernel, own in zip(found, results(model, tokens), strict=True):
        torch.testing.assert_close(kernel, own, atol=2e-5, rtol=1e-4)


def test_kernels_leave_the_graph_whole(builder: Builder) -> None:
    package = builder.load((ROOT / "examples/two-routers.yaml").read_text(encoding="utf-8"))
    model, tokens = package.Model(), torch.arange(10).view(2, 5)
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(tokens), model(tokens))
