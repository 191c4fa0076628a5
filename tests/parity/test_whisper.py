"""The decoder of Whisper beside transformers' whole model, on states of its audio encoder."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
import torch
from conftest import ROOT, Builder
from oracle import rough
from torch import Tensor, nn
from transformers import WhisperConfig, WhisperForConditionalGeneration
from transformers.modeling_outputs import BaseModelOutput

import archspec
from archspec.language.source import parse
from archspec.numbers.shrink import shrink

pytestmark = pytest.mark.filterwarnings("ignore")

PATH = ROOT / "gallery" / "whisper-small-text.yaml"
STATES = 20


class Pair:
    """The shrunken gallery spec and a model of transformers with its sizes."""

    def __init__(self, builder: Builder):
        text = shrink(parse(PATH.read_text(encoding="utf-8"), PATH.name))
        tiny = archspec.loads(text)
        attention, _, inner = (branch.body for branch in tiny.layers[0].block.branches)
        sizes: dict[str, Any] = {
            "vocab_size": tiny.vocab_size,
            "d_model": tiny.hidden_size,
            "decoder_layers": len(tiny.layers),
            "decoder_attention_heads": attention.heads,
            "decoder_ffn_dim": inner.intermediate_size,
            "max_target_positions": tiny.embedding.positions.length,
            "encoder_layers": 2,
            "encoder_attention_heads": 2,
            "encoder_ffn_dim": 24,
            "max_source_positions": STATES,
            "init_std": 0.1,
            "pad_token_id": 0,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "decoder_start_token_id": 1,
        }
        self.theirs, _ = rough("whisper", sizes, auto=WhisperForConditionalGeneration)
        self.package: ModuleType = builder.load(text)
        self.ours: nn.Module = self.package.Model().eval()
        self.package.load_checkpoint(self.ours, self.theirs.state_dict())
        generator = torch.Generator().manual_seed(1)
        self.ids = torch.randint(3, tiny.vocab_size, (2, 14), generator=generator)
        sound = torch.randn(2, 80, 2 * STATES, generator=generator)
        with torch.no_grad():
            self.states: Tensor = self.theirs.model.encoder(sound).last_hidden_state

    def expected(self, **inputs: Any) -> Any:
        read = BaseModelOutput(last_hidden_state=self.states)
        return self.theirs(encoder_outputs=read, decoder_input_ids=self.ids, **inputs)


@pytest.fixture(scope="module")
def pair(builder: Builder) -> Pair:
    return Pair(builder)


@torch.no_grad()
def test_full_forward(pair: Pair) -> None:
    assert pair.states.std() > 0.1
    found = pair.ours(pair.states, pair.ids)
    torch.testing.assert_close(found, pair.expected().logits, atol=1e-4, rtol=0)


@torch.no_grad()
def test_prefill_and_single_tokens(pair: Pair) -> None:
    cache = pair.ours.new_cache(2, 14, STATES)
    first, *rest = pair.ids.split([5] + 9 * [1], dim=1)
    parts = [pair.ours(pair.states, first, cache=cache)]
    parts += [pair.ours(None, token, cache=cache) for token in rest]
    expected = pair.expected().logits
    torch.testing.assert_close(torch.cat(parts, dim=1), expected, atol=1e-3, rtol=0)


@torch.no_grad()
def test_loss(pair: Pair) -> None:
    ahead = nn.functional.pad(pair.ids[:, 1:], (0, 1), value=-100)
    found = pair.ours(pair.states, pair.ids, labels=ahead)
    torch.testing.assert_close(found, pair.expected(labels=ahead).loss, atol=1e-4, rtol=0)


def test_gradients(pair: Pair) -> None:
    ours, theirs = pair.ours.embed_tokens.weight, pair.theirs.model.decoder.embed_tokens.weight
    out, expected = pair.ours(pair.states, pair.ids), pair.expected().logits
    target = torch.randn(out.shape, generator=torch.Generator().manual_seed(2))
    (found,) = torch.autograd.grad((out * target).sum(), ours)
    (expected,) = torch.autograd.grad((expected * target).sum(), theirs)
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)


def test_the_published_sizes_are_those_of_the_whole_model() -> None:
    """241,734,912 in all; the published 244 million are rounded up."""
    sizes = {"d_model": 768, "encoder_layers": 12, "decoder_layers": 12}
    heads = {"encoder_attention_heads": 12, "decoder_attention_heads": 12}
    widths = {"encoder_ffn_dim": 3072, "decoder_ffn_dim": 3072}
    with torch.device("meta"):
        model = WhisperForConditionalGeneration(WhisperConfig(**sizes, **heads, **widths))
    ours = sum(parameter.size for parameter in archspec.load(PATH).parameters())
    assert ours == sum(p.numel() for p in model.model.decoder.parameters()) == 153_580_800
    assert sum(p.numel() for p in model.model.encoder.parameters()) == 88_154_112
