"""What every mixer with a recurrent state must do inside a built model."""

from __future__ import annotations

from types import ModuleType

import pytest
import torch
from conftest import Builder
from recurrence import example
from torch import nn


@pytest.fixture(scope="module", params=["mamba", "mamba2"])
def package(request: pytest.FixtureRequest, builder: Builder) -> ModuleType:
    return example(builder, request.param)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64], ids=str)
@torch.no_grad()
def test_the_state_is_at_least_float32(package: ModuleType, dtype: torch.dtype) -> None:
    model = package.Model().to(dtype)
    cache = model.new_cache(1, 30)
    ids = torch.randint(256, (1, 25), generator=torch.Generator().manual_seed(0))
    for part in ids.split([20, 1, 4], dim=1):
        assert model(part, cache=cache).isfinite().all()
    state, tail = cache.layers[0].state, cache.layers[0].tail
    assert tail.dtype == dtype
    assert state.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert state.abs().sum() > 0


@pytest.mark.parametrize("side", ["left", "right", "both"])
@torch.no_grad()
def test_decoding_goes_on_exactly_after_padding(package: ModuleType, side: str) -> None:
    torch.manual_seed(0)
    model = roughened(package.Model().double().eval())
    ids = torch.randint(256, (2, 29))
    mask = torch.ones(2, 24, dtype=torch.long)
    if side in ("left", "both"):
        mask[0, :7] = 0
    if side in ("right", "both"):
        mask[1, 13:] = 0
    cache = model.new_cache(2, 29)
    model(ids[:, :24], attention_mask=mask, cache=cache)
    found = torch.cat([model(ids[:, t : t + 1], cache=cache) for t in range(24, 29)], 1)
    for row in range(2):
        real = torch.cat((ids[row, :24][mask[row].bool()], ids[row, 24:]))[None]
        torch.testing.assert_close(found[row], model(real)[0, -5:], atol=1e-10, rtol=1e-10)


def roughened(model: nn.Module) -> nn.Module:
    """The same with weights large enough that mistakes show."""
    for tensor in model.parameters():
        scale = tensor.shape[-1] ** -0.5 if tensor.ndim > 1 else 0.1
        tensor.add_(torch.randn_like(tensor) * scale)
    return model


def test_fifty_steps_lower_the_loss(package: ModuleType) -> None:
    torch.manual_seed(0)
    model = package.Model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    ids = torch.randint(256, (4, 32))
    losses: list[float] = []
    for _ in range(50):
        loss = model(ids, labels=ids)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
