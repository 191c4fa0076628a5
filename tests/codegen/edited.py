"""Runs edited packages for test_hand_edits.py, in a process where Triton interprets kernels."""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

import torch
from torch import Tensor

IDS = torch.arange(37).view(1, 37) * 7 % 32


def drawn(package: Any) -> Any:
    """A model with weights large enough that a mistake shows, the same each time."""
    torch.manual_seed(0)
    model = package.Model()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return model


def given(model: Any, mode: str, kernels: Any) -> list[Tensor]:
    """Logits of a text and of what continues it, and every gradient."""
    with kernels.mode(mode):
        model.zero_grad()
        logits = model(IDS)
        logits.square().mean().backward()
        cache = model.new_cache(1, 37)
        with torch.no_grad():
            parts = [model(part, cache=cache) for part in IDS.split([34, 1, 2], dim=1)]
        return [logits.detach(), *parts, *(p.grad.clone() for p in model.parameters())]


def result(name: str, before: str) -> dict[str, Any]:
    """How a package agrees with itself, and how it differs from what it was."""
    package, kernels = (importlib.import_module(x) for x in (name, f"{name}.kernels"))
    try:
        model = drawn(package)
        plain = given(model, "reference", kernels)
        launched: list[str] = []
        noted(importlib.import_module(f"{name}.kernels.attention_operators"), launched)
        found = given(model, "interpret", kernels)
    except (RuntimeError, ValueError) as error:
        return {"refused": f"{type(error).__name__}: {error}"}
    was = given(drawn(importlib.import_module(before)), "reference", kernels)
    return {
        "apart": max(float((x - y).abs().max()) for x, y in zip(found, plain, strict=True)),
        "changed": float((plain[0] - was[0]).abs().max()),
        "ran": launched,
        "selftest": importlib.import_module(f"{name}.selftest").main("cpu"),
    }


def noted(module: Any, launched: list[str]) -> None:
    """Have a file note the kernels that it launches."""
    launch = module.launch

    def note(kernel: Any, *given: Any, **more: Any) -> None:
        launched.append(kernel.__name__)
        launch(kernel, *given, **more)

    module.launch = note


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.path.insert(0, sys.argv[1])
    numbers = range(int(sys.argv[2]))
    print(json.dumps([result(f"after_{n}", f"before_{n}") for n in numbers]))
