"""The delta rule in both forms is its definition, and padding leaves a state alone."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
import torch
from conftest import ROOT, Builder
from padded import read_padded
from torch import Tensor, nn

from archspec.mechanisms.common.definitions.delta_rule import delta_rule

RULES = {
    "delta_rule": ("gated_deltanet", "delta_rule", 0),
    "gated_delta_rule": ("gated_deltanet", "delta_rule", 1),
    "channel_delta_rule": ("kimi_delta", "channel_delta_rule", 5),
}
B, H, K, V = 2, 3, 5, 4


def package(mixer: str, builder: Builder) -> ModuleType:
    path = ROOT / f"archspec/mechanisms/mixers/{mixer}/example.yaml"
    return builder.load(path.read_text(encoding="utf-8"))


class Rule:
    """The two ways of one rule."""

    def __init__(self, name: str, built: ModuleType):
        _, file, self.decays = RULES[name]
        __import__(f"{built.__name__}.{file}")
        self.module: Any = getattr(built, file)
        self.recurrent = getattr(self.module, f"recurrent_{name}")
        self.chunked = getattr(self.module, f"chunked_{name}")
        self.entry = getattr(self.module, name)

    def definition(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        """The rule written out, of tensors by head, (B, H, T, D)."""
        *tensors, state = inputs
        q, k, v, *decay, beta = (x.transpose(1, 2) for x in tensors)
        out, last = delta_rule(q, k, v, decay[0] if decay else None, beta, state)
        return out.transpose(1, 2), last

    def inputs(self, tokens: int, decay: float = 0.2, dtype: Any = torch.float64) -> list[Tensor]:
        """Queries, keys of length one, values, decays, β up to two, and a state."""
        torch.manual_seed(tokens)
        q, k = torch.randn(2, B, H, tokens, K, dtype=dtype)
        k = nn.functional.normalize(k, dim=-1)
        v = torch.randn(B, H, tokens, V, dtype=dtype)
        made = [q, k, v, 2 * torch.rand(B, H, tokens, 1, dtype=dtype)]
        if self.decays:
            made.insert(3, -decay * torch.rand(B, H, tokens, self.decays, dtype=dtype))
        return [*made, torch.randn(B, H, K, V, dtype=dtype)]


@pytest.fixture(scope="module", params=RULES)
def rule(request: pytest.FixtureRequest, builder: Builder) -> Rule:
    return Rule(request.param, package(RULES[request.param][0], builder))


@pytest.mark.parametrize("tokens", [1, 2, 7, 63, 64, 65, 131, 192])
def test_both_forms_give_values_and_gradients_of_the_definition(rule: Rule, tokens: int) -> None:
    inputs = [x.requires_grad_() for x in rule.inputs(tokens)]
    results = [way(*inputs) for way in (rule.definition, rule.recurrent, rule.chunked)]
    for parts in zip(*results, strict=True):
        for found in parts[1:]:
            torch.testing.assert_close(found, parts[0], atol=1e-10, rtol=0)
    weights = [torch.randn_like(part) for part in results[0]]
    gradients = [
        torch.autograd.grad(sum((p * w).sum() for p, w in zip(r, weights, strict=True)), inputs)
        for r in results
    ]
    for parts in zip(*gradients, strict=True):
        for found in parts[1:]:
            torch.testing.assert_close(found, parts[0], atol=1e-8, rtol=0)


@pytest.mark.parametrize("decay", [1e-6, 30.0, 3000.0])
def test_any_decay_stays_finite_and_exact(rule: Rule, decay: float) -> None:
    if not rule.decays:
        pytest.skip("it has no decay")
    inputs = [x.requires_grad_() for x in rule.inputs(100, decay)]
    for a, b in zip(rule.recurrent(*inputs), rule.chunked(*inputs), strict=True):
        torch.testing.assert_close(b, a, atol=1e-10, rtol=0)
    short = [x.detach().float().requires_grad_() for x in inputs]
    out, state = rule.chunked(*short)
    for gradient in torch.autograd.grad(out.sum() + state.sum(), short):
        assert gradient.isfinite().all()
    exact, _ = rule.recurrent(*inputs)
    torch.testing.assert_close(out.double(), exact, atol=1e-3, rtol=1e-3)


def test_a_text_in_parts_is_the_text_at_once(rule: Rule) -> None:
    *inputs, state = rule.inputs(150)
    whole, end = rule.chunked(*inputs, state)
    parts = []
    for first, last in ((0, 70), (70, 71), (71, 150)):
        out, state = rule.chunked(*(x[:, :, first:last] for x in inputs), state)
        parts.append(out)
    torch.testing.assert_close(torch.cat(parts, 2), whole, atol=1e-10, rtol=0)
    torch.testing.assert_close(state, end, atol=1e-10, rtol=0)


def test_without_a_state_it_starts_at_zero(rule: Rule) -> None:
    *inputs, state = rule.inputs(9)
    by_token = [x.transpose(1, 2) for x in inputs]
    for a, b in zip(rule.entry(*by_token, None), rule.entry(*by_token, state.zero_()), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_it_computes_in_float32_at_least(rule: Rule, dtype: torch.dtype) -> None:
    *inputs, _ = rule.inputs(70)
    out, state = rule.entry(*(x.transpose(1, 2).to(dtype) for x in inputs), None)
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    assert out.dtype == state.dtype == wide
    assert out.shape == (B, 70, H, V)


MIXERS = [("gated_deltanet", name) for name in ("GroupedLayer", "ReflectingLayer", "PlainLayer")]
MIXERS += [("kimi_delta", name) for name in ("LowRankLayer", "BoundedLayer")]


@torch.no_grad()
@pytest.mark.parametrize(("mixer", "layer"), MIXERS, ids=lambda value: str(value))
@pytest.mark.parametrize("gaps", [[], [0, 1, 2], [17, 18, 19], [3, 4, 9, 19], [1, 18]], ids=str)
def test_padding_anywhere_leaves_the_state_alone(
    mixer: str, layer: str, gaps: list[int], builder: Builder
) -> None:
    """Twenty places of which `gaps` are padding, then single tokens, one of them padding too."""
    built = package(mixer, builder)
    torch.manual_seed(0)
    model: Any = getattr(built.model, layer)().double()
    for parameter in model.parameters():
        parameter.add_(torch.randn_like(parameter) * parameter.shape[-1] ** -0.5)
    real = torch.ones(1, 26, dtype=torch.bool)
    real[:, [*gaps, 22]] = False
    x = torch.randn(1, 26, 48, dtype=torch.float64)
    text = x[real][None]
    expected_cache, cache = model.new_cache(1, 26, x), model.new_cache(1, 26, x)
    expected = read_padded(built, model, text, None, [text.shape[1]], expected_cache)
    found = read_padded(built, model, x, real, [8, 12, *[1] * 6], cache)
    torch.testing.assert_close(found[real][None], expected, atol=1e-10, rtol=0)
    for name, tensor in vars(expected_cache).items():
        torch.testing.assert_close(vars(cache)[name], tensor, atol=1e-10, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("mixer", ["gated_deltanet", "kimi_delta"])
def test_decoding_goes_on_after_right_padding(mixer: str, builder: Builder) -> None:
    built = package(mixer, builder)
    torch.manual_seed(0)
    model = built.Model().eval()
    for parameter in model.parameters():
        parameter.add_(torch.randn_like(parameter) * parameter.shape[-1] ** -0.5)
    texts = torch.randint(256, (2, 30))
    lengths, mask = (11, 20), torch.ones(2, 20, dtype=torch.long)
    padded = texts[:, :20].clone()
    padded[0, 11:], mask[0, 11:] = 0, 0
    cache = model.new_cache(2, 30)
    model(padded, attention_mask=mask, cache=cache)
    for t in range(8):
        new = torch.stack([texts[row, n + t] for row, n in enumerate(lengths)])[:, None]
        found = model(new, cache=cache)
        for row, n in enumerate(lengths):
            expected = model(texts[row : row + 1, : n + t + 1])[:, -1:]
            torch.testing.assert_close(found[row : row + 1], expected, atol=2e-4, rtol=1e-4)
