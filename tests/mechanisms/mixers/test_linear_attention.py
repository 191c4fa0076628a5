"""Linear attention in both forms against its definition: values, gradients, padding."""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any

import pytest
import torch
from conftest import ROOT, Builder
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

import archspec
from archspec.errors import SpecError
from archspec.mechanisms.mixers.linear_attention.definition import fading_sums

EXAMPLE = ROOT / "archspec/mechanisms/mixers/linear_attention/example.yaml"
HEADS, KEY, VALUE = 3, 6, 5
KINDS = ("lasting", "fixed", "heads", "channels")
LENGTHS = [1, 2, 5, 63, 64, 65, 127, 130, 201]
NAMES = {
    "lasting": "lasting",
    "fixed": "fading",
    "heads": "fading",
    "channels": "fading_channels",
}


@pytest.fixture(scope="module")
def package(builder: Builder) -> ModuleType:
    return builder.load(EXAMPLE.read_text(encoding="utf-8"))


def function(package: ModuleType, way: str, kind: str) -> Any:
    return getattr(package.linear_recurrence, f"{way}_{NAMES[kind]}")


def decays(kind: str, tokens: int, strength: float = 1.0) -> list[Tensor]:
    """The decay of every kind, as the list of arguments that it is."""
    shape = {
        "fixed": (1, HEADS, 1),
        "heads": (2, HEADS, tokens),
        "channels": (2, HEADS, tokens, KEY),
    }
    if kind == "lasting":
        return []
    return [-strength * torch.rand(shape[kind], dtype=torch.float64) ** 2]


def defined(kind: str, q: Tensor, k: Tensor, v: Tensor, *more: Tensor) -> tuple[Tensor, Tensor]:
    """Written out, of tensors by head, (B, H, T, D)."""
    *decay, state = more
    of_tokens = [x.transpose(1, 2) for x in (q, k, v)]
    fading = torch.zeros(1, 1, HEADS, 1, dtype=q.dtype)
    if kind == "channels":
        fading = decay[0].transpose(1, 2)
    elif decay:
        fading = decay[0].transpose(1, 2)[..., None]
    out, last = fading_sums(*of_tokens, fading, state)
    return out.transpose(1, 2), last


def inputs(tokens: int) -> list[Tensor]:
    torch.manual_seed(tokens)
    return [
        torch.randn(2, HEADS, tokens, width, dtype=torch.float64) for width in (KEY, KEY, VALUE)
    ]


@pytest.mark.parametrize("started", [False, True], ids=["empty", "started"])
@pytest.mark.parametrize("tokens", LENGTHS)
@pytest.mark.parametrize("kind", KINDS)
def test_both_forms_give_the_definition(
    package: ModuleType, kind: str, tokens: int, started: bool
) -> None:
    q, k, v = inputs(tokens)
    state = torch.randn(2, HEADS, KEY, VALUE, dtype=torch.float64) * started
    taken = [t.requires_grad_() for t in (q, k, v, *decays(kind, tokens), state)]
    want = defined(kind, *taken)
    targets = [torch.randn_like(part) for part in want]
    found = [function(package, way, kind)(*taken) for way in ("chunked", "recurrent")]
    for parts in found:
        for one, other in zip(parts, want, strict=True):
            torch.testing.assert_close(one, other, atol=1e-10, rtol=1e-10)
    expected, *gradients = (
        torch.autograd.grad(sum((x * y).sum() for x, y in zip(parts, targets, strict=True)), taken)
        for parts in (want, *found)
    )
    for each in gradients:
        for one, other in zip(each, expected, strict=True):
            torch.testing.assert_close(one, other, atol=1e-8, rtol=1e-8)


@pytest.mark.parametrize("kind", KINDS)
def test_the_equations_are_those_of_the_paper(package: ModuleType, kind: str) -> None:
    """Written as attention: token t reads v_s with q_t · k_s, faded since s."""
    tokens = 9
    q, k, v = inputs(tokens)
    decay = decays(kind, tokens)
    log = decay[0] if decay else torch.zeros(1, HEADS, 1, dtype=torch.float64)
    log = log if log.ndim == 4 else log[..., None]
    total = log.expand(2, HEADS, tokens, KEY).cumsum(2)  # (B, H, T, D)
    want = torch.zeros(2, HEADS, tokens, VALUE, dtype=torch.float64)
    for t in range(tokens):
        for s in range(t + 1):
            faded = q[:, :, t] * (total[:, :, t] - total[:, :, s]).exp() * k[:, :, s]
            want[:, :, t] += faded.sum(-1, keepdim=True) * v[:, :, s]
    empty = torch.zeros(2, HEADS, KEY, VALUE, dtype=torch.float64)
    found, _ = function(package, "recurrent", kind)(q, k, v, *decay, empty)
    torch.testing.assert_close(found, want)


