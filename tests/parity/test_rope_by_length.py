"""Rotations that turn a whole text by its length: LongRoPE's two sets, a base that grows.

What a token's logits are is what transformers gives for the whole text up to it, read at once. Its
own cache keeps keys that were turned as the text was shorter (Phi-3's `generate` reads anew at the
switch, no other does), and in a batch it turns every row by the longest: here each row is as alone.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
import torch
from cases import COMMON
from conftest import Builder
from oracle import rough
from torch import Tensor, nn

from archspec.importers import import_config

pytestmark = pytest.mark.filterwarnings("ignore")

TURN = 12
"""Tokens up to which a text turns as a short one."""

LONG: dict[str, Any] = {
    "rope_type": "longrope",
    "rope_theta": 10_000.0,
    "short_factor": [1.0 + 0.2 * i for i in range(8)],
    "long_factor": [4.0 + 0.5 * i for i in range(8)],
    "original_max_position_embeddings": TURN,
}
GROWS = {"rope_type": "dynamic", "factor": 4.0, "rope_theta": 10_000.0}
PHI = {key: value for key, value in COMMON.items() if key != "head_dim"}
PHI |= {"num_hidden_layers": 3, "original_max_position_embeddings": TURN, "rope_parameters": LONG}
SMALL = COMMON | {"num_hidden_layers": 3, "max_position_embeddings": TURN}
LATENT = {
    "num_key_value_heads": 4,
    "q_lora_rank": 24,
    "kv_lora_rank": 16,
    "qk_nope_head_dim": 16,
    "qk_rope_head_dim": 16,
    "v_head_dim": 16,
    "first_k_dense_replace": 3,
}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "longrope": ("phi3", PHI),
    "longrope-window": ("phi3", PHI | {"sliding_window": 7}),
    "dynamic": ("llama", SMALL | {"rope_parameters": GROWS}),
    "dynamic-latent": ("deepseek_v3", SMALL | LATENT | {"rope_parameters": GROWS}),
}
IDS = torch.randint(3, 250, (1, 20), generator=torch.Generator().manual_seed(1))


class Pair:
    """A transformers model and ours with its weights, with what each reads at once."""

    def __init__(self, name: str, builder: Builder):
        kind, self.options = MODELS[name]
        self.kind = kind
        theirs, config = rough(kind, self.options)
        self.package: ModuleType = builder.load(import_config(config, name="by-length"))
        self.ours: nn.Module = self.package.Model().eval()
        self.package.load_checkpoint(self.ours, theirs.state_dict())
        self.theirs = theirs
        self.known: dict[tuple[int, ...], Tensor] = {}

    def truth(self, ids: Tensor) -> Tensor:
        """Their logits (T, V) of one text read at once."""
        key = tuple(ids.flatten().tolist())
        if key not in self.known:
            # A base that has grown does not shrink again.
            fresh = rough(self.kind, self.options)[0] if self.kind != "phi3" else self.theirs
            self.known[key] = fresh(ids.view(1, -1)).logits[0]
        return self.known[key]


@pytest.fixture(scope="module", params=MODELS)
def pair(request: pytest.FixtureRequest, builder: Builder) -> Pair:
    return Pair(request.param, builder)


def same(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


@torch.no_grad()
def test_each_token_has_the_logits_of_the_whole_text_before_and_behind_the_switch(
    pair: Pair,
) -> None:
    cache = pair.ours.new_cache(1, 20)
    same(pair.ours(IDS[:, :8], cache=cache)[0], pair.truth(IDS[:, :8]))
    for end in range(9, 21):
        last = pair.ours(IDS[:, end - 1 : end], cache=cache)
        same(last[0, 0], pair.truth(IDS[:, :end])[-1])
    assert cache.length == 20


@torch.no_grad()
@pytest.mark.parametrize("pieces", [(9, 6, 5), (12, 1, 7), (11, 1, 1, 7)])
def test_pieces_across_the_switch_are_read_as_the_text_up_to_their_end(
    pair: Pair, pieces: tuple[int, ...]
) -> None:
    cache, end = pair.ours.new_cache(1, 20), 0
    for piece in IDS.split(pieces, dim=1):
        start, end = end, end + piece.shape[1]
        same(pair.ours(piece, cache=cache)[0], pair.truth(IDS[:, :end])[start:])


@torch.no_grad()
def test_generate_writes_what_the_whole_text_makes_likeliest(pair: Pair) -> None:
    text = IDS[:, :9]
    for _ in range(8):
        following = pair.truth(text)[-1].argmax().view(1, 1)
        text = torch.cat((text, following), dim=1)
    assert torch.equal(pair.ours.generate(IDS[:, :9], 8), text)
    if pair.kind == "phi3":  # which reads anew at the switch
        theirs = pair.theirs.generate(
            IDS[:, :9], max_new_tokens=8, do_sample=False, eos_token_id=[]
        )
        assert torch.equal(theirs, text)


@torch.no_grad()
@pytest.mark.parametrize("side", ["left", "right"])
def test_texts_of_a_batch_turn_each_by_its_own_length(pair: Pair, side: str) -> None:
    """Rows of 13, 10 and 4 tokens: one is long at once, one gets long, one stays short."""
    lengths, end = (13, 10, 4), 13
    rows = [IDS[0, i : i + n] for i, n in enumerate(lengths)]
    gap = [end - n for n in lengths]
    edges = [(n, 0) if side == "left" else (0, n) for n in gap]
    ids = torch.stack([nn.functional.pad(row, e) for row, e in zip(rows, edges, strict=True)])
    mask = torch.stack(
        [nn.functional.pad(torch.ones_like(row), e) for row, e in zip(rows, edges, strict=True)]
    )
    cache = pair.ours.new_cache(3, end + 5)
    found = pair.ours(ids, attention_mask=mask, cache=cache)
    for text, logits, real in zip(rows, found, mask.bool(), strict=True):
        same(logits[real], pair.truth(text))
    new = IDS[0, :15].view(3, 5)
    for step in range(5):
        found = pair.ours(new[:, step : step + 1], cache=cache)
        for number, row in enumerate(rows):
            whole = torch.cat((row, new[number, : step + 1]))
            same(found[number, 0], pair.truth(whole)[-1])


@torch.no_grad()
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("name", ["longrope", "dynamic"])
def test_one_graph_without_a_break_reads_across_the_switch(
    name: str, padded: bool, builder: Builder
) -> None:
    own = Pair(name, builder)
    torch.compiler.reset()
    compiled: Any = torch.compile(own.ours, fullgraph=True, backend="eager")
    mask = torch.ones_like(IDS[:, :10])
    mask[:, :2] = int(not padded)
    caches = own.ours.new_cache(1, 20), own.ours.new_cache(1, 20)
    for start, end in ((0, 10), *((t, t + 1) for t in range(10, 16))):
        given = {"attention_mask": mask} if padded and start == 0 else {}
        piece = IDS[:, start:end]
        found = compiled(piece, cache=caches[0], **given)
        expected = own.ours(piece, cache=caches[1], **given)
        same(found[:, -1], expected[:, -1])


@torch.no_grad()
def test_a_call_that_failed_at_the_switch_is_made_up_for(pair: Pair) -> None:
    cache = pair.ours.new_cache(1, 20)
    pair.ours(IDS[:, :TURN], cache=cache)
    last = pair.ours.layers[-1]

    def fail(*_: Any) -> None:
        raise RuntimeError("out of memory")

    with last.register_forward_pre_hook(fail), pytest.raises(RuntimeError, match="memory"):
        pair.ours(IDS[:, TURN : TURN + 1], cache=cache)
    for end in (TURN + 1, TURN + 2):
        found = pair.ours(IDS[:, end - 1 : end], cache=cache)
        same(found[0, 0], pair.truth(IDS[:, :end])[-1])


HYBRID = """
archspec: 1
name: by-length-hybrid
vocab_size: 64
hidden_size: 32
context_length: 64
defaults:
  feedforward: {{type: dense, intermediate_size: 32, activation: silu, gated: true}}
