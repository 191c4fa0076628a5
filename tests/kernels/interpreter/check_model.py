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
    if (Path(made.__path__[0]) / "kernels/experts.py").exists():
        kernels = importlib.import_module(f"{made.__name__}.kernels.experts")
        kernels.SMALL = kernels.FORWARD[1]  # few programs, since each takes long here
    return made


def results(model: nn.Module, tokens: Tensor) -> list[Tensor]:
    model.zero_grad()
    logits = model(tokens)
    loss = model(tokens, labels=tokens)
    loss.backward()
    return [logits.detach(), loss.detach(), *(p.grad.clone() for p in model.parameters())]


def test_it_agrees_with_itself_without_kernels(
    package: ModuleType,
) -> None:
    torch.manual_seed(0)
    model, tokens = package.Model(), torch.arange(10).view(2, 5)
    found = results(model, tokens)
    with importlib.import_module(f"{package.__name__}.kernels").mode("reference"):
        wanted = results(model, tokens)
    for kernel, own in zip(found, wanted, strict=True):
        torch.testing.assert_close(kernel, own, atol=2e-5, rtol=1e-4)


@torch.no_grad()
@pytest.mark.filterwarnings("ignore:Mismatch dtype")  # of PyTorch's own norm
def test_autocast_reads_a_wider_cache(builder: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Queries are of 16 bits there, while the cache is as wide as the weights."""
    text = (ROOT / "examples/local-global.yaml").read_text(encoding="utf-8")
    package = builder.load(text)
    torch.manual_seed(0)
    model, tokens = package.Model(), torch.arange(22).view(2, 11)

    def read() -> Tensor:
        cache = model.new_cache(2, 11)
        with torch.autocast("cpu", torch.float16):
            return torch.cat([model(ids, cache=cache) for ids in tokens.split([4, 1, 6], 1)], 1)

    found = read()
    monkeypatch.setattr(
        importlib.import_module(f"{package.__name__}.kernels"), "running", "reference"
    )
    wanted = read()
    assert (found - wanted).abs().max() < 0.02 * wanted.abs().max()


def test_kernels_leave_the_graph_whole(builder: Builder) -> None:
    package = builder.load((ROOT / "examples/two-routers.yaml").read_text(encoding="utf-8"))
    model, tokens = package.Model(), torch.arange(10).view(2, 5)
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(tokens), model(tokens))
