"""Texts packed side by side into a row are what each is alone: logits, loss and gradients."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
import torch._dynamo.testing
import torch.nn.functional as F
from conftest import ROOT, Builder
from torch import Tensor

SPEC = """archspec: 1
name: packed
vocab_size: 40
hidden_size: 16
context_length: 64
{embedding}
blocks:
  first:
    mixer: {{type: attention, heads: 4, kv_heads: 2, head_dim: 4{mixer}}}
    feedforward: {{type: dense, intermediate_size: 24, activation: silu, gated: true}}
  second:
    extends: first
    mixer: {{{second}}}
layers: first, second, first
head: {{tied: true}}
"""
ROPE = ", rope: {theta: 100"
LONG = (
    ", scaling: {type: longrope, original_context: 10, short_factors: [1, 2], long_factors: [3, 5]"
)
MIXERS = {
    "rope": ROPE + "}",
    "window": ", window: 5" + ROPE + "}",
    "window-sinks": ", window: 5, sinks: true" + ROPE + "}",
    "chunk": ", chunk: 6" + ROPE + "}, temperature: {type: log_floor, floor: 3, scale: 0.5}",
    "chunk-softcap": ", chunk: 6, softcap: 2.0",
    "alibi": ", alibi: true",
    "sinks": ", sinks: true" + ROPE + "}",
    "softcap": ", softcap: 1.5" + ROPE + "}",
    "softcap-sinks": ", softcap: 1.5, sinks: true",
    "buckets": ", relative_bias: {buckets: 8, max_distance: 16}",
    "distances": ", relative_bias: {max_distance: 6, shared: false}",
    "temperature": ROPE + "}, temperature: {type: power, original_context: 4, exponent: 0.5}",
    "dynamic": ROPE + ", scaling: {type: dynamic, factor: 4, original_context: 8}}",
    "longrope": ROPE + LONG + ", attention_factor: 1.1}}",
    "shared-keys": ROPE + "}",
    "gate": ", gate: {activation: sigmoid, per: element}, qk_norm: true" + ROPE + "}",
    "learned": "",
    "sinusoidal": "",
}
SECOND = {"shared-keys": "shared_kv: true", "window": "window: null", "chunk": "chunk: null"}
EMBEDDINGS = {
    "learned": "embedding: {positions: {type: learned, length: 64}}",
    "sinusoidal": "embedding: {positions: {type: sinusoidal}}",
}
LENGTHS = ((9, 1, 14, 6), (30,), (12, 12, 5, 1))


class Packed:
    """A model in float64 with weights that differ, and rows of texts."""

    def __init__(self, name: str, builder: Builder, more: str = ""):
        spec = SPEC.format(
            embedding=EMBEDDINGS.get(name, ""), mixer=MIXERS[name], second=SECOND.get(name, "")
        )
        torch.manual_seed(0)
        self.model: Any = builder.load(spec + more).Model().double()
        for parameter in self.model.parameters():
            torch.nn.init.normal_(parameter, 0.3, 0.5)
        self.ids = torch.randint(40, (3, 30))
        number = torch.tensor([3, 0, 7, 3, 0])  # of texts: not in order, and not all different
        self.text_ids = torch.stack(
            [number[: len(row)].repeat_interleave(torch.tensor(row)) for row in LENGTHS]
        )

    @property
    def texts(self) -> list[Tensor]:
        """Each text alone, (1, its length)."""
        rows = zip(self.ids, LENGTHS, strict=True)
        return [text[None] for row, lengths in rows for text in row.split(lengths)]

    def gradients(self, loss: Tensor) -> list[Tensor]:
        """Those of every parameter that has one."""
        self.model.zero_grad()
        loss.backward()
        return [p.grad.clone() for p in self.model.parameters() if p.grad is not None]


@pytest.fixture(scope="module", params=MIXERS)
def packed(request: pytest.FixtureRequest, builder: Builder) -> Packed:
    return Packed(request.param, builder)


def same(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=1e-10, rtol=1e-10)


def same_gradients(found: list[Tensor], expected: list[Tensor]) -> None:
    """The loss divides gradients by the number of labels in float32, whatever their type."""
    for own, other in zip(found, expected, strict=True):
        torch.testing.assert_close(own, other, atol=1e-7, rtol=1e-6)


@torch.no_grad()
def test_logits_are_those_of_each_text_alone(packed: Packed) -> None:
    found = packed.model(packed.ids, text_ids=packed.text_ids).flatten(0, 1)
    same(found, torch.cat([packed.model(text)[0] for text in packed.texts]))


def test_loss_and_gradients_are_those_of_each_text_alone(packed: Packed) -> None:
    labels = packed.ids.clone()
    labels[0, 3] = labels[1, 20] = -100
    loss = packed.model(packed.ids, labels=labels, text_ids=packed.text_ids)
    found = packed.gradients(loss)
    rows = zip(labels, LENGTHS, strict=True)
    asked = [part for row, lengths in rows for part in row.split(lengths)]
    wanted: list[Tensor] = []
    for text, row in zip(packed.texts, asked, strict=True):
        logits = packed.model(text)[0, :-1]
        wanted.append(F.cross_entropy(logits, row[1:], reduction="none"))
    count = sum(int((losses != 0).sum()) for losses in wanted)
    assert count == 90 - 9 - 2  # but the first token of each of nine texts, and those without one
    expected = torch.cat(wanted).sum() / count
    same(loss, expected)
    same_gradients(found, packed.gradients(expected))


@torch.no_grad()
def test_a_row_that_is_one_text_needs_no_numbers(packed: Packed) -> None:
    found = packed.model(packed.ids, text_ids=torch.full_like(packed.ids, 4))
    same(found, packed.model(packed.ids))
    one = packed.ids[:, :1]
    same(packed.model(one, text_ids=torch.zeros_like(one)), packed.model(one))


@torch.no_grad()
def test_padding_is_a_text_of_its_own(packed: Packed) -> None:
    real = torch.ones_like(packed.ids)
    real[0, 24:], real[1, :4], real[2, 24:] = 0, 0, 0
    found = packed.model(packed.ids, attention_mask=real, text_ids=packed.text_ids)
    alone = packed.model(packed.ids[1:2, 4:])
    same(found[1:2, 4:], alone)
    same(found[0, 10:24], packed.model(packed.ids[:1, 10:24])[0])


def test_packed_texts_take_no_cache(packed: Packed) -> None:
    cache = packed.model.new_cache(3, 30)
    with pytest.raises(ValueError, match="without a cache"):
        packed.model(packed.ids, cache=cache, text_ids=packed.text_ids)


@pytest.mark.parametrize("name", ["rope", "chunk", "dynamic"])
def test_one_graph_for_every_packing(name: str, builder: Builder) -> None:
    own = Packed(name, builder)
    torch.compiler.reset()
    counter = torch._dynamo.testing.CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(own.model, fullgraph=True, backend=counter)
    for shift in range(4):
        text_ids = own.text_ids.roll(shift, 0) if shift % 2 else own.text_ids + shift
        loss = compiled(own.ids, labels=own.ids, text_ids=text_ids)
        same(loss, own.model(own.ids, labels=own.ids, text_ids=text_ids))
        loss.backward()
    assert counter.frame_count == 1


@pytest.mark.parametrize("name", ["hybrid", "encoder", "encoder-decoder"])
def test_others_do_not_offer_it(name: str, builder: Builder) -> None:
    package = builder.load((ROOT / f"examples/{name}.yaml").read_text(encoding="utf-8"))
    assert "text_ids" not in inspect.signature(package.Model.forward).parameters


PREFIX = SPEC.format(embedding="", mixer=", prefix_lm: true", second="")


def test_a_prefix_is_for_whole_rows(builder: Builder) -> None:
    assert "text_ids" not in inspect.signature(builder.load(PREFIX).Model.forward).parameters


def test_further_tokens_are_asked_of_their_text_alone(builder: Builder) -> None:
    mtp = "mtp: {depth: 2, block: second, loss_weight: 0.3}"
    packed = Packed("window", builder, mtp)
    loss = packed.model(packed.ids, labels=packed.ids, text_ids=packed.text_ids)
    found = packed.gradients(loss)
    wanted: list[list[Tensor]] = [[], [], []]
    for text in packed.texts:
        ahead = [packed.model(text)]
        if text.shape[1] > 3:
            ahead += packed.model.mtp_logits(text)
        for number, logits in enumerate(ahead):
            losses = F.cross_entropy(logits[0, :-1], text[0, number + 1 :], reduction="none")
            wanted[number].append(losses)
    first, second, third = (torch.cat(losses) for losses in wanted)
    assert [len(x) for x in (first, second, third)] == [81, 74, 67]
    expected = first.mean() + 0.3 * (second.mean() + third.mean()) / 2
    same(loss, expected)
    same_gradients(found, packed.gradients(expected))
