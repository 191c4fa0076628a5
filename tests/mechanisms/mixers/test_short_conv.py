"""The convolution over time against its definition, wherever padding stands and texts are cut."""

from __future__ import annotations

from types import ModuleType

import pytest
import torch
from conftest import Builder
from padded import read_padded
from torch import Tensor, nn

SPEC = """archspec: 1
name: tiny
vocab_size: 16
hidden_size: 8
context_length: 32
blocks:
  only: {mixer: {type: short_conv, channels: 6, conv: 4, bias: true}}
layers: 2 x only
head: {tied: true}
"""
WIDTH, CHANNELS, TOKENS = 4, 6, 13

PADDINGS = {
    "none": ["1111111111111", "1111111111111"],
    "left": ["0001111111111", "1111111111111"],
    "right": ["1111111110000", "1111111111110"],
    "middle": ["1110011011111", "1111110000011"],
    "everywhere": ["0100110001100", "0011010100110"],
    "fewer than the width": ["0000010000100", "1000000000000"],
    "no token": ["0000000000000", "1111111111111"],
}
SPLITS = [[13], [1] * 13, [5, 8], [1, 12], [12, 1], [2, 3, 1, 1, 6], [6, 1, 1, 5]]


@pytest.fixture
def package(builder: Builder) -> ModuleType:
    return builder.load(SPEC)


def made(package: ModuleType, dtype: torch.dtype) -> nn.Module:
    torch.manual_seed(0)
    conv = package.gated_conv.ShortConv(CHANNELS, WIDTH, bias=True).to(dtype)
    with torch.no_grad():
        for parameter in conv.parameters():
            parameter.normal_()
    return conv


def mask(rows: list[str]) -> Tensor:
    return torch.tensor([[character == "1" for character in row] for row in rows])


def definition(conv: nn.Module, x: Tensor, real: Tensor) -> Tensor:
    """Each text's real tokens alone, sum by sum; zero where there is padding."""
    weight, bias = conv.weight.double()[:, 0], conv.bias.double()  # (C, width), (C)
    rows: list[Tensor] = []
    for text, kept in zip(x.double(), real, strict=True):
        tokens = text[kept]
        sums = [
            bias
            + sum(
                weight[:, WIDTH - 1 - back] * tokens[t - back] for back in range(min(t + 1, WIDTH))
            )
            for t in range(len(tokens))
        ]
        full = torch.zeros_like(text)
        rows.append(full.index_put((kept.nonzero()[:, 0],), torch.stack(sums)) if sums else full)
    return torch.stack(rows)


def read(package: ModuleType, conv: nn.Module, x: Tensor, padding: Tensor | None, split: list[int]):
    """The outputs of the parts of a text, and the tail after them."""
    tail = x.new_zeros(x.shape[0], WIDTH - 1, CHANNELS)
    return read_padded(package, conv, x, padding, split, tail), tail


@pytest.mark.parametrize("rows", PADDINGS.values(), ids=PADDINGS)
@pytest.mark.parametrize("split", SPLITS, ids=str)
@torch.no_grad()
def test_equals_its_definition(package: ModuleType, rows: list[str], split: list[int]) -> None:
    conv, real = made(package, torch.float64), mask(rows)
    x = torch.randn(2, TOKENS, CHANNELS, dtype=torch.float64)
    found, tail = read(package, conv, x, real, split)
    torch.testing.assert_close(found[real], definition(conv, x, real)[real])
    for text, kept, last in zip(x, real, tail, strict=True):
        before = torch.zeros(WIDTH - 1, CHANNELS, dtype=x.dtype)
        torch.testing.assert_close(last, torch.cat((before, text[kept]))[1 - WIDTH :])


@pytest.mark.parametrize("split", SPLITS, ids=str)
@torch.no_grad()
def test_without_padding_it_needs_no_mask(package: ModuleType, split: list[int]) -> None:
    conv, x = made(package, torch.float64), torch.randn(2, TOKENS, CHANNELS, dtype=torch.float64)
    found, _ = read(package, conv, x, None, split)
    everything = torch.ones(2, TOKENS, dtype=torch.bool)
    torch.testing.assert_close(found, definition(conv, x, everything))


