"""The kernels of routers."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from types import ModuleType

import pytest
import torch
import torch.nn.functional as F
from conftest import Builder
from measure import agrees, drawn, launches
from torch import Tensor

TOP = """
archspec: 1
name: routers
vocab_size: 16
hidden_size: 24
context_length: 16
layers: {layers}
head: null
defaults: {{mixer: {{type: attention, heads: 3, head_dim: 8}}}}
blocks:
"""
BLOCK = """
  {name}:
    feedforward:
      type: moe
      experts: {r.experts}
      top_k: {r.top_k}
      intermediate_size: 4
      activation: silu
      renormalize: {divide}
      renormalize_epsilon: {r.epsilon}
      renormalize_floor: {r.floor}
      scale: {r.scale}
      router:
        score: {r.score}
        softcap: {softcap}
        correction_bias: {correction}
        groups: {groups}
        expert_scale: {expert_scale}
"""


@dataclass(frozen=True)
class Routing:
    """A router, and the formula of its weights."""

    experts: int
    top_k: int
    score: str
    divide: bool = False
    epsilon: float = 0.0
    floor: float = 0.0
    scale: float = 1.0
    softcap: float | None = None
    correction: bool = False
    groups: tuple[int, int, str] | None = None
    expert_scale: bool = False

    def block(self, name: str) -> str:
        """A block with it."""
        given = dict(zip(("count", "keep", "by"), self.groups or (), strict=False))
        return BLOCK.format(
            name=name,
            r=self,
            divide=str(self.divide).lower(),
            softcap="null" if self.softcap is None else self.softcap,
            correction=str(self.correction).lower(),
            groups=str(given).replace("'", "") if given else "null",
            expert_scale=str(self.expert_scale).lower(),
        )

    def formula(self, logits: Tensor, correction: Tensor) -> tuple[Tensor, Tensor]:
        """What it gives, in the type of its logits."""
        if self.softcap is not None:
            logits = self.softcap * torch.tanh(logits / self.softcap)
        scores = {
            "softmax": lambda: logits.softmax(dim=-1),
            "sigmoid": logits.sigmoid,
            "sqrt_softplus": lambda: F.softplus(logits, threshold=100).sqrt(),
        }[self.score]()
        choice = scores.detach() + correction if self.correction else scores.detach()
        if self.groups is not None:
            count, keep, by = self.groups
            parted = choice.view(choice.shape[0], count, -1)
            best = parted.topk(2 if by == "top2" else 1, dim=-1).values.sum(dim=-1)
            lost = best.topk(count - keep, dim=-1, largest=False).indices
            hidden = torch.zeros_like(best).scatter(-1, lost, float("-inf"))
            choice = (parted + hidden[..., None]).flatten(1)
        chosen = choice.topk(self.top_k, dim=-1).indices
        weights = scores.gather(-1, chosen)
        if self.divide:
            total = weights.sum(dim=-1, keepdim=True) + self.epsilon
            weights = weights / total.clamp(min=self.floor)
        return self.scale * weights, chosen


ROUTERS = {
    "softmax": Routing(8, 2, "softmax"),
    "shares": Routing(8, 3, "softmax", divide=True),
    "capped": Routing(5, 2, "softmax", softcap=1.5),
    "floored": Routing(6, 2, "softmax", divide=True, floor=0.9),
    "single": Routing(4, 1, "sigmoid", softcap=3.0, scale=2.0),
    "odd": Routing(7, 7, "sigmoid", divide=True, epsilon=1e-20),
    "grouped": Routing(12, 3, "softmax", scale=16.0, groups=(4, 2, "max")),
    "room": Routing(15, 3, "sigmoid", divide=True, groups=(5, 2, "max")),
    "corrected": Routing(
        16, 4, "sigmoid", divide=True, correction=True, groups=(4, 2, "top2"), scale=2.5
    ),
    "uneven": Routing(18, 4, "sigmoid", correction=True, groups=(3, 2, "top2")),
    "rooted": Routing(10, 3, "sqrt_softplus", divide=True, correction=True, scale=1.5),
    "rooted_shares": Routing(16, 3, "sqrt_softplus", divide=True),
    "scaled": Routing(6, 2, "softmax", divide=True, expert_scale=True),
    "many": Routing(160, 6, "softmax", scale=16.0, groups=(8, 3, "max")),
}


def logits(rows: int, experts: int, seed: int = 0) -> Tensor:
    """Float64 that float16 can hold, no two of a row alike."""
    draw = torch.Generator().manual_seed(seed)
    order = torch.stack([torch.randperm(experts, generator=draw) for _ in range(rows)])
    return (order.double() - experts / 4) / 16


@pytest.fixture(scope="module")
def package(builder: Builder) -> ModuleType:
    layers = ", ".join(f"1 x {name}" for name in ROUTERS)
    blocks = [router.block(name) for name, router in ROUTERS.items()]
    return builder.load(TOP.format(layers=layers) + "".join(blocks))


@pytest.fixture(scope="module")
def kernels(package: ModuleType) -> ModuleType:
    return importlib.import_module(f"{package.__name__}.kernels.router")


@pytest.mark.parametrize("rows", [1, 37])
@pytest.mark.parametrize("name", ROUTERS)
def test_values_and_gradients(kernels: ModuleType, name: str, rows: int) -> None:
    router, route = ROUTERS[name], getattr(kernels, f"route_{name}")
    correction = drawn(router.experts, seed=3, scale=0.5)
    beside = [correction.float()] if router.correction else []
    z = logits(rows, router.experts)
    agrees(lambda z: route(z, *beside)[0], lambda z: router.formula(z, correction)[0], z)
    assert torch.equal(route(z.float(), *beside)[1], router.formula(z, correction)[1])


def test_equal_ones_come_in_order(kernels: ModuleType) -> None:
    weights, chosen = kernels.route_softmax(torch.zeros(3, 8))
    assert chosen.tolist() == [[0, 1]] * 3
    torch.testing.assert_close(weights, torch.full((3, 2), 1 / 8))
    _, chosen = kernels.route_grouped(torch.zeros(1, 12))
    assert chosen.tolist() == [[0, 1, 2]]
    _, chosen = kernels.route_corrected(torch.zeros(1, 16), torch.zeros(16))
    assert chosen.tolist() == [[0, 1, 2, 3]]


def test_scores_that_saturate_do_not_tie(kernels: ModuleType) -> None:
    _, chosen = kernels.route_single(torch.tensor([[20.0, 40.0, 30.0, 10.0]]))
    assert chosen.tolist() == [[1]]
    z = torch.tensor([[-90.0, -120.0, -60.0] + [-150.0] * 5])
    weights, chosen = kernels.route_shares(z)
    assert chosen.tolist() == [[2, 0, 1]]
    torch.testing.assert_close(weights, torch.tensor([[-60.0, -90.0, -120.0]]).softmax(-1))


def test_scores_far_below_zero_keep_their_digits(kernels: ModuleType) -> None:
    z = torch.linspace(-60, 40, 16)[None].requires_grad_()
    router = ROUTERS["rooted_shares"]
    found = torch.autograd.grad(kernels.route_rooted_shares(z)[0][0, 0], z)[0]
    far = z.detach().double().requires_grad_()
    truth = torch.autograd.grad(router.formula(far, torch.zeros(16))[0][0, 0], far)[0]
    torch.testing.assert_close(found.double(), truth, atol=1e-7, rtol=1e-5)
    low = torch.full((1, 16), -40.0) - torch.arange(16)
    weights, _ = kernels.route_rooted_shares(low)
    torch.testing.assert_close(weights.double(), router.formula(low.double(), torch.zeros(16))[0])


def test_no_rows(kernels: ModuleType) -> None:
    weights, chosen = kernels.route_softmax(torch.zeros(0, 8))
    assert weights.shape == chosen.shape == (0, 2)


def test_what_something_multiplies_stays_in_float32(kernels: ModuleType) -> None:
    assert kernels.route_scaled(torch.zeros(2, 6).half())[0].dtype == torch.float32
    assert kernels.route_shares(torch.zeros(2, 8).half())[0].dtype == torch.float16


@pytest.mark.parametrize("name", ["softmax", "corrected", "scaled"])
def test_operators_are_registered_as_torch_wants_them(kernels: ModuleType, name: str) -> None:
    router = ROUTERS[name]
    beside = (torch.zeros(router.experts),) if router.correction else ()
    z = logits(3, router.experts).float()
    torch.library.opcheck(getattr(kernels, f"_route_{name}"), (z.clone().requires_grad_(), *beside))
    weights, chosen = getattr(kernels, f"route_{name}")(z, *beside)
    grad = getattr(kernels, f"_route_{name}_grad")
    torch.library.opcheck(grad, (torch.ones_like(weights), z, chosen))


def test_twenty_shapes_share_their_binaries(
    kernels: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = launches(kernels, monkeypatch)
    for rows in range(1, 21):
        z = logits(rows, 8).float().requires_grad_()
        kernels.route_softmax(z)[0].sum().backward()
    assert len(seen) == 40
    assert len(set(seen)) == 2


def test_the_model_calls_them(package: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    kernels = importlib.import_module(f"{package.__name__}.kernels.router")
    seen = launches(kernels, monkeypatch)
    package.Model()(torch.zeros(1, 3, dtype=torch.long))
    assert len(seen) == len(ROUTERS)
