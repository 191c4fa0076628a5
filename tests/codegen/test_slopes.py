"""ALiBi's slopes as the generated expression makes them, beside those of BLOOM and MPT."""

from __future__ import annotations

import pytest
import torch
from transformers.models.bloom.modeling_bloom import build_alibi_tensor
from transformers.models.mpt.modeling_mpt import build_mpt_alibi_tensor

from archspec.mechanisms.mixers.attention.fields import Alibi
from archspec.mechanisms.mixers.attention.scores import slopes


@pytest.mark.parametrize("heads", [1, 2, 3, 5, 6, 8, 12, 16, 25, 32, 71])
def test_slopes_are_those_of_published_models(heads: int) -> None:
    places = {"torch": torch, "x": torch.zeros(1)}
    found = eval(slopes(Alibi(), heads), places)  # written by archspec alone
    bloom = build_alibi_tensor(torch.ones(1, 2, dtype=torch.long), heads, torch.float32)
    torch.testing.assert_close(found, bloom[:, 0, 1])
    found = eval(slopes(Alibi(max_bias=5.0), heads), places)
    order = build_mpt_alibi_tensor(heads, 2, alibi_bias_max=5)[:, 0, 0].neg()
    torch.testing.assert_close(found.sort().values, order.sort().values)
