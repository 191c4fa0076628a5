"""Which tokens are chosen, apart from the attention over them; and that attention."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any

import pytest
import torch
from conftest import Builder
from torch import Tensor, nn

import archspec

SPEC = """archspec: 1
name: selecting
vocab_size: 16
hidden_size: 24
context_length: 256
blocks:
  first: {{mixer: {first}}}
  later: {{extends: first, mixer: {{select: {{type: shared, top_k: 7}}}}}}
layers: first, later
head: {{tied: true}}
"""
SELECT = (
    "select: {type: lightning_indexer, heads: 5, head_dim: 6, top_k: 7, norm: {type: layernorm}"
)
MIXERS = {
    "heads": f"{{type: attention, heads: 4, kv_heads: 2, head_dim: 8, {SELECT}}}}}",
    "heads-rope": "{type: attention, heads: 4, kv_heads: 1, head_dim: 8, value_head_dim: 6, "
    f"rope: {{theta: 100}}, {SELECT}, rope: {{theta: 50}}}}}}",
    "latents": "{type: mla, heads: 3, query_rank: 10, kv_rank: 8, nope_dim: 6, rope_dim: 4, "
    f"value_head_dim: 5, rope: {{theta: 100}}, {SELECT}, rope: {{theta: 100, pairing: interleaved, "
    "fraction: 0.7}}}",
    "latents-plain": "{type: mla, heads: 3, kv_rank: 8, nope_dim: 6, rope_dim: 0, "
    f"value_head_dim: 8, {SELECT}}}}}",
}


class Built:
    """A package in float64 with weights that matter."""

    def __init__(self, mixer: str, builder: Builder):
        torch.manual_seed(0)
        self.text = SPEC.format(first=MIXERS[mixer])
        self.package: ModuleType = builder.load(self.text)
        self.model: nn.Module = self.package.Model().double()
        with torch.no_grad():
            for parameter in self.model.parameters():
                parameter.normal_(std=parameter.shape[-1] ** -0.5 if parameter.ndim > 1 else 0.5)

    def part(self, name: str) -> Any:
        return import_module(f"{self.package.__name__}.{name}")

    @property
    def over_latents(self) -> bool:
        return hasattr(self.model.layers[0].self_attn, "kv_b_proj")

    def step(self, tokens: int) -> Any:
        like = torch.zeros((), dtype=torch.float64)
        return self.part("step").make_step(0, tokens, None, like)


@pytest.fixture(params=MIXERS)
def built(request: pytest.FixtureRequest, builder: Builder) -> Built:
    return Built(request.param, builder)


@pytest.fixture
def selection(builder: Builder) -> Any:
    return Built("heads", builder).part("selection")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_top_tokens_are_the_largest_and_of_equals_the_earliest(
    selection: Any, dtype: torch.dtype
) -> None:
    scores = torch.randint(-3, 4, (50, 40), generator=torch.Generator().manual_seed(0))
    scores = (scores / 2).to(dtype)
    scores[scores == 0] *= torch.tensor(-1.0, dtype=dtype)  # −0
    scores[:, 1::7] = 0.0
    scores[:5] = float("-inf")
    scores[5:9, ::2] = float("-inf")
    expected = [sorted(range(40), key=lambda i: (-row[i], i))[:11] for row in scores.tolist()]
    found = selection.top_tokens(scores, 11).sort().values
    assert found.tolist() == [sorted(row) for row in expected]


def test_top_tokens_do_not_depend_on_what_comes_later(selection: Any) -> None:
    scores = torch.zeros(3, 20)
    longer = torch.cat((scores, scores.new_full((3, 9), float("-inf"))), dim=1)
    for text in (scores, longer):
        assert selection.top_tokens(text, 5).sort().values.tolist() == [[0, 1, 2, 3, 4]] * 3


def score(q: Tensor, weights: Tensor, k: Tensor) -> Tensor:
    """Σ_h w_h · relu(q_h · k), a token and a head at a time: (B, T, S)."""
    batch, heads, tokens, _ = q.shape
    out = torch.zeros(batch, tokens, k.shape[2], dtype=q.dtype)
    for h in range(heads):
        out += weights[:, :, h, None] * torch.relu(q[:, h] @ k[:, 0].mT)
    return out


@pytest.mark.parametrize("start", [0, 3, 7, 30])
@pytest.mark.parametrize("block", [1 << 25, 1000])
def test_best_tokens_are_those_of_the_formula(
    selection: Any, start: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selection, "room", lambda _: block)
    torch.manual_seed(1)
    tokens, count = 23, 7
    q, k = torch.randn(2, 5, tokens, 6).double(), torch.randn(2, 1, start + tokens, 6).double()
    weights = torch.randn(2, tokens, 5).double()
    for starts in (None, torch.tensor([start, start // 2])):  # alike, or one has fewer before
        positions, seen = selection.best_tokens(q, weights, k, count, start, starts)
        whole = max(count - start, 0)
        assert positions.shape == seen.shape == (2, tokens - whole, count)
        scores = score(q, weights, k).float()
        for b in range(2):
            for t in range(whole, tokens):
                own = t + (start if starts is None else int(starts[b]))
                best = sorted(range(own + 1), key=lambda s: (-scores[b, t, s].item(), s))[:count]
                row = t - whole
                assert sorted(positions[b, row][seen[b, row]].tolist()) == sorted(best)


@torch.no_grad()
def test_attention_sees_what_was_chosen_and_nothing_else(built: Built) -> None:
    """The whole layer beside attention with a mask made from the positions."""
    torch.manual_seed(2)
    layer, step = built.model.layers[0].self_attn, built.step(29)
    x = torch.randn(2, 29, 24).double()
    found = layer(x, step, None)
    positions, seen = step.shared["best_7"]
    assert seen.all()
    allowed = torch.ones(2, 29, 29, dtype=torch.bool).tril()
    allowed[:, 7:] = False
    allowed[:, 7:] = allowed[:, 7:].scatter(-1, positions, True)

    def masked(q: Tensor, k: Tensor, v: Tensor, step: object, scale: float) -> Tensor:
        group = q.shape[1] // k.shape[1]
        k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
        scores = (q @ k.mT * scale).masked_fill(~allowed[:, None], float("-inf"))
        return scores.softmax(-1) @ v

    module = built.part("selection")
    original, module.attend_causal = module.attend_causal, masked
    try:
        layer.indexer.forward = lambda *_: None  # all tokens, so that the mask decides alone
        expected = layer(x, built.step(29), None)
    finally:
        module.attend_causal = original
        del layer.indexer.forward
    torch.testing.assert_close(found, expected, atol=1e-10, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("parts", [[1] * 29, [5, 1, 1, 22], [9, 20], [28, 1], [7, 1, 21]])
def test_reading_in_parts_changes_nothing(built: Built, parts: list[int]) -> None:
    ids = torch.randint(16, (2, 29), generator=torch.Generator().manual_seed(3))
    cache = built.model.new_cache(2, 29)
    found = [built.model(piece, cache=cache) for piece in ids.split(parts, dim=1)]
    whole = built.model(ids)
    torch.testing.assert_close(torch.cat(found, dim=1), whole, atol=1e-10, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("place", [slice(0, 6), slice(4, 10), slice(20, 26)])
def test_padding_is_never_chosen(built: Built, place: slice) -> None:
    ids = torch.randint(16, (1, 29), generator=torch.Generator().manual_seed(4))
    real = torch.ones(1, 35, dtype=torch.long)
    real[:, place] = 0
    padded = torch.zeros_like(real)
    padded[real.bool()] = ids[0]
    alone = built.model(ids)
    at_once = built.model(padded, attention_mask=real)
    torch.testing.assert_close(at_once[real.bool()], alone[0], atol=1e-10, rtol=0)
    cache, found, start = built.model.new_cache(1, 35), list[Tensor](), 0
    for part in (12, 15, 1, 1, 6):
        piece = slice(start, start + part)
        found.append(built.model(padded[:, piece], attention_mask=real[:, piece], cache=cache))
        start += part
    torch.testing.assert_close(torch.cat(found, 1)[real.bool()], alone[0], atol=1e-10, rtol=0)


LONG = 150  # so long, for 7 tokens that are seen, that these are gathered


def both_forms(built: Built, monkeypatch: pytest.MonkeyPatch, x: Tensor):
    """What the first layer gives for a long text, gathered and masked: values and gradients."""
    layer, module = built.model.layers[0].self_attn, built.part("selection")
    found: list[list[Tensor]] = []
    for masked in (False, True):
        with monkeypatch.context() as patch:
            if masked and built.over_latents:
                patch.setattr(layer, "absorbed", layer.expanded)
            elif masked:
                patch.setattr(module, "attend_selected", module.attend_masked)
            given = x.detach().requires_grad_()
            out = layer(given, built.step(x.shape[1]), None)
            trained = [p for n, p in layer.named_parameters() if "indexer" not in n]
            loss = (out * torch.linspace(-1, 1, 24).double()).sin().sum()
            found.append([out, *torch.autograd.grad(loss, [given, *trained])])
    return found


@pytest.mark.parametrize("room", [1 << 20, 2000])
def test_gathering_equals_hiding(built: Built, room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(8)
    x = torch.randn(2, LONG, 24).double()
    monkeypatch.setattr(built.part("selection"), "room", lambda _: room)
    monkeypatch.setattr(built.part("selection"), "QUERIES", 37 if room == 2000 else 128)
    calls: list[str] = []
    function = built.part("selection").GatheredAttention
    original = function.forward
    monkeypatch.setattr(function, "forward", lambda *a: (calls.append("gathered"), original(*a))[1])
    gathered, masked = both_forms(built, monkeypatch, x)
    assert calls == ["gathered"]
    torch.testing.assert_close(gathered[0], masked[0], atol=1e-10, rtol=0)
    for one, other in zip(gathered[1:], masked[1:], strict=True):
        torch.testing.assert_close(one, other, atol=1e-8, rtol=1e-10)


def test_the_gradient_of_gathered_attention_is_that_of_its_formula(selection: Any) -> None:
    torch.manual_seed(9)
    q = torch.randn(2, 6, 5, 3).double().requires_grad_()
    entries = torch.randn(2, 2, 11, 7).double().requires_grad_()
    positions = torch.stack([torch.randperm(11)[:4] for _ in range(10)]).view(2, 5, 4)
    seen = torch.rand(2, 5, 4) < 0.7
    seen[..., 0] = True
    function = selection.GatheredAttention.apply
    for value in ((0, 3), (2, 6), (3, 7)):  # all of the key, part of it, none of it
        assert torch.autograd.gradcheck(function, (q, entries, positions, seen, value))


def test_on_a_gpu_the_gradient_is_added_in_one_order(
    selection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is chosen twice is summed by `index_put_`, which sorts there; not by `index_add_`."""
    torch.manual_seed(9)
    q, entries = torch.randn(1, 2, 5, 3), torch.randn(1, 1, 4, 7, requires_grad=True)
    positions, seen = torch.randint(4, (1, 5, 6)), torch.ones(1, 5, 6, dtype=torch.bool)

    def gradient() -> Tensor:
        out = selection.GatheredAttention.apply(q, entries, positions, seen, (2, 6))
        return torch.autograd.grad(out.square().sum(), entries)[0]

    want = gradient()
    monkeypatch.setattr(torch.Tensor, "is_cuda", property(lambda _: True), raising=False)
    monkeypatch.setattr(selection, "room", lambda _: 64)
    monkeypatch.setattr(torch.Tensor, "index_add_", None, raising=False)
    torch.testing.assert_close(gradient(), want)


