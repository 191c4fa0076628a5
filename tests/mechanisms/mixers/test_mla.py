"""The built latent attention against its formulas in float64, and what decoding allocates."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from conftest import Builder
from padded import read_padded
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

import archspec

SPEC = """archspec: 1
name: latent
vocab_size: 16
hidden_size: 24
context_length: 512
blocks:
  only: {{mixer: {{type: mla, {fields}}}}}
layers: only
head: {{tied: true}}
"""
SIZES = "heads: 4, kv_rank: 12, nope_dim: 6, rope_dim: 4, value_head_dim: 10"
OPTIONS = [
    SIZES,
    f"{SIZES}, rope: {{theta: 100}}",
    f"{SIZES}, rope: {{theta: 100, pairing: interleaved}}, query_rank: 10, latent_norm: true",
    f"{SIZES}, rope: {{theta: 100, reversed: true}}, latent_bias: true, output_bias: true",
    f"{SIZES}, latent_norm: {{type: layernorm}}, scale: 0.7, query_rank: 10, latent_bias: true",
    "heads: 3, kv_rank: 8, nope_dim: 6, rope_dim: 0, value_head_dim: 4, latent_norm: true",
    "heads: 2, kv_rank: 8, nope_dim: 4, rope_dim: 2, value_head_dim: 12, rope: {theta: 10}",
]


def spec(fields: str) -> str:
    return SPEC.format(fields=fields)


def layer(fields: str, builder: Builder) -> tuple[nn.Module, Any]:
    """The built attention in float64 with weights that matter, and its package."""
    torch.manual_seed(0)
    package = builder.load(spec(fields))
    module = package.Model().layers[0].self_attn.double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=parameter.shape[-1] ** -0.5 if parameter.ndim > 1 else 0.5)
    return module, package


def steps(package: Any, tokens: int, start: int = 0) -> Any:
    from importlib import import_module

    like = torch.zeros((), dtype=torch.float64)
    return import_module(f"{package.__name__}.step").make_step(start, tokens, None, like)


def rotated(x: Tensor, rope: Any, positions: Tensor) -> Tensor:
    """Each pair of (…, T, width) turned as complex numbers."""
    width = x.shape[-1]
    angle = positions[:, None] / rope.theta ** (torch.arange(0, width, 2).double() / width)
    turn = torch.polar(torch.ones_like(angle), -angle if rope.reversed else angle)
    if rope.pairing == "interleaved":
        return torch.view_as_real(torch.view_as_complex(x.unflatten(-1, (-1, 2))) * turn).flatten(
            -2
        )
    halves = torch.complex(x[..., : width // 2], x[..., width // 2 :]) * turn
    return torch.cat((halves.real, halves.imag), dim=-1)


def definition(a: Any, m: nn.Module, x: Tensor) -> Tensor:
    """Section 2.1 of arXiv 2405.04434, a head at a time."""
    tokens = x.shape[1]
    norm_q, norm_c = ((m.q_a_layernorm if a.query_rank else None), m.kv_a_layernorm)
    if not a.latent_norm:
        norm_q = norm_c = nn.Identity()
    q = m.q_b_proj(norm_q(m.q_a_proj(x))) if a.query_rank else m.q_proj(x)
    c, r = m.kv_a_proj_with_mqa(x).split((a.kv_rank, a.rope_dim), dim=-1)
    c = norm_c(c)
    positions = torch.arange(tokens).double()
    hidden = torch.ones(tokens, tokens).triu(1).bool()
    outs: list[Tensor] = []
    for h in range(a.heads):
        nope, rope = q[..., h * a.head_dim : (h + 1) * a.head_dim].split(
            (a.nope_dim, a.rope_dim), dim=-1
        )
        rows = m.kv_b_proj.weight.unflatten(0, (a.heads, -1))[h]
        k, v = c @ rows[: a.nope_dim].T, c @ rows[a.nope_dim :].T
        turned = (rotated(t, a.rope, positions) if a.rope else t for t in (rope, r))
        rope, key = turned
        scores = (nope @ k.mT + rope @ key.mT) * a.score_scale
        outs.append(scores.masked_fill(hidden, float("-inf")).softmax(dim=-1) @ v)
    return m.o_proj(torch.cat(outs, dim=-1))


@pytest.fixture(params=OPTIONS)
def built(request: pytest.FixtureRequest, builder: Builder) -> tuple[Any, nn.Module, Any]:
    architecture = archspec.loads(spec(request.param))
    module, package = layer(request.param, builder)
    if architecture.mechanisms[0].latent_norm is None:
        module.kv_a_layernorm = None  # for the definition, which names it
    return architecture.mechanisms[0], module, package


@torch.no_grad()
def test_equals_its_definition(built: tuple[Any, nn.Module, Any]) -> None:
    mechanism, module, package = built
    x = torch.randn(2, 29, 24, dtype=torch.float64)
    found = module(x, steps(package, 29), None)
    # Rotary tables are computed from float32 angles.
    torch.testing.assert_close(found, definition(mechanism, module, x), atol=1e-5, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("parts", [[1] * 29, [5, 1, 1, 22], [9, 20], [28, 1]])
def test_the_absorbed_form_equals_the_expanded_one(
    built: tuple[Any, nn.Module, Any], parts: list[int]
) -> None:
    _, module, package = built
    x = torch.randn(2, 29, 24, dtype=torch.float64)
    whole = module(x, steps(package, 29), None)
    cache, start, found = module.new_cache(2, 29, x), 0, list[Tensor]()
    for part in parts:
        piece = x[:, start : start + part]
        found.append(module(piece, steps(package, part, start), cache))
        start += part
    torch.testing.assert_close(torch.cat(found, dim=1), whole, atol=1e-10, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("side", ["left", "inside"])
def test_the_absorbed_form_leaves_padding_out(built: tuple[Any, nn.Module, Any], side: str) -> None:
    _, module, package = built
    x = torch.randn(1, 85, 24, dtype=torch.float64)
    alone = module(x, steps(package, 85), None)
    real = torch.ones(1, 90, dtype=torch.bool)
    real[:, slice(0, 5) if side == "left" else slice(10, 15)] = False
    padded = x.new_full((1, 90, 24), 9.0)
    padded[real] = x[0]
    # The second part goes in two blocks of queries.
    found = read_padded(package, module, padded, real, [17, 70, 1, 2], module.new_cache(1, 90, x))
    torch.testing.assert_close(found[real], alone[0], atol=1e-10, rtol=0)


class Largest(TorchDispatchMode):
    """Remembers how many numbers the largest fresh tensor had."""

    numbers = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, tuple | list) else (out,):
            if isinstance(tensor, Tensor) and tensor._base is None:
                self.numbers = max(self.numbers, tensor.numel())
        return out


@torch.no_grad()
def test_a_decoding_step_never_expands_the_context(builder: Builder) -> None:
    module, package = layer(
        f"{SIZES.replace('heads: 4', 'heads: 16')}, rope: {{theta: 100}}", builder
    )
    x, context = torch.randn(1, 512, 24, dtype=torch.float64), 511
    cache = module.new_cache(1, 512, x)
    module(x[:, :context], steps(package, context), cache)
    with Largest() as largest:
        module(x[:, context:], steps(package, 1, context), cache)
    kept = 512 * (12 + 4)
    assert largest.numbers <= max(kept, 16 * 512)  # what is kept, and a score for each head
    assert largest.numbers < 16 * 512 * 6  # heads × context × the narrowest head


def test_gradients_of_both_forms_are_equal(built: tuple[Any, nn.Module, Any]) -> None:
    mechanism, module, package = built
    step, shape = steps(package, 9), (2, mechanism.heads, 9)
    q = torch.randn(*shape, mechanism.head_dim, dtype=torch.float64, requires_grad=True)
    entries = torch.randn(2, 1, 9, mechanism.kept_dim, dtype=torch.float64, requires_grad=True)
    target = torch.randn(*shape, mechanism.value_head_dim, dtype=torch.float64)
    outs = [form(q, entries, step) for form in (module.expanded, module.absorbed)]
    inputs = (q, entries, module.kv_b_proj.weight)
    expected, found = (torch.autograd.grad((out * target).sum(), inputs) for out in outs)
    torch.testing.assert_close(found, expected, atol=1e-10, rtol=0)


WRONG = [
    (f"{SIZES}, rope: {{theta: 100, fraction: 0.5}}", "all of `rope_dim` rotates"),
    (f"{SIZES.replace('rope_dim: 4', 'rope_dim: 3')}, rope: {{theta: 100}}", "must be even"),
    (f"{SIZES.replace('rope_dim: 4', 'rope_dim: 0')}, rope: {{theta: 100}}", "nothing to rotate"),
    (f"{SIZES}, kv_heads: 2", "unknown field"),
    (SIZES.replace("kv_rank: 12, ", ""), "missing field `kv_rank`"),
]


@pytest.mark.parametrize(("fields", "words"), WRONG)
def test_is_rejected(fields: str, words: str) -> None:
    with pytest.raises(archspec.SpecError) as caught:
        archspec.loads(spec(fields))
    assert words in str(caught.value)


def test_decoding_costs_what_the_absorbed_form_multiplies() -> None:
    """2 · heads · (2 · kv_rank + rope_dim) for each pair, whatever the width of the heads."""
    graph = archspec.loads(spec(SIZES)).mechanisms[0].graph(24)
    step = graph.flops(100, 1) - graph.flops(99, 1)
    assert step == 2 * 4 * (2 * 12 + 4)
    assert graph.flops(0, 2) - 2 * graph.flops(0, 1) == 2 * 4 * (6 + 4 + 10)
