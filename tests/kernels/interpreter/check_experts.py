"""The kernels of experts."""

from __future__ import annotations

import importlib
from types import ModuleType

import pytest
import torch
from conftest import Builder
from measure import Function, agrees, binaries, distance, drawn, launches
from torch import Tensor

SPEC = """
archspec: 1
name: experts
vocab_size: 16
hidden_size: {width}
context_length: 16
layers: 1 x biased, 1 x plain, 1 x weighed
head: null
defaults: {{mixer: {{type: attention, heads: 2, head_dim: 4}}}}
blocks:
  plain:
    feedforward: &plain
      type: moe
      experts: 5
      top_k: 3
      intermediate_size: {inside}
      activation: silu
      renormalize: true
  biased:
    feedforward: {{<<: *plain, bias: {bias}, activation: relu2, gated: false}}
  weighed:
    feedforward: {{<<: *plain, router_weight_on: input, top_k: 2}}
"""
EVEN = SPEC.format(width=128, inside=64, bias="false")
RAGGED = SPEC.format(width=40, inside=37, bias="true")

CHOICES = {  # how many rows each expert has
    "odd": [3, 0, 37, 1, 0],
    "even": [32, 32, 64, 0, 64],
    "one-expert": [0, 0, 0, 70, 0],
    "first-and-last": [17, 0, 0, 0, 33],
    "one-row": [0, 1, 0, 0, 0],
    "no-rows": [0, 0, 0, 0, 0],
}


def sorting(counts: list[int], seed: int = 0) -> tuple[Tensor, Tensor]:
    """The order of pairs whose experts have so many rows, and where each expert's rows end."""
    order = torch.randperm(sum(counts), generator=torch.Generator().manual_seed(seed))
    return order, torch.tensor(counts).cumsum(0)


def product(x: Tensor, weight: Tensor, bias: Tensor | None, ends: Tensor) -> Tensor:
    """Each expert's map of its rows."""
    sizes = ends.diff(prepend=torch.zeros(1, dtype=torch.long))
    expert = torch.arange(len(ends)).repeat_interleave(sizes)
    y = torch.einsum("ri,roi->ro", x, weight[expert])
    return y if bias is None else y + bias[expert]


def unsorted(y: Tensor, order: Tensor) -> Tensor:
    """Rows in the places of their pairs."""
    return torch.empty_like(y).index_copy(0, order, y)


def module(builder: Builder, spec: str, name: str) -> ModuleType:
    return importlib.import_module(f"{builder.load(spec).__name__}.{name}")


@pytest.fixture(scope="module")
def even(builder: Builder) -> ModuleType:
    return module(builder, EVEN, "kernels.experts")


@pytest.fixture(scope="module")
def ragged(builder: Builder) -> ModuleType:
    return module(builder, RAGGED, "kernels.experts")