@pytest.mark.parametrize("strength", [0.0, 1e-6, 30.0, 1e4, 1e9])
@pytest.mark.parametrize("kind", KINDS[1:])
def test_extreme_decays_stay_finite(package: ModuleType, kind: str, strength: float) -> None:
    q, k, v = (t.float().requires_grad_() for t in inputs(150))
    (decay,) = decays(kind, 150, strength)
    decay = decay.float().requires_grad_()
    state = torch.randn(2, HEADS, KEY, VALUE)
    out, last = function(package, "chunked", kind)(q, k, v, decay, state)
    wide = [t.detach().double() for t in (q, k, v, decay, state)]
    want, want_last = function(package, "recurrent", kind)(*wide)
    torch.testing.assert_close(out.double(), want, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(last.double(), want_last, atol=1e-3, rtol=1e-3)
    (out.sum() + last.sum()).backward()
    for tensor in (q, k, v, decay):
        assert tensor.grad is not None
        assert tensor.grad.isfinite().all()


ROWS = {
    "left": ["0001111111111", "1111111111111"],
    "right": ["1111111110000", "1111111111110"],
    "middle": ["1110011011111", "1111110000011"],
    "no token": ["0000000000000", "1111111111111"],
}


@pytest.mark.parametrize("split", [[13], [1] * 13, [4, 1, 8]], ids=str)
@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_padding_leaves_the_state_alone(
    package: ModuleType, kind: str, rows: list[str], split: list[int]
) -> None:
    real = torch.tensor([[character == "1" for character in row] for row in rows])
    q, k, v = inputs(13)
    decay = decays(kind, 13)
    state, parts, start = torch.zeros(2, HEADS, KEY, VALUE, dtype=torch.float64), [], 0
    for size in split:
        piece = slice(start, start + size)
        cut = [d if kind == "fixed" else d[:, :, piece] for d in decay]
        taken = (q[:, :, piece], k[:, :, piece], v[:, :, piece])
        attend = function(package, "attend", kind)
        out, state = attend(*taken, *cut, real[:, piece], state)
        parts.append(out)
        start += size
    found = torch.cat(parts, dim=2)
    for row in range(2):
        kept = real[row]
        one = [t[row : row + 1, :, kept] for t in (q, k, v)]
        cut = [d if kind == "fixed" else d[row : row + 1, :, kept] for d in decay]
        empty = torch.zeros(1, HEADS, KEY, VALUE, dtype=torch.float64)
        if kept.any():
            want, empty = function(package, "recurrent", kind)(*one, *cut, empty)
            torch.testing.assert_close(found[row : row + 1, :, kept], want)
        torch.testing.assert_close(state[row : row + 1], empty)


@pytest.mark.parametrize("kind", KINDS)
def test_reading_twice_as_much_costs_twice_as_much(package: ModuleType, kind: str) -> None:
    costs: list[int] = []
    for tokens in (256, 512, 1024):
        state = torch.zeros(2, HEADS, KEY, VALUE, dtype=torch.float64)
        taken = (*inputs(tokens), *decays(kind, tokens), state)
        with FlopCounterMode(display=False) as counter:
            function(package, "chunked", kind)(*taken)
        costs.append(counter.get_total_flops())
    assert costs[1] == 2 * costs[0]
    assert costs[2] == 4 * costs[0]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=["bf16", "fp16"])
@torch.no_grad()
def test_shorter_types_keep_a_float32_state(package: ModuleType, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    model = package.Model().to(dtype)
    cache = model.new_cache(2, 40)
    ids = torch.randint(256, (2, 40))
    parts = [model(part, cache=cache) for part in ids.split([30, 1, 9], dim=1)]
    assert {layer.state.dtype for layer in cache.layers} == {torch.float32}
    assert torch.cat(parts, dim=1).isfinite().all()
    assert parts[0].dtype == dtype


@torch.no_grad()
def test_padding_in_the_middle_of_a_text(package: ModuleType) -> None:
    torch.manual_seed(0)
    model = package.Model()
    for parameter in model.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.1)
    ids = torch.randint(256, (2, 20))
    real = torch.ones(2, 20, dtype=torch.bool)
    real[0, 4:9], real[1, :3], real[1, 12:15] = False, False, False
    cache = model.new_cache(2, 20)
    parts = [model(ids[:, :16], attention_mask=real[:, :16].long(), cache=cache)]
    parts += [model(ids[:, t : t + 1], cache=cache) for t in range(16, 20)]
    for text, out, kept in zip(ids, torch.cat(parts, 1), real, strict=True):
        want = model(text[kept][None])[0]
        torch.testing.assert_close(out[kept], want, atol=2e-4, rtol=1e-4)


@torch.no_grad()
def test_slopes_and_retention_are_as_published(package: ModuleType) -> None:
    """What each head keeps, seen in the state after one token more."""
    want = {
        "Lightning": [math.exp(-0.75 * 2 ** (-8 * (h + 1) / 4)) for h in range(4)],
        "Retention": [1 - 2 ** (-5 - h) for h in range(2)],
    }
    for name, kept in want.items():
        layer = package.model
        kind = getattr(layer, f"{name}Layer")
        made = kind(0) if name == "Lightning" else kind()
        cache = made.new_cache(1, 2, torch.zeros(1))
        cache.state.fill_(1.0)
        x = torch.zeros(1, 1, 48)
        step = package.step.make_step(0, 1, None, x)
        made.self_attn(x, step, cache)
        step.settle()
        torch.testing.assert_close(cache.state[0, :, 0, 0], torch.tensor(kept))


FAULTS = {
    "{type: linear_attention, heads: 2, key_head_dim: 6, output_norm: {scope: width, groups: 5}}": (
        "12 numbers do not make 5 equal parts"
    ),
    "{type: linear_attention, heads: 2, key_head_dim: 6, output_norm: {groups: 2}}": (
        "need `scope: width`"
    ),
    "{type: linear_attention, heads: 2, key_head_dim: 5, rope: {theta: 100}}": "turns pairs",
    "{type: linear_attention, heads: 2, key_head_dim: 6, rope: {theta: 100}, "
    "qk_norm: {scope: width, after_rope: true}}": "comes before the rotation",
}


@pytest.mark.parametrize("mixer", FAULTS)
def test_what_cannot_be_is_refused(mixer: str) -> None:
    text = EXAMPLE.read_text(encoding="utf-8").partition("blocks:")[0]
    text += f"blocks:\n  only: {{mixer: {mixer}}}\nlayers: only\nhead: {{tied: true}}\n"
    with pytest.raises(SpecError, match=FAULTS[mixer]):
        archspec.loads(text)
