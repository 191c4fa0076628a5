"""A whole model with kernels is the same model: its logits, its loss, its gradients."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest
import torch
from conftest import ROOT, Builder
from torch import Tensor, nn

SPECS = {
    "two-routers": "examples/two-routers.yaml",
    "local-global": "examples/local-global.yaml",
    "experts": "archspec/mechanisms/feedforward/moe/example.yaml",
}


@pytest.fixture(scope="module", params=SPECS.values(), ids=SPECS)
def package(request: pytest.FixtureRequest, builder: Builder) -> ModuleType:
    text = (ROOT / request.param).read_text(encoding="utf-8").replace("2 x (", "1 x (")
    made = builder.load(text)
    if (Path(made.__path__[0]) / "expert_kernels.py").exists():
        kernels = importlib.import_module(f"{made.__name__}.expert_kernels")
        kernels.SMALL = kernels.FORWARD[1]  # few programs, since each takes long here
    return made


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
