# Built by archspec 0.1.0 from encoder.yaml; edit the spec and build again.
"""`python -m encoder.selftest`: does this package do what it says on this machine?

Attention is compared with its definition in float64, as the layers call it.
Each kind of layer is compared with itself: a text alone, and with padding.
Where kernels run, on a GPU or interpreted (TRITON_INTERPRET=1), its values and its gradients are
compared with those of PyTorch's operators too.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from . import attention, kernels
from .attend import definition
from .model import Layer
from .step import make_step

TOKENS = 33


@contextmanager
def watched_attention() -> Iterator[list[float]]:
    """A list of how far what attention gives of whole texts is from its definition."""
    apart: list[float] = []
    modules = (attention,)
    names = ("attend_bidirectional",)
    kept = [(m, name, getattr(m, name)) for m in modules for name in names if hasattr(m, name)]
    for module, name, function in kept:
        setattr(module, name, compared(function, apart))
    try:
        yield apart
    finally:
        for module, name, function in kept:
            setattr(module, name, function)


def compared(function: Callable[..., Tensor], apart: list[float]) -> Callable[..., Tensor]:
    """A function of attend.py that is compared with the definition, by what it is called with."""

    def compare_with_definition(q: Tensor, k: Tensor, v: Tensor, step: Any, **given: Any) -> Tensor:
        out = found = function(q, k, v, step, **given)
        if q.shape[2] == TOKENS:
            want = definition(q, k, v, **given)
            apart.append((found - want).abs().max().item())
        return out

    return compare_with_definition


@torch.no_grad()
def check_reading(layer: Layer) -> float:
    """The largest difference between a text alone and the same text with padding behind it."""
    roughen(layer)
    x = torch.randn(2, TOKENS, 96)
    whole = layer(x, make_step(0, TOKENS, None, x))
    real = torch.arange(TOKENS + 3).expand(2, -1) < TOKENS
    padded = torch.cat((x, torch.randn(2, 3, 96)), dim=1)
    out = layer(padded, make_step(0, TOKENS + 3, real, x))
    return (out[:, :TOKENS] - whole).abs().max().item()


def roughen(layer: nn.Module) -> None:
    """Weights large enough that mistakes show."""
    for parameter in layer.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=parameter.shape[-1] ** -0.5)


def kernels_run() -> bool:
    """Whether kernels run on the device of the checks."""
    return kernels.use_kernels(torch.empty(0))


def state_of_kernels() -> str:
    """What became of them, in words."""
    if kernels_run():
        return "compared with PyTorch's operators"
    return "not run, no GPU" if not torch.cuda.is_available() else "not run"


def compare(checks: dict[str, float], name: str, check: Callable[[Any], float], layer: Any) -> None:
    """A check of a layer; where kernels run, also what it gives with them and without."""
    checks[name], given = noted(check, layer)
    if kernels_run():
        with kernels.mode("reference"):
            _, plain = noted(check, layer)
        for what, own in given.items():
            apart = [difference(x, y) for x, y in zip(own, plain[what], strict=True)]
            checks[f"{name}, {what} of kernels against PyTorch"] = max(apart)


def noted(check: Callable[[Any], float], layer: Any) -> tuple[float, dict[str, list[Tensor]]]:
    """What a check finds, what the layer gives of its TOKENS, and the gradients of its first call."""
    calls: list[Any] = []
    values: list[Tensor] = []

    def note(_: Any, inputs: Any, y: Tensor) -> None:
        calls.append(inputs)
        values.append(y[:, :TOKENS])

    hook = layer.register_forward_hook(note)
    torch.manual_seed(0)
    found = check(layer)
    hook.remove()
    x, *more = calls[0]
    x = x.clone().requires_grad_()
    with torch.enable_grad():
        y = layer(x, *more)
        learned = [x, *(p for p in layer.parameters() if p.requires_grad)]
        total = (y * torch.randn_like(y)).sum()
        gradients = torch.autograd.grad(total, learned, allow_unused=True)
    return found, {"values": values, "gradients": [g for g in gradients if g is not None]}


def difference(x: Tensor, y: Tensor) -> float:
    """The largest, beside the largest number where that is above one; infinite where one is none."""
    if y.numel() == 0:
        return 0.0
    apart = (x - y).abs().max() / y.abs().max().clamp(min=1.0)
    return apart.item() if apart.isfinite() else float("inf")


def main(device: str | None = None) -> int:
    """Run every check there and print its largest difference; 0 when all are small.

    Without a device it is the GPU, or the CPU where there is none.
    """
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cudnn.allow_tf32 = False  # which is less than float32
    interpreted = kernels.INTERPRETER and device == "cpu" and kernels.running == "auto"
    with torch.device(device), kernels.mode("interpret" if interpreted else kernels.running):
        checks, said = run()
    for name, difference in checks.items():
        print(f"{'ok' if difference < 1e-4 else 'WRONG':6}{name}: {difference:.1e}")
    print(f"on {device}; kernels: {said}")
    return 0 if all(difference < 1e-4 for difference in checks.values()) else 1


def run() -> tuple[dict[str, float], str]:
    """The largest difference of each check, and what became of kernels."""
    torch.manual_seed(0)
    checks: dict[str, float] = {}
    with watched_attention() as apart:
        check_layers(checks)
    checks = {"attention": max(apart)} | checks
    return checks, state_of_kernels()


def check_layers(checks: dict[str, float]) -> None:
    """Compare each kind of layer with itself."""
    for kind in [Layer]:
        compare(checks, kind.__name__, check_reading, kind())


if __name__ == "__main__":
    parser = ArgumentParser(description="Check the package on this machine.")
    parser.add_argument("--device", help="cuda where there is a GPU, or else cpu")
    raise SystemExit(main(parser.parse_args().device))
