"""The built packages give transformers' numbers, by way of `archspec import`."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
import torch
from conftest import Builder
from oracle import CASES, oracle
from torch import nn

from archspec.importers import import_config

pytestmark = pytest.mark.filterwarnings("ignore")


class Pair:
    """The same weights in transformers and in the built package."""

    def __init__(self, case: str, builder: Builder):
        self.theirs, config = oracle(case)
        self.package: ModuleType = builder.load(import_config(config, name=case))
        self.ours: nn.Module = self.package.Model().eval()
        self.package.load_checkpoint(self.ours, self.theirs.state_dict())
        self.ids = torch.randint(3, 250, (2, 37), generator=torch.Generator().manual_seed(1))

    @torch.no_grad()
    def expected(self, **inputs: Any) -> torch.Tensor:
        out = self.theirs(self.ids, **inputs)
        return out.last_hidden_state if "last_hidden_state" in out else out.logits


@pytest.fixture(scope="module", params=CASES)
def pair(request: pytest.FixtureRequest, builder: Builder) -> Pair:
    return Pair(request.param, builder)


@torch.no_grad()
def test_full_forward(pair: Pair) -> None:
    torch.testing.assert_close(pair.ours(pair.ids), pair.expected(), atol=1e-4, rtol=0)


@torch.no_grad()
def test_prefill_and_single_tokens(pair: Pair) -> None:
    if not hasattr(pair.ours, "new_cache"):
        pytest.skip("an encoder does not decode")
    cache = pair.ours.new_cache(2, 37)
    parts = [pair.ours(pair.ids[:, :20], cache=cache)]
    parts += [pair.ours(pair.ids[:, t : t + 1], cache=cache) for t in range(20, 37)]
    torch.testing.assert_close(torch.cat(parts, 1), pair.expected(), atol=1e-3, rtol=0)


@torch.no_grad()
def test_padding_on_the_right(pair: Pair) -> None:
    mask = torch.ones_like(pair.ids)
    mask[0, 25:] = 0
    expected, found = pair.expected(attention_mask=mask), pair.ours(pair.ids, attention_mask=mask)
    torch.testing.assert_close(found[mask.bool()], expected[mask.bool()], atol=1e-4, rtol=0)


def test_loss(pair: Pair) -> None:
    if not hasattr(pair.ours, "new_cache"):
        pytest.skip("an encoder has no next-token loss")
    labels = pair.ids.clone()
    labels[1, 10:20] = -100
    with torch.no_grad():
        expected = pair.theirs(pair.ids, labels=labels).loss
        found = pair.ours(pair.ids, labels=labels)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_gradients(pair: Pair) -> None:
    """The same input gives the embedding, where all gradients meet, the same gradient."""
    weights = pair.ours.embed_tokens.weight, pair.theirs.get_input_embeddings().weight
    target = torch.randn(pair.expected().shape, generator=torch.Generator().manual_seed(2))
    out = pair.theirs(pair.ids)
    theirs = out.last_hidden_state if "last_hidden_state" in out else out.logits
    (expected,) = torch.autograd.grad((theirs * target).sum(), weights[1])
    (found,) = torch.autograd.grad((pair.ours(pair.ids) * target).sum(), weights[0])
    # An element is a sum of terms as large as the others are, and only as precise as they.
    atol = 1e-3 * max(1.0, expected.abs().mean().item())
    torch.testing.assert_close(found, expected, atol=atol, rtol=1e-3)