blocks:
  attention:
    mixer: {{type: attention, heads: 4, kv_heads: 2, head_dim: 8, rope: {rope}}}
  again:
    extends: attention
    mixer: {{shared_kv: true}}
  delta:
    mixer:
      type: gated_deltanet
      key_heads: 2
      value_heads: 2
      key_head_dim: 8
      value_head_dim: 8
      conv: 4
  state:
    mixer: {{type: mamba2, heads: 4, head_dim: 8, groups: 1, state_dim: 8, conv: 4}}
layers: delta, attention, again, state, attention
head: {{tied: false}}
"""
SCALED = "{theta: 10_000, scaling: {type: dynamic, factor: 4, original_context: 12}}"


@torch.no_grad()
def test_states_of_recurrences_begin_anew_with_the_text(builder: Builder) -> None:
    torch.manual_seed(0)
    package = builder.load(HYBRID.format(rope=SCALED))
    model = package.Model().double().eval()
    for parameter in model.parameters():
        parameter.add_(0.2 * torch.randn_like(parameter))
    ids = IDS % 64
    cache = model.new_cache(1, 20)
    for start, end in ((0, 10), *((t, t + 1) for t in range(10, 16)), (16, 20)):
        found = model(ids[:, start:end], cache=cache)
        same(found, model(ids[:, :end])[:, start:])


OTHERS = """
archspec: 1
name: by-length-{name}
vocab_size: 64
hidden_size: 32
context_length: 64
embedding: {{{types}}}
defaults:
  feedforward: {{type: dense, intermediate_size: 32, activation: silu, gated: true}}
