"""A prefix is seen both ways, what follows it looks back, alone, padded and decoded."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from conftest import Builder
from torch import Tensor
from written_out import View, written_out

SPEC = """archspec: 1
name: prefixed
vocab_size: 40
hidden_size: 16
context_length: 64
blocks:
  writer:
    mixer: {{type: attention, heads: 4, kv_heads: 2, head_dim: 4, prefix_lm: true{more}}}
  reader:
    extends: writer
    mixer: {{shared_kv: true}}
layers: writer, reader, writer
head: null
"""
VIEWS = {
    "all": View(),
    "window": View(window=4),
    "chunks": View(chunk=5),
    "sinks": View(),
    "softcap": View(softcap=0.7),
    "window-sinks": View(window=4),
    "chunks-softcap": View(chunk=5, softcap=0.7),
}
LENGTH = 17
PREFIXES = [0, 1, 3, 9, LENGTH]
"""None, one token, less than a window, more than one, everything."""


class Prefixed:
    """A model in float64 with weights that differ, its texts, and what the equations give."""

    def __init__(self, name: str, builder: Builder):
        self.view = VIEWS[name]
        chosen = {key: getattr(self.view, key) for key in ("window", "chunk", "softcap")}
        fields = [f", {key}: {value}" for key, value in chosen.items() if value]
        fields += [", sinks: true"] if "sinks" in name else []
        self.package = builder.load(SPEC.format(more="".join(fields)))
        torch.manual_seed(0)
        self.model: Any = self.package.Model().double().eval()
        for parameter in self.model.parameters():
            torch.nn.init.normal_(parameter, 0.5, 0.5)
        self.ids = torch.randint(40, (2, LENGTH), generator=torch.Generator().manual_seed(1))

    def expected(self, prefix: int, ids: Tensor | None = None) -> Tensor:
        texts = self.ids if ids is None else ids
        return torch.stack([written_out(self.model, text, self.view, prefix) for text in texts])


@pytest.fixture(scope="module", params=VIEWS)
def prefixed(request: pytest.FixtureRequest, builder: Builder) -> Prefixed:
    return Prefixed(request.param, builder)


def same(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=1e-10, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("prefix", PREFIXES)
def test_as_the_equations_say(prefixed: Prefixed, prefix: int) -> None:
    same(prefixed.model(prefixed.ids, prefix_length=prefix), prefixed.expected(prefix))


@torch.no_grad()
def test_the_prefix_sees_its_end_and_nothing_beyond(prefixed: Prefixed) -> None:
    before = prefixed.model(prefixed.ids, prefix_length=9)
    changed = prefixed.ids.clone()
    changed[:, 9:] = (changed[:, 9:] + 1) % 40
    same(prefixed.model(changed, prefix_length=9)[:, :9], before[:, :9])
    changed = prefixed.ids.clone()
    changed[:, 8] = (changed[:, 8] + 1) % 40
    moved = (prefixed.model(changed, prefix_length=9) - before).abs().amax(dim=(0, 2))
    assert (moved[:8] > 1e-6).all()
    causal = prefixed.model(changed) - prefixed.model(prefixed.ids)
    assert (causal[:, :8] == 0).all()


@torch.no_grad()
@pytest.mark.parametrize("token", [9, 12, 16])
def test_what_follows_looks_back(prefixed: Prefixed, token: int) -> None:
    before = prefixed.model(prefixed.ids, prefix_length=9)
    changed = prefixed.ids.clone()
    changed[:, token] = (changed[:, token] + 1) % 40
    after = prefixed.model(changed, prefix_length=9)
    same(after[:, :token], before[:, :token])
    assert (after[:, token] - before[:, token]).abs().max() > 1e-6


@torch.no_grad()
@pytest.mark.parametrize("sizes", [[9] + 8 * [1], [12, 1, 1, 3], [9, 8], [10, 2, 5]])
def test_decoding_after_it_equals_the_whole_text(prefixed: Prefixed, sizes: list[int]) -> None:
    cache = prefixed.model.new_cache(2, LENGTH)
    parts = [
        prefixed.model(part, cache=cache, prefix_length=9)
        for part in prefixed.ids.split(sizes, dim=1)
    ]
    same(torch.cat(parts, dim=1), prefixed.expected(9))


def test_what_is_generated_after_it_is_the_likeliest(builder: Builder) -> None:
    package = builder.load(SPEC.format(more="").replace("head: null", "head: {tied: false}"))
    torch.manual_seed(0)
    model: Any = package.Model().double().eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, 0.0, 0.5)
    ids = torch.randint(40, (2, 9))
    found = {prefix: model.generate(ids, 5, prefix_length=prefix) for prefix in (0, 9)}
    assert not torch.equal(found[0], found[9])
    for prefix, text in found.items():
        logits = model(text, prefix_length=prefix)
        assert torch.equal(text[:, 9:], logits[:, 8:-1].argmax(dim=-1))


@torch.no_grad()
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("prefix", [3, 9, 13])
def test_padding_changes_nothing(prefixed: Prefixed, side: str, prefix: int) -> None:
    """One text is whole, the other has 13 tokens and four that are none."""
    short, filler = prefixed.ids[1, :13], prefixed.ids[0, :4]
    given = [filler, short] if side == "left" else [short, filler]
    ids = torch.stack((prefixed.ids[0], torch.cat(given)))
    real = slice(4, 17) if side == "left" else slice(0, 13)
    mask = torch.zeros_like(ids)
    mask[0], mask[1, real] = 1, 1
    found = prefixed.model(ids, attention_mask=mask, prefix_length=prefix)
    same(found[0], prefixed.expected(prefix)[0])
    same(found[1, real], prefixed.expected(prefix, short[None])[0])


@torch.no_grad()
@pytest.mark.parametrize("side", ["left", "right"])
def test_decoding_after_padding(prefixed: Prefixed, side: str) -> None:
    """A prefix of six in seven tokens, four of them padding in the second text; then ten more."""
    first, rest = prefixed.ids[:, :7].clone(), prefixed.ids[:, 7:]
    mask = torch.ones_like(first)
    mask[1, slice(0, 4) if side == "left" else slice(3, 7)] = 0
    real = first[1][mask[1].bool()]
    cache = prefixed.model.new_cache(2, LENGTH)
    parts = [prefixed.model(first, attention_mask=mask, cache=cache, prefix_length=6)]
    parts += [prefixed.model(t, cache=cache, prefix_length=6) for t in rest.split(1, dim=1)]
    found = torch.cat(parts, dim=1)
    same(found[0], prefixed.expected(6)[0])
    # The second text has three real tokens, and they are all of its prefix.
    text = torch.cat((real, rest[1]))
    same(found[1, 7:], prefixed.expected(3, text[None])[0, 3:])


def test_a_call_that_is_shorter_than_the_prefix_is_refused(prefixed: Prefixed) -> None:
    with pytest.raises(ValueError, match="the first call reads the prefix: 9 tokens, not 8"):
        prefixed.model(prefixed.ids[:, :8], prefix_length=9)
