"""What a built package does beyond the contract: generation, padding, errors, the shell."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from conftest import ROOT, Builder
from torch import nn


@pytest.fixture(scope="module")
def text() -> str:
    return (ROOT / "examples/local-global.yaml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def package(builder: Builder, text: str) -> ModuleType:
    return builder.load(text)


@pytest.fixture(scope="module")
def model(package: ModuleType) -> Any:
    torch.manual_seed(0)
    model = package.Model().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=0.2)
    return model


def greedy(model: nn.Module, ids: torch.Tensor, count: int) -> torch.Tensor:
    with torch.no_grad():
        for _ in range(count):
            ids = torch.cat((ids, model(ids)[:, -1].argmax(-1, keepdim=True)), 1)
    return ids


def test_generate_equals_reading_everything_anew(model: Any) -> None:
    ids = torch.randint(1024, (2, 70))
    assert torch.equal(model.generate(ids, 12), greedy(model, ids, 12))


@pytest.mark.parametrize("side", ["left", "right"])
def test_generate_continues_each_padded_text(model: Any, side: str) -> None:
    long, short = torch.randint(1024, (1, 9)), torch.randint(1024, (1, 5))
    pad = torch.zeros(1, 4, dtype=torch.long)
    real = torch.ones(1, 5, dtype=torch.long)
    parts = (pad, short) if side == "left" else (short, pad)
    masks = (pad, real) if side == "left" else (real, pad)
    ids = torch.cat((long, torch.cat(parts, 1)))
    mask = torch.cat((torch.ones_like(long), torch.cat(masks, 1)))
    out = model.generate(ids, 6, attention_mask=mask)
    assert torch.equal(out[0], greedy(model, long, 6)[0])
    assert torch.equal(out[1, 4:], greedy(model, short, 6)[0])


def test_generate_stops(model: Any) -> None:
    ids = torch.randint(1024, (1, 8))
    free = model.generate(ids, 10)
    stop = int(free[0, 10])
    out = model.generate(ids, 10, stop_tokens=(stop,))
    assert out.shape[1] < 18
    assert int(out[0, -1]) == stop
    assert torch.equal(out, free[:, : out.shape[1]])


def test_sampling_follows_the_seed(model: Any) -> None:
    ids = torch.randint(1024, (1, 8))
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(model.generate(ids, 10, temperature=1.0))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_a_window_keeps_its_tokens_however_long_the_text(model: Any) -> None:
    cache = model.new_cache(1, 1000)
    kept = [layer.k.shape[2] for layer in cache.layers]
    assert kept == [64, 64, 64, 1000] * 2


def test_a_full_cache_says_so(model: Any) -> None:
    cache = model.new_cache(1, 4)
    with pytest.raises(ValueError, match="5 tokens; the cache holds 4"):
        model(torch.zeros(1, 5, dtype=torch.long), cache=cache)


def test_positions_run_out_with_a_message(builder: Builder) -> None:
    text = (ROOT / "examples/encoder.yaml").read_text(encoding="utf-8")
    model = builder.load(text).Model()
    with pytest.raises(ValueError, match="257 tokens; the model has 256 positions"):
        model(torch.zeros(1, 257, dtype=torch.long))


def test_loss_never_holds_the_logits(builder: Builder, text: str) -> None:
    """A vocabulary of 200,000: no tensor saved or made has tokens × vocabulary numbers."""
    package = builder.load(text.replace("vocab_size: 1024", "vocab_size: 200_000"))
    from torch.utils._python_dispatch import TorchDispatchMode

    largest = 0

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None):
            nonlocal largest
            out = func(*args, **(kwargs or {}))
            for tensor in out if isinstance(out, (tuple, list)) else (out,):
                if isinstance(tensor, torch.Tensor) and not isinstance(tensor, nn.Parameter):
                    largest = max(largest, tensor.numel())
            return out

    model = package.Model()
    ids = torch.randint(200_000, (1, 700))
    weights = model.embed_tokens.weight.numel()
    with Watch():
        model(ids, labels=ids).backward()
    assert largest <= max(weights, 1 << 25) < 700 * 200_000


def test_gradients_of_many_labels_fit_into_float16(package: ModuleType) -> None:
    """A label's share in the mean of 1,000 rows is 1e-7 of a probability here."""
    torch.manual_seed(0)
    loss = importlib.import_module(f"{package.__name__}.loss").LinearCrossEntropy
    x, weight = torch.randn(1000, 24).half(), (torch.randn(8000, 24) / 24).half()
    target = torch.randint(8000, (1000,))
    grads: list[torch.Tensor] = []
    for dtype in (torch.float16, torch.float64):
        own = x.to(dtype).detach().clone().requires_grad_()
        loss.apply(own, weight.to(dtype), None, target).mul(2.0**16).backward()
        assert own.grad is not None
        grads.append(own.grad.double())
    assert (grads[0] - grads[1]).norm() < 1e-3 * grads[1].norm()


def test_the_loss_has_the_digits_of_its_model(package: ModuleType) -> None:
    torch.manual_seed(0)
    model, ids = package.Model().double(), torch.randint(1024, (2, 9))
    expected = F.cross_entropy(model(ids)[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
    found = model(ids, labels=ids)
    torch.testing.assert_close(found, expected, atol=1e-13, rtol=0)
    weight = model.embed_tokens.weight
    grads = [torch.autograd.grad(loss, weight)[0] for loss in (found, expected)]
    torch.testing.assert_close(*grads, atol=1e-13, rtol=0)


def test_labels_that_are_all_ignored_give_zero(model: Any) -> None:
    ids = torch.randint(1024, (1, 8))
    assert model(ids, labels=torch.full_like(ids, -100)) == 0


def test_load_checkpoint_names_what_does_not_fit(package: ModuleType, model: Any) -> None:
    state = dict(model.state_dict())
    state["layers.0.mlp.up_proj.weight"] = torch.zeros(3, 3)
    state["stranger.weight"] = state.pop("norm.weight")
    fresh = package.Model()
    before = {name: p.clone() for name, p in fresh.named_parameters()}
    with pytest.raises(ValueError) as caught:
        package.load_checkpoint(fresh, state)
    message = str(caught.value)
    assert "missing norm.weight" in message
    assert "unknown stranger.weight" in message
    assert "layers.0.mlp.up_proj.weight is (3, 3), not (512, 192)" in message
    assert all(torch.equal(before[name], p) for name, p in fresh.named_parameters())


def test_load_checkpoint_gives_meta_parameters_memory(package: ModuleType, model: Any) -> None:
    with torch.device("meta"):
        empty = package.Model()
    package.load_checkpoint(empty, model.state_dict())
    ids = torch.randint(1024, (1, 8))
    assert torch.equal(empty(ids), model(ids))


def test_generate_from_a_shell(builder: Builder, text: str, model: Any, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    folder = builder.write(text)
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    command = [sys.executable, "-W", "error", "-m", f"{folder.name}.generate"]
    options = ["--checkpoint", str(tmp_path), "--ids", "5,6,7", "--max-new-tokens", "4"]
    done = subprocess.run(
        [*command, *options], cwd=folder.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    expected = model.generate(torch.tensor([[5, 6, 7]]), 4)[0].tolist()
    assert done.stdout.strip() == ",".join(map(str, expected))