blocks:
  block:
    mixer: {{type: attention, heads: 4, kv_heads: 2, head_dim: 8{prefix}, rope: {rope}}}
    {cross}
  reader:
    mixer: {{type: attention, heads: 4, kv_heads: 2, head_dim: 8, causal: false, rope: {rope}}}
layers: 3 x block
{more}
head: {{tied: false}}
"""
OTHER_PARTS: dict[str, dict[str, str]] = {
    "prefix": {"prefix": ", prefix_lm: true"},
    "mtp": {"more": "mtp: {depth: 1, block: block, loss_weight: 0.3}"},
    "types": {"types": "token_types: 2"},
    "pair": {
        "more": "encoder: {layers: 2 x reader}",
        "cross": "cross_attention: {type: attention, source: encoder, heads: 4, head_dim: 8}",
    },
}


@torch.no_grad()
@pytest.mark.parametrize("name", OTHER_PARTS)
def test_what_else_was_given_is_read_anew_too(name: str, builder: Builder) -> None:
    """A prefix that is seen both ways, kinds of tokens, a source; and further tokens beside."""
    torch.manual_seed(0)
    parts = dict.fromkeys(("types", "prefix", "cross", "more"), "") | OTHER_PARTS[name]
    text = OTHERS.format(name=name, rope=SCALED, **parts)
    if name != "pair":
        text = text[: text.index("  reader:")] + text[text.index("layers: 3") :]
    model = builder.load(text).Model().double().eval()
    for parameter in model.parameters():
        parameter.add_(0.2 * torch.randn_like(parameter))
    ids, source = IDS % 64, torch.arange(5)[None]
    types = (torch.arange(20) % 3 == 0).long()[None]

    def call(start: int, end: int, cache: Any = None) -> Tensor:
        piece, given = ids[:, start:end], {} if cache is None else {"cache": cache}
        if name == "pair":
            return model(source if start == 0 else None, piece, **given)
        given |= {"token_type_ids": types[:, start:end]} if name == "types" else {}
        given |= {"prefix_length": 4} if name == "prefix" and start == 0 else {}
        return model(piece, **given)

    cache = model.new_cache(1, 20, 5) if name == "pair" else model.new_cache(1, 20)
    for start, end in ((0, 10), *((t, t + 1) for t in range(10, 16)), (16, 20)):
        same(call(start, end, cache), call(0, end)[:, start:])


def test_padding_of_a_source_does_not_count_as_its_length(builder: Builder) -> None:
    """An encoder turns each text by its own length as well."""
    torch.manual_seed(0)
    parts = dict.fromkeys(("types", "prefix"), "") | OTHER_PARTS["pair"]
    model = builder.load(OTHERS.format(name="source", rope=SCALED, **parts)).Model().double()
    for parameter in model.parameters():
        parameter.data.add_(0.2 * torch.randn_like(parameter))
    source, ids = IDS % 64, torch.arange(6)[None]
    mask = torch.arange(20)[None] < 15
    found = model(source, ids, attention_mask=mask)
    same(found, model(source[:, :15], ids))
    assert (found - model(source, ids)).abs().max() > 0.01
