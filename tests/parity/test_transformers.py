"""The built packages give transformers' numbers, by way of `archspec import`."""

from __future__ import annotations

import copy
from types import ModuleType

import pytest
import torch
from conftest import Builder
from defined import Defined
from oracle import CASES, oracle
from reading import SOURCE, Inputs, Reading
from torch import nn

import archspec
from archspec.importers import import_config

pytestmark = pytest.mark.filterwarnings("ignore")


class Pair(Reading):
    """The same weights in transformers and in the built package, called by the same names."""

    def __init__(self, case: str, builder: Builder):
        self.theirs, config = oracle(case)
        text = import_config(config, name=case)
        super().__init__(archspec.loads(text))
        self.package: ModuleType = builder.load(text)
        self.ours: nn.Module = self.package.Model().eval()
        self.package.load_checkpoint(self.ours, self.theirs.state_dict())
        generator = torch.Generator().manual_seed(1)
        self.ids = torch.randint(3, 250, (2, 37), generator=generator)
        self.read = torch.randint(3, 250, (2, SOURCE), generator=generator)

    def source(self, batch: int) -> Inputs:
        """Another source for each text, without the tokens that stand for padding."""
        return {"input_ids": self.read} if self.architecture.encoder else {}

    def both(self, inputs: Inputs) -> tuple[torch.Tensor, torch.Tensor]:
        """What we and they give for `inputs`."""
        out = self.theirs(**inputs)
        theirs = out.last_hidden_state if "last_hidden_state" in out else out.logits
        return self.ours(**inputs), theirs


@pytest.fixture(scope="module", params=CASES)
def pair(request: pytest.FixtureRequest, builder: Builder) -> Pair:
    return Pair(request.param, builder)


@torch.no_grad()
def test_the_definition_gives_their_numbers(pair: Pair) -> None:
    """So that what tests and packages are held to is right by something we did not write."""
    defined = Defined(pair, pair.ours)
    _, theirs = pair.both(pair.inputs(pair.ids))
    torch.testing.assert_close(defined.logits(pair.ids).float(), theirs, atol=1e-4, rtol=0)


@torch.no_grad()
def test_full_forward(pair: Pair) -> None:
    torch.testing.assert_close(*pair.both(pair.inputs(pair.ids)), atol=1e-4, rtol=0)


def test_own_weights_come_back(pair: Pair) -> None:
    """Where a published layout has the same names and shapes too, by being told which it is."""
    saved = pair.ours.state_dict()
    own = {} if pair.package.load_checkpoint.__code__.co_argcount == 2 else {"own_names": True}
    for more in ({}, own):
        state = pair.package.load_checkpoint(pair.package.Model(), saved, **more).state_dict()
        assert all(torch.equal(state[name], tensor) for name, tensor in saved.items())


@torch.no_grad()
def test_prefill_and_single_tokens(pair: Pair) -> None:
    if not hasattr(pair.ours, "new_cache"):
        pytest.skip("an encoder does not decode")
    parts = [pair.ids[:, :20], *pair.ids[:, 20:].split(1, dim=1)]
    _, expected = pair.both(pair.inputs(pair.ids))
    torch.testing.assert_close(pair.in_parts(pair.ours, parts), expected, atol=1e-3, rtol=0)


@torch.no_grad()
def test_padding_on_the_right(pair: Pair) -> None:
    mask = torch.ones_like(pair.ids)
    mask[0, 25:] = 0
    found, expected = pair.both(pair.inputs(pair.ids, mask))
    torch.testing.assert_close(found[mask.bool()], expected[mask.bool()], atol=1e-4, rtol=0)


@torch.no_grad()
def test_padding_of_the_source(pair: Pair) -> None:
    if not pair.architecture.encoder:
        pytest.skip("there is no source")
    mask = torch.ones_like(pair.read)
    mask[1, 7:] = 0
    inputs = pair.inputs(pair.ids) | {"attention_mask": mask}
    found, expected = pair.both(inputs)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
    cut = inputs | {name: inputs[name][:, :7] for name in ("input_ids", "attention_mask")}
    torch.testing.assert_close(pair.ours(**cut)[1], found[1], atol=1e-4, rtol=0)
    cache = pair.new_cache(pair.ours, 2, 37)
    first, *rest = pair.ids.split([20] + 17 * [1], dim=1)
    parts = [pair.ours(**pair.inputs(first), attention_mask=mask, cache=cache)]
    parts += [pair.ours(**pair.inputs(token, first=False), cache=cache) for token in rest]
    torch.testing.assert_close(torch.cat(parts, 1), expected, atol=1e-3, rtol=0)
    assert (pair.ours(**pair.inputs(pair.ids))[1] - found[1]).abs().max() > 0.01


def test_loss(pair: Pair) -> None:
    if not hasattr(pair.ours, "new_cache"):
        pytest.skip("an encoder has no next-token loss")
    inputs, labels = pair.inputs(pair.ids), pair.ids.clone()
    labels[1, 10:20] = -100
    labels = pair.labels(labels)
    with torch.no_grad():
        expected = pair.theirs(**inputs, labels=labels).loss
        found = pair.ours(**inputs, labels=labels)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_gradients(pair: Pair) -> None:
    """The same input gives the embedding, where all gradients meet, the same gradient."""
    found, expected = pair.both(pair.inputs(pair.ids))
    target = torch.randn(expected.shape, generator=torch.Generator().manual_seed(2))
    ours, theirs = pair.ours.embed_tokens.weight, pair.theirs.get_input_embeddings().weight
    (expected,) = torch.autograd.grad((expected * target).sum(), theirs)
    (found,) = torch.autograd.grad((found * target).sum(), ours)
    # Float32 rounds what meets here to a share of the largest, which norms of short vectors raise:
    # where that is not enough, ours in float64 says how much float32 loses on this machine.
    atol = max(1e-3, 1e-5 * expected.abs().max().item())
    if not torch.allclose(found, expected, atol=atol, rtol=1e-3):
        exact = copy.deepcopy(pair.ours).double()
        out = exact(**pair.inputs(pair.ids))
        (wide,) = torch.autograd.grad((out * target).sum(), exact.embed_tokens.weight)
        assert (wide - found).abs().max() < 1e-4 * wide.abs().max()
        atol = 3 * (wide - found).abs().max().item()
    torch.testing.assert_close(found, expected, atol=atol, rtol=1e-3)
