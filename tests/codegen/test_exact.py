"""What is published in float32 stays float32 in a model of any type, and never becomes less."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType

import pytest
import torch
import torch.nn.functional as F
from conftest import Builder
from torch import Tensor, nn

SPEC = """
archspec: 1
name: exact
vocab_size: 64
hidden_size: 32
context_length: 64
defaults:
  mixer: {type: kimi_delta, heads: 2, key_head_dim: 8, value_head_dim: 8, conv: 3, float32: true}
  feedforward: &moe
    {type: moe, experts: 64, top_k: 4, intermediate_size: 8, activation: silu, renormalize: true,
     router: {score: sigmoid, correction_bias: true, groups: {count: 8, keep: 4, by: top2}}}
blocks:
  corrected: {}
  kept: {feedforward: {router: {float32: true, float32_weights: true}}}
  plain: {feedforward: {router: {correction_bias: false}}}
layers: corrected, kept, plain
head: {tied: false}
"""
KEPT = ("router_correction", "A_log", "dt_bias", "conv1d.weight", "1.mlp.router.weight")
HALVES: dict[str, Callable[[nn.Module], nn.Module]] = {
    "bfloat16": lambda m: m.bfloat16(),
    "half": lambda m: m.half(),
    "to": lambda m: m.to(torch.bfloat16),
    "to a device": lambda m: m.to("cpu", torch.bfloat16),
    "type": lambda m: m.type(torch.float16),
    "a copy": lambda m: copy.deepcopy(m).bfloat16(),
    "part by part": lambda m: [part.bfloat16() for part in m.children()] and m,
    "twice": lambda m: m.double().bfloat16(),
}


@pytest.fixture(scope="module")
def package(builder: Builder) -> ModuleType:
    return builder.load(SPEC)


def drawn(package: ModuleType) -> nn.Module:
    """A model whose corrections lie far from zero and close together, as published ones do."""
    torch.manual_seed(0)
    model = package.Model()
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name.endswith(KEPT):
                tensor.copy_(6.817 + 0.246 * torch.rand(tensor.shape))
    return model


@contextmanager
def default(dtype: torch.dtype) -> Iterator[None]:
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("way", HALVES)
def test_a_conversion_leaves_every_digit(package: ModuleType, way: str) -> None:
    model = drawn(package)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    kept = {name for name in before if name.endswith(KEPT)}
    assert len(kept) == 2 + 3 + 3 + 9 + 1
    for name, tensor in HALVES[way](model).state_dict().items():
        if name in kept:
            assert torch.equal(tensor, before[name]) and tensor.dtype == torch.float32, name
        else:
            assert tensor.dtype in (torch.bfloat16, torch.float16), name


def test_gradients_follow_their_tensors(package: ModuleType) -> None:
    model = drawn(package)
    model(torch.zeros(1, 4, dtype=torch.long)).sum().backward()
    for parameter in model.bfloat16().parameters():
        assert parameter.grad is None or parameter.grad.dtype == parameter.dtype


def test_nothing_is_narrower_than_the_model(package: ModuleType) -> None:
    assert {t.dtype for t in drawn(package).double().state_dict().values()} == {torch.float64}
    with default(torch.float64):
        made = package.Model()
    assert {t.dtype for t in made.state_dict().values()} == {torch.float64}


def test_a_short_default_type_leaves_them_float32(package: ModuleType) -> None:
    with default(torch.bfloat16):
        with torch.device("meta"):
            empty = package.Model()
        for model in (package.Model(), empty, empty.to_empty(device="cpu")):
            found = {n for n, t in model.state_dict().items() if t.dtype == torch.float32}
            assert found == {n for n in model.state_dict() if n.endswith(KEPT)}


def test_saved_and_loaded_they_are_the_same(package: ModuleType) -> None:
    saved = drawn(package).state_dict()
    for model in (
        package.load_checkpoint(package.Model().bfloat16(), saved),
        package.load_checkpoint(package.Model(), saved).bfloat16(),
    ):
        again = package.Model().bfloat16()
        again.load_state_dict(model.state_dict())
        for name in (name for name in saved if name.endswith(KEPT)):
            assert torch.equal(again.state_dict()[name], saved[name]), name


def test_a_model_in_bfloat16_decodes_as_it_reads(package: ModuleType) -> None:
    model, ids = package.Model().bfloat16(), torch.randint(64, (2, 9))
    cache = model.new_cache(2, 9)
    with torch.no_grad():
        parts = [model(part, cache=cache) for part in ids.split([6, 1, 2], dim=1)]
        want = model(ids)
    torch.testing.assert_close(torch.cat(parts, dim=1), want, atol=1e-2, rtol=1e-2)


def chosen(scores: Tensor) -> Tensor:
    """The experts of each token by their definition: the best of the best groups."""
    groups = scores.view(-1, 8, 8)
    best = groups.topk(2, dim=-1).values.sum(-1).topk(4, dim=-1).indices
    kept = torch.zeros(groups.shape[:2], dtype=torch.bool).scatter(1, best, True)
    return groups.masked_fill(~kept[..., None], -1e9).flatten(1).topk(4, -1).indices.sort(-1).values


@pytest.mark.parametrize("autocast", [False, True], ids=["plain", "autocast"])
def test_a_router_in_bfloat16_chooses_as_in_float64(package: ModuleType, autocast: bool) -> None:
    moe, x = drawn(package).layers[0].mlp, torch.randn(2000, 32)
    with torch.no_grad():
        moe.router.weight.normal_(std=32**-0.5)
    if not autocast:  # where weights and tokens are of the model's type
        moe, x = moe.bfloat16(), x.bfloat16()
    logits = x.double() @ moe.router.weight.double().t()
    want = chosen(logits.sigmoid() + moe.router_correction.double())
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast), torch.no_grad():
        found = moe.route(x)[1].sort(-1).values
    assert (found != want).any(-1).double().mean() < 1e-3


def test_without_float32_a_router_is_of_the_model_s_type(package: ModuleType) -> None:
    """As gpt-oss and Qwen publish it: logits are rounded before they are scored."""
    moe, x = drawn(package).layers[2].mlp.bfloat16(), torch.randn(50, 32).bfloat16()
    want = F.linear(x, moe.router.weight)
    assert want.dtype == torch.bfloat16 and torch.equal(moe.router(x), want)


def test_the_meta_device_takes_a_forward_pass(package: ModuleType) -> None:
    with torch.device("meta"):
        out = package.Model()(torch.zeros(1, 4, dtype=torch.long))
    assert out.shape == (1, 4, 64)
