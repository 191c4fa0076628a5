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


def opened(case: Case, model: nn.Module, *size: int) -> dict[str, Any]:
    """The argument with an empty cache, where a model takes one."""
    return {"cache": case.new_cache(model, *size)} if case.architecture.is_causal else {}


def random_ids(case: Case, *size: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(case.architecture.vocab_size, size, generator=generator)


def close(found: Tensor, expected: Tensor) -> None:
    """Up to the last digit of what is float32 in any model, such as rotary tables."""
    torch.testing.assert_close(found, expected, atol=2e-6, rtol=0)


@torch.no_grad()
def test_each_text_is_read_as_if_alone(case: Case, model: nn.Module) -> None:
    decodes, encoder = case.architecture.is_causal, case.architecture.encoder
    mask = torch.cat([places(FIRST), places(LATER), places(SINGLE)][: 3 if decodes else 1], dim=1)
    sizes = [20, 9, *[1] * 6] if decodes else [20]
    ids = random_ids(case, *mask.shape)
    reads = "decoder_input_ids" if encoder else "input_ids"
    cache, beside, found = opened(case, model, *mask.shape), source(case), list[Tensor]()
    for part, real in zip(ids.split(sizes, dim=1), mask.split(sizes, dim=1), strict=True):
        given = {} if bool(real.all()) else {reads.replace("input_ids", "attention_mask"): real}
        found.append(model(**{reads: part, **beside, **cache, **given}))
        beside = dict.fromkeys(beside)
    out = torch.cat(found, dim=1)
    assert out.isfinite().all(), "what padding gives is nobody's concern, but it is a number"
    for row, (text, real) in enumerate(zip(ids, mask.bool(), strict=True)):
        beside = source(case, slice(row, row + 1), places(SOURCE)[row].bool())
        close(out[row, real], model(**{reads: text[real][None], **beside})[0])


@torch.no_grad()
def test_a_call_that_fails_leaves_the_cache_as_it_was(case: Case, model: nn.Module) -> None:
    """In the last layer, with one and with several tokens, and for want of room."""
    if not case.architecture.is_causal:
        pytest.skip("an encoder keeps nothing between calls")
    ids = random_ids(case, 2, 31)
    mask = torch.ones(2, 31, dtype=torch.long)
    mask[1, 22:25] = 0
    kept = opened(case, model, 2, 31)

    def fail(*_: Any) -> None:
        raise RuntimeError("on purpose")

    found: list[Tensor] = []

    def inputs(tokens: Tensor, real: Tensor | None = None, first: bool = True) -> dict[str, Any]:
        given = case.inputs(tokens, real, first)
        floats = {n: x.double() for n, x in given.items() if n == "encoder_states" and first}
        return given | floats

    for first, last in ((0, 20), (20, 29), (29, 30), (30, 31)):
        part = inputs(ids[:, first:last], mask[:, first:last], first=first == 0)
        other = inputs(ids[:, :1].expand(-1, last - first), first=first == 0)
        hook = model.layers[-1].register_forward_pre_hook(fail)
        with pytest.raises(RuntimeError, match="on purpose"):
            model(**other, **kept)
        hook.remove()
        with pytest.raises(ValueError, match="the cache holds 31"):
            model(**inputs(ids[:, :1].expand(-1, 32), first=first == 0), **kept)
        found.append(model(**part, **kept))
    out = torch.cat(found, dim=1)
    for row, real in enumerate(mask.bool()):
        alone = inputs(ids[row : row + 1, real])
        close(out[row, real], model(**alone)[0])
