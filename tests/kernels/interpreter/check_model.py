"""A whole model with kernels gives what its definition says: logits, loss, gradients."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
import torch
from conftest import ROOT, Builder
from defined import Defined, roughened
from reading import Reading, next_token_loss
from torch import Tensor

import archspec

SPECS = {
    "two-routers": "examples/two-routers.yaml",
    "local-global": "examples/local-global.yaml",
    "experts": "archspec/mechanisms/feedforward/moe/example.yaml",
}


@pytest.mark.parametrize("path", SPECS.values(), ids=SPECS)
def test_it_gives_what_its_definition_says(path: str, builder: Builder) -> None:
    text = (ROOT / path).read_text(encoding="utf-8").replace("2 x (", "1 x (")
    made = builder.load(text)
    if (Path(made.__path__[0]) / "kernels/experts.py").exists():
        kernels = importlib.import_module(f"{made.__name__}.kernels.experts")
        kernels.SMALL = kernels.FORWARD[1]  # few programs, since each takes long here
    model, tokens = roughened(made.Model()).float(), torch.arange(10).view(2, 5)
    defined = Defined(Reading(archspec.loads(text)), model)
    expected = defined.logits(tokens)
    expected_loss = next_token_loss(expected, tokens)
    gradients = defined.gradients(expected_loss)
    loss = model(tokens, labels=tokens)
    loss.backward()
    defined.close(model(tokens), expected, "logits", share=1e-4)
    defined.close(loss, expected_loss, "loss", share=1e-4)
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        defined.close(parameter.grad, gradients[name], name, share=1e-3)


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