@torch.no_grad()
def test_in_blocks_nothing_changes(built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = torch.randint(16, (2, LONG), generator=torch.Generator().manual_seed(5))
    whole = built.model(ids)
    monkeypatch.setattr(built.part("selection"), "room", lambda _: 400)
    torch.testing.assert_close(built.model(ids), whole, atol=1e-10, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("parts", [[150], [100, 1, 1, 48], [8, 120, 22]])
def test_a_long_text_in_parts_and_padded(built: Built, parts: list[int]) -> None:
    ids = torch.randint(16, (1, 140), generator=torch.Generator().manual_seed(10))
    alone = built.model(ids)
    real = torch.ones(1, LONG, dtype=torch.long)
    real[:, 50:60] = 0
    padded = torch.zeros_like(real)
    padded[real.bool()] = ids[0]
    cache, found, start = built.model.new_cache(1, LONG), list[Tensor](), 0
    for part in parts:
        piece = slice(start, start + part)
        found.append(built.model(padded[:, piece], attention_mask=real[:, piece], cache=cache))
        start += part
    torch.testing.assert_close(torch.cat(found, 1)[real.bool()], alone[0], atol=1e-10, rtol=0)


def test_a_short_text_sees_everything(built: Built) -> None:
    """Up to `top_k` tokens nothing is scored, and the layer is the one without a selection."""
    ids = torch.randint(16, (2, 7), generator=torch.Generator().manual_seed(6))
    out = built.model(ids)
    with torch.no_grad():
        for layer in built.model.layers:
            if hasattr(layer.self_attn, "indexer"):
                layer.self_attn.indexer.wq_b.weight.fill_(float("nan"))
    assert torch.equal(built.model(ids), out)


def test_the_choice_has_no_gradient_and_all_else_has(built: Built) -> None:
    ids = torch.randint(16, (2, 29), generator=torch.Generator().manual_seed(7))
    built.model(ids, labels=ids).backward()
    for name, parameter in built.model.named_parameters():
        assert (parameter.grad is None) == (".indexer." in name), name


def test_a_layer_that_shares_keeps_no_keys_of_its_own(built: Built) -> None:
    first, later = archspec.loads(built.text).mechanisms
    assert first.state().per_token - later.state().per_token == 6
    assert first.gives() == later.takes() == "best_7"
    names = {parameter.name for parameter in later.graph(24).parameters()}
    assert not any(name.startswith("indexer") for name in names)


def test_flops_count_every_score_and_the_chosen_pairs() -> None:
    mechanism = archspec.loads(SPEC.format(first=MIXERS["heads"])).mechanisms[0]
    graph = mechanism.graph(24)
    assert graph["select"].per_key == 2 * 5 * (6 + 1)
    scores, pairs = 100 * 101 // 2, sum(min(t + 1, 7) for t in range(100))
    per_token = sum(operator.per_token for operator in graph.operators)
    expected = 100 * per_token + graph["select"].per_key * scores + 2 * 4 * 16 * pairs
    assert graph.flops(0, 100) == expected


LATER = "type: attention, heads: 2, head_dim: 8"
WRONG = [
    (f"{{{LATER}, window: 8, {SELECT}}}}}", "without `window`"),
    (f"{{{LATER}, sinks: true, {SELECT}}}}}", "without `sinks`"),
    (f"{{{LATER}, causal: false, {SELECT}}}}}", "needs `causal: true`"),
    (f"{{{LATER}, {SELECT}, rope: {{theta: 10, fraction: 0.5}}}}}}", "must be even"),
    (f"{{{LATER}, select: {{type: shared, top_k: 7}}}}", "shares what no earlier layer has"),
    (f"{{{LATER}, {SELECT.replace('top_k: 7', 'top_k: 9')}}}}}", "best_7"),
    (f"{{{LATER}, select: {{type: token, top_k: 7}}}}", "one of lightning_indexer, shared"),
]


@pytest.mark.parametrize(("first", "words"), WRONG)
def test_is_rejected(first: str, words: str) -> None:
    with pytest.raises(archspec.SpecError) as caught:
        archspec.loads(SPEC.format(first=first))
    assert words in str(caught.value)


AHEAD = """archspec: 1
name: selecting-ahead
vocab_size: 16
hidden_size: 24
context_length: 256
blocks:
  both_ways: {{mixer: {{type: attention, heads: 2, head_dim: 12, causal: false}}}}
  choosing: {{mixer: {first}}}
layers: both_ways, choosing
head: null
"""


@pytest.mark.parametrize("mixer", sorted(MIXERS))
@torch.no_grad()
def test_beside_a_layer_that_sees_ahead(mixer: str, builder: Builder) -> None:
    """It still chooses among earlier tokens alone, of each text as if it stood alone."""
    torch.manual_seed(0)
    model = builder.load(AHEAD.format(first=MIXERS[mixer])).Model().double()
    ids = torch.randint(16, (2, 30))
    mask = torch.ones(2, 30, dtype=torch.long)
    mask[1, [0, 1, 2, 11, 29]] = 0
    out = model(ids, attention_mask=mask)
    torch.testing.assert_close(out[:1], model(ids[:1]))
    torch.testing.assert_close(out[1:, mask[1] == 1], model(ids[1:, mask[1] == 1]))