@torch.no_grad()
def test_without_a_cache_it_starts_from_nothing(package: ModuleType) -> None:
    conv, x = made(package, torch.float64), torch.randn(2, TOKENS, CHANNELS, dtype=torch.float64)
    for rows in PADDINGS.values():
        found = read_padded(package, conv, x, mask(rows), [TOKENS], None)
        want = definition(conv, x, mask(rows))
        torch.testing.assert_close(found[mask(rows)], want[mask(rows)])


@pytest.mark.parametrize(
    ("dtype", "near"),
    [(torch.bfloat16, 6e-2), (torch.float16, 1e-2), (torch.float32, 1e-5)],
    ids=["bf16", "fp16", "fp32"],
)
@pytest.mark.parametrize("rows", [PADDINGS["none"], PADDINGS["everywhere"]], ids=["plain", "mask"])
@torch.no_grad()
def test_shorter_types(
    package: ModuleType, rows: list[str], dtype: torch.dtype, near: float
) -> None:
    conv, real = made(package, dtype), mask(rows)
    x = torch.randn(2, TOKENS, CHANNELS).to(dtype)
    found, tail = read(package, conv, x, real, [5, 1, 7])
    assert found.dtype == tail.dtype == dtype
    torch.testing.assert_close(
        found[real].double(), definition(conv, x, real)[real], atol=near, rtol=near
    )


@pytest.mark.parametrize("rows", PADDINGS.values(), ids=PADDINGS)
def test_gradients_are_those_of_the_definition(package: ModuleType, rows: list[str]) -> None:
    conv, real = made(package, torch.float64), mask(rows)
    x = torch.randn(2, TOKENS, CHANNELS, dtype=torch.float64, requires_grad=True)
    target = torch.randn(2, TOKENS, CHANNELS, dtype=torch.float64)
    inputs = [x, conv.weight, conv.bias]
    out = read_padded(package, conv, x, real, [TOKENS], None)
    found = torch.autograd.grad((out * target)[real].sum(), inputs)
    want = torch.autograd.grad((definition(conv, x, real) * target)[real].sum(), inputs)
    for one, other in zip(found, want, strict=True):
        torch.testing.assert_close(one, other)
    assert not found[0][~real].any(), "padding moves nothing"


@pytest.mark.parametrize("rows", [PADDINGS["none"], PADDINGS["everywhere"]], ids=["plain", "mask"])
@torch.no_grad()
def test_compiles_in_one_piece(package: ModuleType, rows: list[str]) -> None:
    conv, real = made(package, torch.float32), mask(rows)
    x = torch.randn(2, TOKENS, CHANNELS)
    torch.compiler.reset()
    compiled = torch.compile(conv, fullgraph=True, backend="aot_eager")
    want, tail = read(package, conv, x, real, [7, 5, 1])
    found, compiled_tail = read(package, compiled, x, real, [7, 5, 1])
    torch.testing.assert_close(found, want)
    torch.testing.assert_close(compiled_tail, tail)


@pytest.mark.parametrize("rows", PADDINGS.values(), ids=PADDINGS)
@torch.no_grad()
def test_a_model_of_it_reads_padded_texts_as_the_texts_alone(
    package: ModuleType, rows: list[str]
) -> None:
    torch.manual_seed(0)
    model = package.Model().double()
    for parameter in model.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.3)
    ids, real = torch.randint(16, (2, TOKENS + 4)), mask(rows)
    cache = model.new_cache(2, TOKENS + 4)
    parts = [model(ids[:, :TOKENS], attention_mask=real.long(), cache=cache)]
    parts += [model(ids[:, t : t + 1], cache=cache) for t in range(TOKENS, TOKENS + 4)]
    found = torch.cat(parts, dim=1)
    for text, out, kept in zip(ids, found, real, strict=True):
        kept = torch.cat((kept, torch.ones(4, dtype=torch.bool)))
        torch.testing.assert_close(out[kept], model(text[kept][None])[0])
