"""The kernels of gated activations."""

from __future__ import annotations

import importlib
from types import ModuleType

import pytest
import torch
import torch.nn.functional as F
from conftest import Builder
from measure import Function, agrees, drawn, launches
from torch import Tensor

from archspec.kernels.gate import CURVES

TOP = """
archspec: 1
name: gates
vocab_size: 16
hidden_size: 24
context_length: 16
layers: {layers}
head: {{tied: true}}
defaults: {{mixer: {{type: attention, heads: 3, head_dim: 8}}}}
blocks:
"""
DENSE = """
  {name}:
    feedforward: {{type: dense, intermediate_size: 37, activation: {activation}, gated: true{more}}}
"""
EXPERTS = """
  experts:
    feedforward:
      type: moe
      experts: 4
      top_k: 2
      intermediate_size: 20
      activation: silu
      renormalize: true
      router: {score: softmax}
      shared: {intermediate_size: 1030}
"""
ACTIVATIONS: dict[str, Function] = {
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "identity": lambda x: x,
    "mish": F.mish,
    "quick_gelu": lambda x: x * torch.sigmoid(1.702 * x),
    "relu": F.relu,
    "relu2": lambda x: F.relu(x).square(),
    "sigmoid": torch.sigmoid,
    "silu": F.silu,
    "softplus": F.softplus,
    "tanh": torch.tanh,
}


@pytest.fixture(scope="module")
def package(builder: Builder) -> ModuleType:
    blocks = [DENSE.format(name=name, activation=name, more="") for name in CURVES]
    bounds = ", clamp: 1.5, clamp_after: 0.75, up_offset: 1.0"
    blocks.append(DENSE.format(name="bounded", activation="quick_gelu", more=bounds))
    names = [*CURVES, "bounded", "experts"]
    layers = ", ".join(f"1 x {name}" for name in names)
    return builder.load(TOP.format(layers=layers) + "".join(blocks) + EXPERTS)


@pytest.fixture(scope="module")
def kernels(package: ModuleType) -> ModuleType:
    return importlib.import_module(f"{package.__name__}.kernels.gate")


def both(width: int, scale: float = 1.0) -> tuple[Tensor, Tensor]:
    return drawn(2, 5, width, scale=scale), drawn(2, 5, width, seed=1)


@pytest.mark.parametrize("name", CURVES)
def test_values_and_gradients(kernels: ModuleType, name: str) -> None:
    def formula(gate: Tensor, up: Tensor) -> Tensor:
        return ACTIVATIONS[name](gate) * up

    agrees(getattr(kernels, f"gated_{name}"), formula, *both(37, scale=3.0))


@pytest.mark.filterwarnings("ignore:overflow encountered in exp")  # 1 / (1 + inf) is 0, rightly
@pytest.mark.parametrize("name", CURVES)
def test_numbers_far_from_zero(kernels: ModuleType, name: str) -> None:
    gate = torch.tensor([-60000.0, -300, -89, -20, -0.0, 0, 20, 89, 300, 60000] * 37)
    gate = gate.view(-1, 37).requires_grad_()
    kernel = getattr(kernels, f"gated_{name}")(gate, torch.ones_like(gate))
    expected = ACTIVATIONS[name](gate)
    torch.testing.assert_close(kernel, expected, atol=1e-5, rtol=1e-5)
    found = torch.autograd.grad(kernel.sum(), gate)
    torch.testing.assert_close(found, torch.autograd.grad(expected.sum(), gate))


def test_clamps_and_offset(kernels: ModuleType) -> None:
    def formula(gate: Tensor, up: Tensor) -> Tensor:
        gate, up = gate.clamp(max=1.5), up.clamp(-1.5, 1.5).clamp(-0.75, 0.75)
        return ACTIVATIONS["quick_gelu"](gate).clamp(max=0.75) * (up + 1.0)

    kernel = kernels.gated_quick_gelu_clamp_1_5_after_0_75_plus_1
    gate, up = both(37, scale=2.0)
    gate[0, 0, :3], up[0, 1, :4] = 1.5, torch.tensor([0.75, -0.75, 1.5, -1.5])  # where they begin
    agrees(kernel, formula, gate, up)


@pytest.mark.parametrize("width", [20, 1030])
def test_side_by_side(kernels: ModuleType, width: int) -> None:
    def formula(h: Tensor) -> Tensor:
        gate, up = h.chunk(2, dim=-1)
        return F.silu(gate) * up

    agrees(kernels.gated_silu_packed, formula, drawn(7, 2 * width))


def test_operators_are_registered_as_torch_wants_them(kernels: ModuleType) -> None:
    gate, up = (x.float().requires_grad_() for x in both(37))
    torch.library.opcheck(kernels._gated_silu, (gate, up))
    torch.library.opcheck(kernels._gated_silu_packed, (drawn(3, 40).float().requires_grad_(),))


def test_twenty_shapes_share_their_binaries(
    kernels: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = launches(kernels, monkeypatch)
    for batch in (1, 2, 3, 4):
        for length in (1, 2, 4, 5, 8):
            gate = torch.ones(batch, length, 37, requires_grad=True)
            kernels.gated_silu(gate, gate).sum().backward()
    assert len(seen) == 40
    assert len(set(seen)) == 2


def test_the_model_calls_them(package: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    kernels = importlib.import_module(f"{package.__name__}.kernels.gate")
    seen = launches(kernels, monkeypatch)
    package.Model()(torch.zeros(1, 3, dtype=torch.long))
    assert len(seen) == len(CURVES) + 3
