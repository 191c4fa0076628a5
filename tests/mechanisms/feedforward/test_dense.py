"""The built dense feed-forward against its definition in float64."""

from __future__ import annotations

from typing import get_args

import pytest
import slow
import torch
from conftest import Builder
from specs import feedforward, noisy, spec

from archspec.spec.activation import CAPTIONS, GATED_CAPTIONS, Activation

LIMITS = ["clamp: 0.3", "clamp_after: 0.2", "clamp: 0.3, clamp_after: 0.2, bias: true"]
OPTIONS = [f"activation: {activation}" for activation in get_args(Activation)]
OPTIONS += [f"activation: silu, {limit}" for limit in LIMITS]


@pytest.mark.parametrize("gated", ["true", "false"])
@pytest.mark.parametrize("options", OPTIONS)
def test_equals_its_definition(options: str, gated: str, builder: Builder) -> None:
    text = spec(f"type: dense, intermediate_size: 6, gated: {gated}, {options}")
    module = noisy(builder.load(text).feedforward.FeedForward())
    state = {name: tensor.double() for name, tensor in module.state_dict().items()}
    x = torch.randn(3, 5, 8)
    rows = [slow.dense(feedforward(text), state, row) for row in x.flatten(0, 1).double()]
    out, want = module(x).flatten(0, 1).double(), torch.stack(rows)
    torch.testing.assert_close(out, want, atol=1e-5, rtol=1e-5)


def test_up_offset(builder: Builder) -> None:
    text = spec("type: dense, intermediate_size: 6, gated: true, activation: silu, up_offset: -0.5")
    module = noisy(builder.load(text).feedforward.FeedForward())
    state = {name: tensor.double() for name, tensor in module.state_dict().items()}
    x = torch.randn(8)
    want = slow.dense(feedforward(text), state, x.double())
    torch.testing.assert_close(module(x).double(), want, atol=1e-5, rtol=1e-5)


def test_every_activation_has_its_captions() -> None:
    assert set(CAPTIONS) == set(GATED_CAPTIONS) == set(get_args(Activation))
