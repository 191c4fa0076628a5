"""A text that goes on after padding on the right, beside transformers, which reads it alone."""

from __future__ import annotations

import pytest
import torch
from conftest import Builder
from oracle import oracle
from torch import Tensor

import archspec
from archspec.importers import import_config

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("case", ["bloom", "mistral"])
@torch.no_grad()
def test_decoding_goes_on_after_padding_on_the_right(case: str, builder: Builder) -> None:
    """By ALiBi and in a window of 8: one text has 20 tokens, the other 6; then 12 more of each."""
    theirs, config = oracle(case)
    text = import_config(config, name=case)
    package = builder.load(text)
    ours = package.Model().eval()
    package.load_checkpoint(ours, theirs.state_dict())
    assert archspec.loads(text).is_causal
    ids = torch.randint(3, 250, (2, 32), generator=torch.Generator().manual_seed(1))
    mask = torch.ones(2, 20, dtype=torch.long)
    mask[1, 6:] = 0
    cache, found = ours.new_cache(2, 32), list[Tensor]()
    ours(ids[:, :20], attention_mask=mask, cache=cache)
    for token in ids[:, 20:].split(1, dim=1):
        found.append(ours(token, cache=cache))
    out = torch.cat(found, dim=1)
    for row, length in enumerate(mask.sum(dim=1).tolist()):
        alone = torch.cat((ids[row, :length], ids[row, 20:]))[None]
        expected = theirs(input_ids=alone).logits[0, length:]
        torch.testing.assert_close(out[row], expected, atol=1e-3, rtol=0)