@pytest.mark.parametrize("each", [1, 3])
@pytest.mark.parametrize("counts", CHOICES.values(), ids=CHOICES)
def test_from_tokens_to_rows(ragged: ModuleType, counts: list[int], each: int) -> None:
    counts = [count * each for count in counts]
    order, ends = sorting(counts)

    def formula(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return product(x[order // each], weight, bias, ends)

    def kernel(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return ragged.to_rows(x, weight, bias, order, ends, each)

    tokens = len(order) // each
    x, weight, bias = drawn(tokens, 40), drawn(5, 74, 40, seed=1), drawn(5, 74, seed=2)
    agrees(kernel, formula, x, weight, bias) if tokens else gives_zeros(kernel, x, weight, bias)


@pytest.mark.parametrize("counts", CHOICES.values(), ids=CHOICES)
def test_from_rows_to_pairs(ragged: ModuleType, counts: list[int]) -> None:
    order, ends = sorting(counts)

    def formula(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return unsorted(product(x, weight, bias, ends), order)

    def kernel(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return ragged.to_pairs(x, weight, bias, order, ends)

    x, weight, bias = drawn(len(order), 37), drawn(5, 40, 37, seed=1), drawn(5, 40, seed=2)
    agrees(kernel, formula, x, weight, bias) if len(x) else gives_zeros(kernel, x, weight, bias)


def gives_zeros(kernel: Function, *inputs: Tensor) -> None:
    """Without rows there is nothing, and the gradients of all weights are zero."""
    own = [x.float().requires_grad_() for x in inputs]
    out = kernel(*own)
    assert out.shape[0] == 0
    grads = torch.autograd.grad(out.sum(), own)
    assert all(g.shape == x.shape and not g.any() for g, x in zip(grads, own, strict=True))


@pytest.mark.parametrize("number", [0, 1, 2])
def test_every_tile(even: ModuleType, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(even, "FORWARD", even.FORWARD[number : number + 1])
    order, ends = sorting([3, 0, 140, 1, 0])

    def formula(x: Tensor, first: Tensor, last: Tensor) -> Tensor:
        h = product(x[order // 3], first, None, ends)
        return unsorted(product(h, last, None, ends), order)

    def kernel(x: Tensor, first: Tensor, last: Tensor) -> Tensor:
        h = even.to_rows(x, first, order, ends, 3)
        return even.to_pairs(h, last, order, ends)

    scale = 2.0**-4
    first, last = drawn(5, 64, 128, seed=1, scale=scale), drawn(5, 128, 64, seed=2, scale=scale)
    agrees(kernel, formula, drawn(48, 128), first, last)


def test_tiles_grow_with_the_rows_of_an_expert(even: ModuleType) -> None:
    like = torch.ones(1, dtype=torch.float16)
    rows = [even._forward_tiles(like, rows).rows for rows in (0, 16, 17, 64, 65, 1000)]
    assert rows == [16, 16, 64, 64, 128, 128]


@pytest.mark.parametrize("each", [1, 2, 3, 10])
@pytest.mark.parametrize("width", [40, 1030])
def test_a_token_is_the_sum_of_its_experts(builder: Builder, each: int, width: int) -> None:
    kernels = module(builder, RAGGED, "kernels.combine")

    def formula(y: Tensor, weights: Tensor) -> Tensor:
        return (y.view(-1, each, width) * weights[..., None]).sum(dim=1)

    agrees(kernels.combine, formula, drawn(5 * each, width), drawn(5, each, seed=1))


def test_operators_are_registered_as_torch_wants_them(builder: Builder, ragged: ModuleType) -> None:
    order, ends = sorting([2, 0, 3, 0, 1])
    x, weight, bias = (drawn(*n).float().requires_grad_() for n in ((3, 40), (5, 7, 40), (5, 7)))
    torch.library.opcheck(ragged._expert_linear, (x, weight, bias, order, ends, 2))
    rows = drawn(6, 40).float().requires_grad_()
    torch.library.opcheck(ragged._expert_linear, (rows, weight, None, order, ends, 0))
    grad = torch.ones(6, 7)
    torch.library.opcheck(ragged._expert_linear_back, (grad, weight.detach(), order, ends, 2))
    torch.library.opcheck(ragged._expert_outer, (grad, x.detach(), order, ends, 2))
    torch.library.opcheck(ragged._expert_sums, (grad, order, ends, 2))
    combining = module(builder, RAGGED, "kernels.combine")
    y, weights = drawn(6, 40).float().requires_grad_(), drawn(3, 2).float().requires_grad_()
    torch.library.opcheck(combining._combine, (y, weights))
    grads = (torch.ones(3, 40), y.detach(), weights.detach())
    torch.library.opcheck(combining._combine_grads, grads)


def test_autocast_chooses_the_type_of_both_maps(ragged: ModuleType) -> None:
    """As of any product: float32 would be many times slower."""
    order, ends = sorting([2, 0, 3, 0, 1])
    x, weight, bias = (drawn(*n).float().requires_grad_() for n in ((3, 40), (5, 40, 40), (5, 40)))
    with torch.autocast("cpu", torch.float16):
        rows = ragged.to_rows(x, weight, bias, order, ends, 2)
        pairs = ragged.to_pairs(rows.float(), weight, None, order, ends)
    assert rows.dtype == pairs.dtype == torch.float16
    pairs.float().sum().backward()
    assert all(given.grad.dtype == torch.float32 for given in (x, weight, bias))


def test_twenty_shapes_share_their_binaries(
    even: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(even, "launch", lambda *_, **__: None)
    seen, known = launches(even, monkeypatch), {v.name for v in binaries(even)}
    weight = torch.ones(5, 128, 128, dtype=torch.float16, requires_grad=True)
    for tokens in (1, 2, 5, 7, 8, 16, 20, 23, 25, 26, 27, 31, 32, 33, 40, 45, 50, 64, 100, 150):
        order, ends = sorting([tokens, 0, tokens, 0, tokens])
        x = torch.ones(tokens, 128, dtype=torch.float16, requires_grad=True)
        even.to_rows(x, weight, order, ends, 3).sum().backward()
    assert len(seen) == 60
    assert len(set(seen)) == 5
    assert {f"experts_5x128x128_rows_{rows}" for rows in (16, 64, 128)} <= known


def test_the_model_calls_them_and_agrees(
    builder: Builder, ragged: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    package, seen = builder.load(RAGGED), launches(ragged, monkeypatch)
    summed = launches(module(builder, RAGGED, "kernels.combine"), monkeypatch)
    torch.manual_seed(0)
    model, tokens = package.Model(), torch.arange(10).view(2, 5)
    found = gradients(model, tokens)
    assert len(seen) == 20
    assert len(summed) == 4
    monkeypatch.setattr(module(builder, RAGGED, "kernels"), "running", "reference")
    for kernel, own in zip(found, gradients(model, tokens), strict=True):
        assert distance(kernel, own) < 1e-5


def gradients(model: torch.nn.Module, tokens: Tensor) -> list[Tensor]:
    model.zero_grad()
    out = model(tokens)
    (out * drawn(*out.shape).float()).sum().backward()
    return [out.detach(), *(p.grad.clone() for p in model.parameters())]
