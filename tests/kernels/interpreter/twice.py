"""A built model, held against itself: with kernels it gives what it gives without them."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pytest
import torch
from conftest import Builder
from measure import drawn
from reading import Reading
from torch import Tensor, nn

import archspec


class Twice(Reading):
    """The model of a spec's text, with weights that are large enough to show a mistake."""

    def __init__(self, text: str, builder: Builder, monkeypatch: pytest.MonkeyPatch):
        super().__init__(archspec.loads(text))
        self.package = builder.load(text)
        torch.manual_seed(0)
        self.model: nn.Module = self.package.Model()
        with torch.no_grad():
            for parameter in self.model.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.1)
        self.monkeypatch = monkeypatch

    def module(self, name: str) -> Any:
        """A file of the package."""
        return importlib.import_module(f"{self.package.__name__}.{name}")

    def agrees(self, call: Callable[[], list[Tensor]]) -> None:
        """What `call` gives is the same with kernels and without: 1e-5 of the largest number."""
        found = call()
        self.monkeypatch.setattr(self.module("kernels"), "running", "reference")
        wanted = call()
        largest = max(float(own.abs().max()) for own in wanted)
        for kernel, own in zip(found, wanted, strict=True):
            assert (kernel - own).abs().max() < 1e-5 * largest

    def launched(self) -> list[str]:
        """A list that fills with the kernels that attention launches."""
        names: list[str] = []
        operators = self.module("kernels.attention_operators")
        launch = operators.launch

        def noting(kernel: Any, *given: Any, **more: Any) -> None:
            names.append(kernel.__name__)
            launch(kernel, *given, **more)

        self.monkeypatch.setattr(operators, "launch", noting)
        return names

    def gradients(self, result: Tensor) -> list[Tensor]:
        """Of every parameter that has one."""
        self.model.zero_grad()
        result.backward()
        return [p.grad.clone() for p in self.model.parameters() if p.grad is not None]

    def learned(self, tokens: Tensor, mask: Tensor | None = None, **more: Tensor) -> list[Tensor]:
        """The logits of real tokens, and the gradients of a sum of them."""
        logits = self.model(**self.inputs(tokens, mask), **more)
        logits = logits if mask is None else logits[mask.bool()]
        return [logits.detach(), *self.gradients((logits * drawn(*logits.shape).float()).sum())]

    @torch.no_grad()
    def goes_on(self, tokens: Tensor, mask: Tensor | None, sizes: list[int]) -> list[Tensor]:
        """The logits of a text's real tokens, and of so many after it in each call."""
        cache = self.new_cache(self.model, tokens.shape[0], tokens.shape[1] + sum(sizes))
        first = self.model(tokens, attention_mask=mask, cache=cache)
        first = first if mask is None else first[mask.bool()]
        return [first, *(self.model(tokens[:, :size], cache=cache) for size in sizes)]

    def stays_whole(self, **given: Tensor) -> None:
        """torch.compile finds one graph in a call, which gives the same."""
        compiled = torch.compile(self.model, fullgraph=True, backend="aot_eager")
        found, wanted = compiled(**given), self.model(**given)
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)
