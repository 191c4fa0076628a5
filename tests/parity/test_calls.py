"""What transformers' models are called with beside ids and a mask gives the same here."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import pytest
import torch
from conftest import Builder
from oracle import oracle
from torch import Tensor, nn

from archspec.importers import import_config

pytestmark = pytest.mark.filterwarnings("ignore")


class Pair:
    """The same weights in transformers and in the built package."""

    def __init__(self, case: str, builder: Builder):
        self.theirs: Any
        self.theirs, config = oracle(case)
        self.package: ModuleType = builder.load(import_config(config, name=case))
        self.ours: Any = self.package.Model().eval()
        self.package.load_checkpoint(self.ours, self.theirs.state_dict())
        generator = torch.Generator().manual_seed(3)
        self.ids = torch.randint(3, 250, (2, 12), generator=generator)
        self.positions = torch.randint(0, 30, (2, 12), generator=generator)

    def output(self, **given: Any) -> Tensor:
        """What transformers gives: logits, or last states without a head."""
        out = self.theirs(**given)
        return out.last_hidden_state if "last_hidden_state" in out else out.logits


@pytest.fixture(scope="module", params=["gemma3_text", "gpt_oss", "deepseek_v3", "gpt2", "bert"])
def pair(request: pytest.FixtureRequest, builder: Builder) -> Pair:
    return Pair(request.param, builder)


@torch.no_grad()
def test_position_ids(pair: Pair) -> None:
    expected = pair.output(input_ids=pair.ids, position_ids=pair.positions)
    found = pair.ours(pair.ids, position_ids=pair.positions)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
    assert (found - pair.ours(pair.ids)).abs().max() > 0.01
    counted = torch.arange(12).expand(2, -1)
    torch.testing.assert_close(pair.ours(pair.ids, position_ids=counted), pair.ours(pair.ids))
    mask = torch.ones_like(pair.ids)
    mask[0, :4] = 0
    given = {"attention_mask": mask, "position_ids": pair.positions}
    expected, found = pair.output(input_ids=pair.ids, **given), pair.ours(pair.ids, **given)
    torch.testing.assert_close(found[mask.bool()], expected[mask.bool()], atol=1e-4, rtol=0)


@torch.no_grad()
def test_a_token_at_position_0_forgets_what_was_before(builder: Builder) -> None:
    """In a recurrence that counts them; that module alone, as attention is masked by them there."""
    pair = Pair("recurrent_gemma", builder)
    positions = torch.cat((torch.arange(7), torch.arange(5))).expand(2, -1)
    x = torch.randn(2, 12, 64, generator=torch.Generator().manual_seed(0))
    theirs, ours = pair.theirs.model.layers[0].temporal_block, pair.ours.layers[0].rg_lru
    make_step = importlib.import_module(f"{pair.package.__name__}.step").make_step
    expected, _ = theirs(x, positions, None, use_cache=False)
    found = ours(x, make_step(0, 12, None, x, position_ids=positions), None)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
    assert (found - ours(x, make_step(0, 12, None, x), None)).abs().max() > 0.01


@torch.no_grad()
def test_position_ids_of_a_text_that_a_cache_continues(pair: Pair) -> None:
    if not hasattr(pair.ours, "new_cache"):
        pytest.skip("an encoder does not decode")
    cache = pair.ours.new_cache(2, 12)
    parts = [
        pair.ours(ids, position_ids=positions, cache=cache)
        for ids, positions in zip(
            pair.ids.split([7, 1, 4], 1), pair.positions.split([7, 1, 4], 1), strict=True
        )
    ]
    whole = pair.ours(pair.ids, position_ids=pair.positions)
    torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-4, rtol=0)


def test_inputs_embeds(pair: Pair) -> None:
    theirs = pair.theirs.get_input_embeddings()(pair.ids).detach().requires_grad_()
    ours = theirs.detach().clone().requires_grad_()
    expected, found = pair.output(inputs_embeds=theirs), pair.ours(inputs_embeds=ours)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
    torch.testing.assert_close(found, pair.ours(pair.ids), atol=1e-4, rtol=0)
    (wanted,) = torch.autograd.grad(expected.square().sum(), theirs)
    (gradient,) = torch.autograd.grad(found.square().sum(), ours)
    torch.testing.assert_close(gradient, wanted, atol=1e-2, rtol=1e-3)


@torch.no_grad()
def test_what_a_trace_shows(pair: Pair) -> None:
    mask = torch.ones_like(pair.ids)
    mask[1, 9:] = 0
    asked = {"output_hidden_states": True, "output_attentions": True}
    out = pair.theirs(input_ids=pair.ids, attention_mask=mask, **asked)
    found = pair.ours.trace(pair.ids, attention_mask=mask)
    assert len(found.hidden_states) == len(out.hidden_states)
    real = mask.bool()
    normed = hasattr(pair.ours, "norm")  # theirs ends with what stands behind the last norm
    ours = found.hidden_states[:-1] if normed else found.hidden_states
    for state, expected in zip(ours, out.hidden_states, strict=False):
        torch.testing.assert_close(state[real], expected[real], atol=1e-4, rtol=0)
    (*_, last) = out.hidden_states
    states = getattr(pair.ours, "hidden_states", pair.ours)(pair.ids, mask)
    torch.testing.assert_close(states[real], last[real], atol=1e-4, rtol=0)
    pairs = (real[:, None, :, None] & real[:, None, None, :]).expand(-1, 4, -1, -1)
    for (weights,), expected in zip(found.attentions, out.attentions, strict=True):
        some = pairs[:, : weights.shape[1]]
        torch.testing.assert_close(weights[some], expected[some], atol=1e-5, rtol=0)


def test_the_head_reads_hidden_states(pair: Pair) -> None:
    if not hasattr(pair.ours, "hidden_states"):
        pytest.skip("there is no head")
    states = pair.ours.hidden_states(pair.ids)
    torch.testing.assert_close(pair.ours.logits(states), pair.ours(pair.ids))


def test_gradients_accumulate_to_those_of_one_batch(pair: Pair) -> None:
    """As transformers' trainer does: the sum of each part over the labels of all."""
    if not hasattr(pair.ours, "new_cache"):
        pytest.skip("an encoder has no next-token loss")
    labels = pair.ids.clone()
    labels[0, 2:11] = -100
    weight = pair.ours.embed_tokens.weight
    (expected,) = torch.autograd.grad(
        pair.theirs(input_ids=pair.ids, labels=labels).loss,
        pair.theirs.get_input_embeddings().weight,
    )
    (whole,) = torch.autograd.grad(pair.ours(pair.ids, labels=labels), weight)
    count = pair.package.count_labels(labels)
    assert count == (labels[:, 1:] != -100).sum()
    total = torch.zeros_like(weight)
    for row in range(2):
        given = {"labels": labels[row : row + 1], "reduction": "sum"}
        loss = pair.ours(pair.ids[row : row + 1], **given) / count
        total += torch.autograd.grad(loss, weight)[0]
    torch.testing.assert_close(total, whole, atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(total, expected, atol=1e-4, rtol=1e-3)


def test_the_loss_of_each_token(pair: Pair) -> None:
    if not hasattr(pair.ours, "new_cache"):
        pytest.skip("an encoder has no next-token loss")
    labels, mask = pair.ids.clone(), torch.ones_like(pair.ids)
    labels[1, 5], mask[0, :3], mask[1, 4] = -100, 0, 0
    each = pair.ours(pair.ids, mask, labels=labels, reduction="none")
    logits = pair.ours(pair.ids, mask)
    for row in range(2):
        places = mask[row].nonzero().flatten()  # the next token of a text is its next real one
        rows, asked = logits[row, places[:-1]], labels[row, places[1:]]
        expected = nn.functional.cross_entropy(rows, asked, reduction="none")
        torch.testing.assert_close(each[row, places[:-1]], expected, atol=1e-5, rtol=1e-5)
    assert not each[mask == 0].any() and not each[:, -1].any()
    total = pair.ours(pair.ids, mask, labels=labels, reduction="sum")
    torch.testing.assert_close(each.sum(), total)
    count = pair.package.count_labels(labels, mask)
    torch.testing.assert_close(
        total / count, pair.ours(pair.ids, mask, labels=labels), atol=1e-6, rtol=1e-6
    )
    weight = pair.ours.embed_tokens.weight
    (found,), (wanted,) = (
        torch.autograd.grad(each.sum(), weight),
        torch.autograd.grad(total, weight),
    )
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)
