"""A built package, imported as often as it is needed: with its kernels, and without.

Beside the folder of a package lies a JSON file of the same name with what its code does not say:

name, package    the model's name, and the folder's
kind             "decoder", "encoder" or "pair"
head             whether it gives logits; with a decoder, whether it has a loss
encodes, sparse  whether it reads a source of tokens, and whether it has experts
vocab_size, hidden_size, context_length, parameters
read_share       the share of the parameters that one token reads
brief, barred, sections, transformers
                 where the package stands among others: whether it is measured at fewer sizes, and
                 counts for the whole model's bars; what is run of it; the same model elsewhere
attention        for each set of attention kernels, the fields of its shape and its `entry` point
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

WIDE = {torch.float32: 2e-5, torch.float16: 2.0**-10, torch.bfloat16: 2.0**-7}
"""What a result may be off by, relative to its norm, however exact PyTorch's operators are."""


@dataclass(frozen=True)
class Package:
    """The package in `folder`, imported under a `name` of its own."""

    folder: Path
    name: str
    facts: dict[str, Any]

    @property
    def top(self) -> Any:
        """The package itself."""
        return sys.modules[self.name]

    def module(self, name: str) -> Any:
        """One of its modules; raises ImportError."""
        return importlib.import_module(f"{self.name}.{name}")

    def has(self, name: str) -> bool:
        """Whether it has a module of that name."""
        return (self.folder / f"{name.replace('.', '/')}.py").exists()

    @property
    def decodes(self) -> bool:
        """Whether it reads one token after the other, alone."""
        return self.facts["kind"] == "decoder"

    @property
    def trains(self) -> bool:
        """Whether it has a loss, of a text alone."""
        return self.decodes and self.facts["head"]

    @contextmanager
    def layers(self, kinds: list[Any]) -> Generator[None]:
        """As if these were the layers of the model."""
        model = self.module("model")
        whole, model.LAYERS = model.LAYERS, kinds
        try:
            yield
        finally:
            model.LAYERS = whole

    def schedule(self) -> list[Any]:
        """The class of each layer."""
        return list(self.module("model").LAYERS)

    def kinds(self) -> list[Any]:
        """The shortest start of the schedule with every class of layer in it."""
        schedule = self.schedule()
        return schedule[: 1 + max(schedule.index(kind) for kind in set(schedule))]

    def model(self, dtype: torch.dtype, place: torch.device, seed: int = 0) -> nn.Module:
        """A model with drawn weights, large enough that mistakes show."""
        before = torch.get_default_dtype()
        torch.set_default_dtype(dtype)
        torch.manual_seed(seed)
        try:
            with place:
                made: nn.Module = self.top.Model()
        finally:
            torch.set_default_dtype(before)
        roughen(made)
        return made.eval()


def load(folder: Path, kernels: bool = True) -> Package:
    """Import the package in `folder`; without `kernels` it keeps to PyTorch's operators."""
    facts = json.loads(folder.with_suffix(".json").read_text(encoding="utf-8"))
    name = folder.name + ("" if kernels else "_reference")
    made = Package(folder, name, facts)
    if name in sys.modules:
        return made
    places = [str(folder)]
    spec = importlib.util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=places
    )
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    if made.has("kernels.launch") and not kernels:
        made.module("kernels").running = "reference"
    return made


@torch.no_grad()
def roughen(model: nn.Module) -> None:
    """Matrices that keep the size of what they multiply, and norms and biases that differ."""
    for parameter in model.parameters():
        if parameter.ndim > 1:
            parameter.normal_(std=parameter.shape[-1] ** -0.5)
        elif parameter.is_floating_point():
            parameter.add_(torch.randn_like(parameter), alpha=0.05)


def distance(found: Tensor, truth: Tensor) -> float:
    """‖found − truth‖ / ‖truth‖; infinite where a number is none."""
    truth = truth.double()
    off = (found.double() - truth).norm() / truth.norm().clamp(min=1e-30)
    return float(off) if bool(torch.isfinite(off)) else float("inf")


def close(found: float, plain: float, dtype: torch.dtype) -> bool:
    """Whether an error is at most twice that of PyTorch's operators, or a few roundings."""
    return found <= max(2 * plain, WIDE[dtype])
