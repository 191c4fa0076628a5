"""Every norm that a spec can ask for, against its formula in float64."""

from __future__ import annotations

import itertools
from types import ModuleType

import pytest
import torch
import torch.nn.functional as F
from conftest import Builder
from torch import Tensor

HEADS, WIDTH, EPS = 3, 8, 1e-3
SPEC = """
archspec: 1
name: norms
vocab_size: 16
hidden_size: 24
context_length: 16
blocks:
"""
CASES = [
    (kind, scope, weight, zero_centered, bias)
    for kind, scope, weight, zero_centered, bias in itertools.product(
        ("rmsnorm", "layernorm", "l2norm"),
        ("head", "each_head"),
        (True, False),
        (True, False),
        (True, False),
    )
    if weight or not (zero_centered or bias)
    if kind == "layernorm" or not bias
]


@pytest.fixture(scope="module")
def package(builder: Builder) -> ModuleType:
    """One package with a block for every norm."""
    text = SPEC
    for number, (kind, scope, weight, centered, bias) in enumerate(CASES):
        norm = (
            f"{{type: {kind}, scope: {scope}, eps: {EPS}, weight: {str(weight).lower()}, "
            f"zero_centered: {str(centered).lower()}, bias: {str(bias).lower()}}}"
        )
        mixer = f"{{type: attention, heads: {HEADS}, head_dim: {WIDTH}, qk_norm: {norm}}}"
        text += f"  b{number}: {{mixer: {mixer}}}\n"
    text += f"layers: {', '.join(f'b{n}' for n in range(len(CASES)))}\nhead: null\n"
    return builder.load(text)


def formula(x: Tensor, kind: str, scale: Tensor | float, shift: Tensor | float) -> Tensor:
    """The norm of (…, H, T, D) written out."""
    x = x.double()
    if kind == "layernorm":
        x = x - x.mean(-1, keepdim=True)
    square = x.square().sum(-1, keepdim=True) if kind == "l2norm" else x.square().mean(-1, True)
    return x / (square + EPS).sqrt() * scale + shift


@pytest.mark.parametrize(("dtype", "close"), [(torch.float32, 1e-5), (torch.float64, 1e-13)])
@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda n: "-".join(map(str, CASES[n])))
def test_norm(package: ModuleType, number: int, dtype: torch.dtype, close: float) -> None:
    kind, _, weight, centered, _ = CASES[number]
    norm = package.Model().layers[number].self_attn.q_norm.to(dtype)
    torch.manual_seed(0)
    x = torch.randn(2, HEADS, 5, WIDTH, dtype=dtype)
    with torch.no_grad():
        for parameter in norm.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
        found = norm(x)
    scale: Tensor | float = 1.0
    if weight:
        scale = norm.weight.double() + (1.0 if centered else 0.0)
        scale = scale[:, None] if scale.ndim == 2 else scale
    shift: Tensor | float = 0.0
    if getattr(norm, "bias", None) is not None:
        shift = norm.bias.double()
        shift = shift[:, None] if shift.ndim == 2 else shift
    torch.testing.assert_close(found.double(), formula(x, kind, scale, shift), atol=close, rtol=0)


@pytest.mark.parametrize("centered", [False, True])
@pytest.mark.parametrize("kind", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_rms_norm_in_every_type(package: ModuleType, kind: torch.dtype, centered: bool) -> None:
    """Values and gradients, beside PyTorch's own in float64; a row of zeros stays zero."""
    norms = package.norm
    made = (norms.CenteredRMSNorm if centered else norms.RMSNorm)(WIDTH, EPS).to(kind)
    torch.manual_seed(0)
    x = torch.randn(3, WIDTH).index_fill(0, torch.tensor(1), 0.0).to(kind).requires_grad_()
    up = torch.randn(3, WIDTH).to(kind)
    with torch.no_grad():
        made.weight.add_(torch.randn(WIDTH) * 0.3)
    found = made(x)
    wide = x.detach().double().requires_grad_()
    weight = made.weight.detach().double().requires_grad_()
    expected = F.rms_norm(wide, (WIDTH,), weight + centered, EPS)
    assert found.dtype == kind
    step = torch.finfo(kind).eps
    close = {"atol": 4 * step, "rtol": 4 * step, "check_dtype": False}
    torch.testing.assert_close(found, expected, **close)
    grads = torch.autograd.grad(found, (x, made.weight), up)
    wanted = torch.autograd.grad(expected, (wide, weight), up.double())
    for grad, want in zip(grads, wanted, strict=True):
        torch.testing.assert_close(grad, want, **{**close, "atol": 40 * step, "rtol": 40 * step})


@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda n: "-".join(map(str, CASES[n])))
def test_a_fresh_norm_scales_by_one(package: ModuleType, number: int) -> None:
    norm = package.Model().layers[number].self_attn.q_norm
    x = torch.randn(2, HEADS, 5, WIDTH)
    with torch.no_grad():
        found = norm(x)
    expected = formula(x, CASES[number][0], 1.0, 0.0)
    torch.testing.assert_close(found.double(), expected, atol=1e-5, rtol=0)
