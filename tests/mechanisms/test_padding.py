"""What a call gives is a function of the tokens, never of where padding lies.

A text that stands in a batch beside padding, left, right and between its tokens, in the first call
with a cache, in later ones and token by token, is read as the same text alone: without a mask,
without a cache, at once.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from conftest import Case
from torch import Tensor, nn

FIRST = """
11111111111111111111
00000000011111111111
11110000000000000000
00111100000001111010
"""
LATER = """
111111111
011111000
000110110
100000001
"""
SINGLE = """
111111
111111
110011
100111
"""
"""Which places are real, of four texts: two calls, then one token at a time."""
SOURCE = """
11111111111
00001111111
11111110000
01100111011
"""


def places(drawing: str) -> Tensor:
    return torch.tensor([[int(c) for c in line] for line in drawing.split()])


@pytest.fixture
def model(case: Case) -> nn.Module:
    """The built model in float64, with weights large enough that mistakes show."""
    torch.manual_seed(0)
    model = case.package.Model().eval()
    with torch.no_grad():
        for tensor in model.state_dict(keep_vars=True).values():
            scale = tensor.shape[-1] ** -0.5 if tensor.ndim > 1 else 0.1
            tensor.add_(torch.randn_like(tensor) * scale)
    return model.double()


def source(case: Case, rows: slice = slice(None), real: Tensor | None = None) -> dict[str, Any]:
    """Of each text another source, with a mask, or where `real` is given without what is not."""
    encoder = case.architecture.encoder
    if encoder is None:
        return {}
    generator, size = torch.Generator().manual_seed(2), (4, case.source_length)
    if encoder.layers:
        given = torch.randint(case.architecture.vocab_size, size, generator=generator)
        name = "input_ids"
    else:
        size = (*size, case.architecture.hidden_size)
        given, name = torch.randn(size, generator=generator, dtype=torch.float64), "encoder_states"
    if real is not None:
        return {name: given[rows][:, real]}
    return {name: given[rows], "attention_mask": places(SOURCE)[rows]}


@torch.no_grad()
def test_each_text_is_read_as_if_alone(case: Case, model: nn.Module) -> None:
    decodes, encoder = case.architecture.is_causal, case.architecture.encoder
    pieces = [FIRST, LATER, SINGLE] if decodes else [FIRST]
    mask = torch.cat([places(piece) for piece in pieces], dim=1)
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(case.architecture.vocab_size, mask.shape, generator=generator)
    name = "decoder_attention_mask" if encoder else "attention_mask"
    reads = "decoder_input_ids" if encoder else "input_ids"
    found: list[Tensor] = []
    cache = {"cache": case.new_cache(model, *mask.shape)} if decodes else {}
    first = True
    for part, real in zip(*(x.split([20, 9, *[1] * 6][: 8 if decodes else 1], 1) for x in (ids, mask)), strict=True):
        beside = source(case) if first else dict.fromkeys(source(case))
        given = {**beside, reads: part, **cache}
        given |= {} if bool(real.all()) else {name: real}  # a call may come without a mask
        found.append(model(**given))
        first = False
    out = torch.cat(found, dim=1)
    assert out.isfinite().all(), "what padding gives is nobody's concern, but it is a number"
    for row, (text, real) in enumerate(zip(ids, mask.bool(), strict=True)):
        beside = source(case, slice(row, row + 1), places(SOURCE)[row].bool())
        alone = model(**{**beside, reads: text[real][None]})
        torch.testing.assert_close(out[row, real], alone[0], atol=1e-9, rtol=1e-9)
