"""Whatever valid spec is drawn, every output of it agrees with every other."""

from __future__ import annotations

import copy
import importlib
import itertools
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest
import torch
from drawing import TOKENS, specs
from hypothesis import HealthCheck, Phase, given, seed, settings
from reading import Reading
from torch import Tensor, nn

import archspec
import archspec.draw
from archspec.architecture.model import Architecture
from archspec.codegen import build
from archspec.numbers.analysis import analyse
from archspec.output.place import put_files

PARTS, EACH = 3, 50
"""Every run draws the same 150 specs, and `make attack` ten thousand others."""

SWEEP = 203
FIGURES = 5
"""One in so many has its figure laid out and drawn; all of them have it described in DOT."""

SETTINGS = settings(
    max_examples=EACH,
    deadline=None,
    database=None,
    phases=[Phase.generate, Phase.shrink] if "ARCHSPEC_SHRINK" in os.environ else [Phase.generate],
    suppress_health_check=list(HealthCheck),
    print_blob=False,
)

numbers = itertools.count()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where packages are built, on the path."""
    made = tmp_path_factory.mktemp("drawn")
    sys.path.insert(0, str(made))
    return made


@pytest.mark.parametrize("part", range(PARTS))
def test_drawn_specs(part: int, folder: Path) -> None:
    check_many(part, folder)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS, PARTS + SWEEP))
def test_sweep(part: int, folder: Path) -> None:
    check_many(part, folder)


def check_many(part: int, folder: Path) -> None:
    """`EACH` specs, the same ones in every run for the same `part`."""
    seed(part)(SETTINGS(given(specs())(lambda text: check(text, folder))))()


def check(text: str, folder: Path) -> None:
    """Check, draw, build, run, train and decode one spec."""
    number = next(numbers)
    architecture = archspec.loads(text)
    assert archspec.draw.dot(architecture).startswith("graph")
    name = f"drawn_{number}"
    write(architecture, text, folder / name, figure=number % FIGURES == 0)
    try:
        run(architecture, load(name))
    finally:
        for module in [m for m in sys.modules if m.partition(".")[0] == name]:
            del sys.modules[module]


def write(architecture: Architecture, text: str, folder: Path, figure: bool) -> None:
    """The package in `folder`, with or without the figure."""
    with pytest.MonkeyPatch.context() as patch:
        if not figure:
            patch.setattr(archspec.draw, "render", lambda *_: b"<svg/>")
        files = build(architecture, text, "spec.yaml")
    put_files(files, folder)


def load(name: str) -> ModuleType:
    """The package as a module."""
    importlib.invalidate_caches()
    return importlib.import_module(name)


def run(architecture: Architecture, package: ModuleType) -> None:
    """What the model says of itself, and what it computes."""
    model = weighted(package)
    expected = {p.name: p.shape for p in architecture.parameters()}
    found = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    assert sorted(set(found.items()) ^ set(expected.items())) == []
    tokens = torch.randint(
        architecture.vocab_size, (2, TOKENS), generator=torch.Generator().manual_seed(1)
    )
    trains(architecture, model, tokens)
    if architecture.is_causal:
        decodes(architecture, model, tokens)


def weighted(package: ModuleType) -> nn.Module:
    """The model with weights large enough that mistakes show."""
    torch.manual_seed(0)
    model = package.Model().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            scale = parameter.shape[-1] ** -0.5 if parameter.ndim > 1 else 0.1
            parameter.add_(torch.randn_like(parameter) * scale)
    return model


def trains(architecture: Architecture, model: nn.Module, tokens: Tensor) -> None:
    """Forward and backward are finite, and the loss is that of the logits.

    Cubes and squares of what no norm holds back leave float32 behind; what is wrong stays so in
    float64.
    """
    reading = Reading(architecture)
    out = model(**reading.inputs(tokens))
    narrow = next(model.parameters()).dtype == torch.float32
    if narrow and not out.isfinite().all():
        trains_in_float64(architecture, model, tokens)
        return
    assert out.isfinite().all()
    if architecture.is_causal and architecture.head:
        labels = reading.labels(tokens)
        loss = model(**reading.inputs(tokens), labels=labels)
        expected = reading.loss(model, tokens, labels)
        torch.testing.assert_close(loss, expected, atol=1e-4, rtol=1e-4, check_dtype=False)
    else:
        loss = out.square().mean()
    loss.backward()
    found = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    broken = [name for name, gradient in found.items() if not gradient.isfinite().all()]
    if broken and narrow:
        trains_in_float64(architecture, model, tokens)
    else:
        assert broken == []


def trains_in_float64(architecture: Architecture, model: nn.Module, tokens: Tensor) -> None:
    """The same with a copy of the model in float64, whose weights are half as large."""
    with float64():
        trains(architecture, halved(copy.deepcopy(model).double()), tokens)


@contextmanager
def float64() -> Iterator[None]:
    """The default type of tensors, for a while."""
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@torch.no_grad()
def halved(model: nn.Module) -> nn.Module:
    """With weights half as large.

    Five factors of a state space in each of four layers without norms leave float64 behind too.
    """
    for parameter in model.parameters():
        parameter.mul_(0.5)
    return model


@torch.no_grad()
def decodes(architecture: Architecture, model: nn.Module, tokens: Tensor) -> None:
    """A cache has the bytes that `inspect` says, and reading in parts changes nothing.

    Float32 may decide between two experts by its rounding, or be too small a room, so what differs
    in it is measured again in float64.
    """
    reading = Reading(architecture)
    cache, source = reading.new_cache(model, 2, TOKENS), reading.source_length or None
    report = analyse(architecture, TOKENS, 2, "fp32", source).to_dict()
    assert cache.nbytes() == report["cache"]["bytes"]
    difference = decoding_error(reading, model, tokens)
    if math.isnan(difference) or difference > 2e-4:
        with float64():
            difference = decoding_error(reading, model.double(), tokens)
            if math.isnan(difference):
                difference = decoding_error(reading, halved(model), tokens)
    assert difference < 2e-4


def decoding_error(reading: Reading, model: nn.Module, tokens: Tensor) -> float:
    """The largest difference between a text at once and in parts, beside its largest number."""
    whole = model(**reading.inputs(tokens))
    pieces = tokens.split([11, 1, 4, *([1] * (TOKENS - 16))], dim=1)
    parts = reading.in_parts(model, pieces)
    return ((parts - whole).abs().max() / whole.abs().max().clamp(min=1)).item()
