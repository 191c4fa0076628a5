"""Each example checks, draws, builds, learns to copy, and decodes as it prefills."""

from __future__ import annotations

from types import ModuleType

import pytest
import torch
from conftest import ROOT, Builder
from reading import Reading
from torch import Tensor, nn

import archspec
from archspec.architecture.model import Architecture
from archspec.draw import dot
from archspec.language.source import parse
from archspec.numbers.analysis import analyse
from archspec.numbers.shrink import shrink

PATHS = sorted((ROOT / "examples").glob("*.yaml"))
STEPS, BATCH, WORDS = 50, 16, 8
PERIOD, REPEATS = 4, 6  # the period fits the smallest window that `shrink` gives


class Example:
    """An example as written, and its package at toy size."""

    def __init__(self, text: str, name: str, builder: Builder):
        self.written: Architecture = archspec.loads(text, name)
        small = shrink(parse(text, name))
        self.small: Architecture = archspec.loads(small)
        self.package: ModuleType = builder.load(small)
        self.reading = Reading(self.small)


@pytest.fixture(scope="module", params=PATHS, ids=lambda path: path.stem)
def example(request: pytest.FixtureRequest, builder: Builder) -> Example:
    return Example(request.param.read_text(encoding="utf-8"), request.param.name, builder)


def texts(generator: torch.Generator) -> Tensor:
    """Texts (B, T) that repeat their first few tokens."""
    pattern = torch.randint(WORDS, (BATCH, PERIOD), generator=generator)
    return pattern.repeat(1, REPEATS)


def copying_loss(example: Example, model: nn.Module, tokens: Tensor) -> Tensor:
    """How surprising the repetitions are; for an encoder, a hidden part of the text."""
    labels = tokens.clone()
    if example.small.is_causal:
        labels[:, :PERIOD] = -100
        return model(**example.reading.inputs(tokens), labels=example.reading.labels(labels))
    hidden = tokens.clone()
    hidden[:, PERIOD : 2 * PERIOD] = WORDS  # a word of its own marks what is hidden
    logits = model(hidden) @ model.embed_tokens.weight.t()
    part = slice(PERIOD, 2 * PERIOD)
    return nn.functional.cross_entropy(logits[:, part].flatten(0, 1), tokens[:, part].flatten())


def test_it_checks_and_draws(example: Example) -> None:
    figure = dot(example.written)
    assert all(block.name in figure for block in example.written.blocks)


def test_its_parameters_are_those_of_the_model(example: Example) -> None:
    """As `sum(p.numel() for p in model.parameters())` counts."""
    with torch.device("meta"):
        model = example.package.Model()
    found = analyse(example.small).parameters
    assert found.total == sum(p.numel() for p in model.parameters())


def test_it_learns_to_copy(example: Example) -> None:
    """In so few steps, at least which words occur; most examples learn to look back as well."""
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    model = example.package.Model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
    losses: list[float] = []
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = 4e-3 * min(1.0, (step + 1) / 10)
        loss = copying_loss(example, model, texts(generator))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    first, last = sum(losses[:5]) / 5, sum(losses[-5:]) / 5
    print(f"loss {first:.3f} → {last:.3f}")
    assert last < first / 2


@torch.no_grad()
def test_it_decodes_as_it_prefills(example: Example) -> None:
    if not example.small.is_causal:
        pytest.skip("an encoder keeps nothing between calls")
    torch.manual_seed(0)
    model = example.package.Model().eval()
    for parameter in model.parameters():
        scale = parameter.shape[-1] ** -0.5 if parameter.ndim > 1 else 0.1
        parameter.add_(torch.randn_like(parameter) * scale)
    tokens = torch.randint(example.small.vocab_size, (2, 40))
    parts = example.reading.in_parts(model, tokens.split([21, *[1] * 19], dim=1))
    whole = model(**example.reading.inputs(tokens))
    torch.testing.assert_close(parts, whole, atol=2e-4, rtol=1e-4)
