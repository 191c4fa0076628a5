"""Rotation whose base grows with the text: each call has the base of the length it reaches.

Keys that are kept were turned with an older base, so decoding differs from a whole forward, in
transformers as here.
"""

from __future__ import annotations

import pytest
import torch
from cases import COMMON
from conftest import Builder
from oracle import rough

from archspec.importers import import_config

pytestmark = pytest.mark.filterwarnings("ignore")

DYNAMIC = {"rope_type": "dynamic", "factor": 4.0, "rope_theta": 10000.0}


@torch.no_grad()
@pytest.mark.parametrize("context", [16, 30, 256])
def test_each_call_has_the_base_of_its_length(context: int, builder: Builder) -> None:
    options = COMMON | {"max_position_embeddings": context, "rope_parameters": DYNAMIC}
    theirs, config = rough("llama", options)
    package = builder.load(import_config(config, name="dynamic"))
    ours = package.load_checkpoint(package.Model().eval(), theirs.state_dict())
    ids = torch.randint(3, 250, (2, 37), generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(ours(ids), theirs(ids).logits, atol=1e-4, rtol=0)
    fresh, _ = rough("llama", options)
    cache, past = ours.new_cache(2, 37), None
    for piece in (ids[:, :20], *ids[:, 20:].split(1, dim=1)):
        out = fresh(piece, past_key_values=past, use_cache=True)
        past = out.past_key_values
        torch.testing.assert_close(ours(piece, cache=cache), out.logits, atol=1e-3, rtol=0)
