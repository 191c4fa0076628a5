"""`labels` of an encoder-decoder are those that users of T5 and BART pass: the tokens to write."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
import torch
from conftest import Builder
from oracle import oracle
from torch import Tensor, nn
from transformers.models.bart.modeling_bart import shift_tokens_right

from archspec.importers import import_config

pytestmark = pytest.mark.filterwarnings("ignore")


class Pair:
    def __init__(self, case: str, builder: Builder):
        self.theirs: Any
        self.theirs, config = oracle(case)
        if case == "t5":  # whose published files say so
            self.theirs.config.decoder_start_token_id = 0
        package: ModuleType = builder.load(import_config(config, name=case))
        self.ours: nn.Module = package.Model().eval()
        package.load_checkpoint(self.ours, self.theirs.state_dict())
        generator = torch.Generator().manual_seed(3)
        self.source = torch.randint(3, 250, (2, 9), generator=generator)
        self.labels = torch.randint(3, 250, (2, 12), generator=generator)
        self.labels[1, 8:] = -100  # a shorter text

    def written(self, labels: Tensor) -> Tensor:
        """What transformers makes of labels where it is given nothing else."""
        config = self.theirs.config
        return shift_tokens_right(labels, config.pad_token_id, config.decoder_start_token_id)


@pytest.fixture(scope="module", params=["t5", "bart"])
def pair(request: pytest.FixtureRequest, builder: Builder) -> Pair:
    return Pair(request.param, builder)


def test_loss_and_gradient_are_those_of_transformers_for_the_same_labels(pair: Pair) -> None:
    ours, theirs = pair.ours.embed_tokens.weight, pair.theirs.get_input_embeddings().weight
    loss = pair.ours(pair.source, pair.written(pair.labels), labels=pair.labels)
    expected = pair.theirs(input_ids=pair.source, labels=pair.labels).loss  # which shifts them
    torch.testing.assert_close(loss, expected, atol=1e-4, rtol=0)
    (found,), (wanted,) = torch.autograd.grad(loss, ours), torch.autograd.grad(expected, theirs)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-3)


def test_labels_that_are_the_tokens_written_are_refused(pair: Pair) -> None:
    """They would ask for what the model has just read, and give a loss all the same."""
    ids = pair.written(pair.labels)
    for labels in (ids, ids.masked_fill(torch.arange(12) > 7, -100)):
        with pytest.raises(ValueError, match="moved one place to the right"):
            pair.ours(pair.source, ids, labels=labels)


def test_labels_of_another_length_are_refused(pair: Pair) -> None:
    ids = pair.written(pair.labels)
    with pytest.raises(ValueError, match=r"labels has the shape \(2, 11\); expected \(2, 12\)"):
        pair.ours(pair.source, ids, labels=pair.labels[:, 1:])


def test_ids_of_a_source_that_are_none_are_named(pair: Pair) -> None:
    ids = pair.written(pair.labels)
    last = pair.theirs.config.vocab_size - 1
    with pytest.raises(ValueError, match=rf"^input_ids has the id {last + 1}; .* 0 … {last}"):
        pair.ours(torch.full_like(pair.source, last + 1), ids)
    with pytest.raises(ValueError, match=r"^decoder_input_ids has the id -1"):
        pair.ours(pair.source, ids * 0 - 1)


def test_equal_tokens_may_follow_each_other(pair: Pair) -> None:
    same = torch.full((2, 4), 7)
    assert pair.ours(pair.source, same, labels=same).isfinite()
