# Built by archspec 0.1.0 from hybrid.yaml; edit the spec and build again.
"""`python -m hybrid.selftest`: does this package do what it says on this machine?

The delta rule is compared with its definition, values and gradients.
Experts' linear maps are compared with their definition, values and gradients.
Attention is compared with its definition in float64, as the layers call it.
Each kind of layer is compared with itself: a text at once, and token by token.
Where kernels run, on a GPU or interpreted (TRITON_INTERPRET=1), its values and its gradients are
compared with those of PyTorch's operators too.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from . import attention, conv, definitions, delta_rule, grouped, kernels
from .attend import definition
from .model import AttentionLayer, DeltaLayer
from .step import make_step

TOKENS = 133


@contextmanager
def watched_attention() -> Iterator[list[float]]:
    """A list of how far what attention gives of whole texts is from its definition."""
    apart: list[float] = []
    modules = (attention,)
    names = (
        "attend_causal",
        "attend_causal_gated_heads",
    )
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
        whole = q.shape[2] == k.shape[2] and step.start == 0 and step.real is None
        if whole:
            want = definition(q, k, v, **given)
            apart.append((found - want).abs().max().item())
        return out

    return compare_with_definition


LARGE = 1 << 24  # numbers of a tensor that is passed on as it is, and has no gradient here
DEFINITIONS: dict[tuple[Any, str], Callable[..., Any]] = {
    (delta_rule, "gated_delta_rule"): definitions.delta_rule,
    (conv.ShortConv, "forward"): definitions.short_convolution,
    (grouped, "grouped_linear"): definitions.grouped_linear,
}


class Call(NamedTuple):
    """One call of a function that has a definition, and what the function is called."""

    name: str
    function: Callable[..., Any]
    definition: Callable[..., Any]
    arguments: tuple[Any, ...]
    named: dict[str, Any]

    def apart(self) -> float:
        """The largest difference from the definition, of values and gradients.

        It is counted from the largest number where that is above one.
        """
        found = self.graded(self.function, None)
        expected = self.graded(self.definition, torch.float64)
        worst = 0.0
        for ours, theirs in zip(found, expected, strict=True):
            if not bool(ours.isfinite().all()):
                return float("inf")
            size = max(theirs.abs().max().item(), 1.0)
            worst = max(worst, (ours - theirs).abs().max().item() / size)
        return worst

    def graded(self, function: Callable[..., Any], dtype: torch.dtype | None) -> list[Tensor]:
        """What a function gives, and the gradient of a random sum of it for each input."""
        inputs: list[Tensor] = []

        def own(value: Any) -> Any:
            if isinstance(value, nn.Module):
                inputs.extend(value.parameters())
            if not isinstance(value, Tensor) or not value.is_floating_point():
                return value
            if value.numel() > LARGE:
                return value
            inputs.append(value.to(dtype or value.dtype).clone().requires_grad_())
            return inputs[-1]

        arguments = [own(x) for x in self.arguments]
        named = {name: own(x) for name, x in self.named.items()}
        torch.manual_seed(0)
        with torch.enable_grad():
            given = function(*arguments, **named)
            parts = [given] if isinstance(given, Tensor) else list(given)
            total = sum((part * torch.randn(part.shape)).sum() for part in parts)
            assert isinstance(total, Tensor)
            gradients = torch.autograd.grad(
                total, inputs, allow_unused=True, materialize_grads=True
            )
        return [x.detach() for x in (*parts, *gradients)]


@contextmanager
def noted_calls() -> Iterator[list[Call]]:
    """Meanwhile the calls of functions that have a definition, one of each shape."""
    calls: dict[Any, Call] = {}

    def kept(value: Any) -> Any:
        small = isinstance(value, Tensor) and value.numel() <= LARGE
        return value.clone() if small else value

    def noting(name: str, function: Callable[..., Any], definition: Callable[..., Any]) -> Any:
        def noted(*arguments: Any, **named: Any) -> Any:
            shapes = [x.shape for x in (*arguments, *named.values()) if isinstance(x, Tensor)]
            if (name, *shapes) not in calls:
                more = {n: kept(x) for n, x in named.items()}
                call = Call(name, function, definition, tuple(map(kept, arguments)), more)
                calls[name, *shapes] = call
            return function(*arguments, **named)

        return noted

    found: list[Call] = []
    patched: list[tuple[Any, str, Any]] = []
    modules = [m for name, m in sys.modules.items() if name.startswith(f"{__package__}.")]
    for (owner, name), written in DEFINITIONS.items():
        function = getattr(owner, name)
        users: list[Any] = [m for m in modules if vars(m).get(name) is function and m is not owner]
        if isinstance(owner, type):  # whose instances are called
            users = [owner]
        called = owner.__name__ if isinstance(owner, type) else name
        patched += [(user, name, function) for user in users]
        for user in users:
            setattr(user, name, noting(called, function, written))
    try:
        yield found
    finally:
        for user, name, function in patched:
            setattr(user, name, function)
        found += calls.values()


def compare_with_definitions(
    checks: dict[str, float], name: str, check: Callable[[Any], float], layer: Any
) -> None:
    """A check of a layer, and what it calls meanwhile beside the definitions of that."""
    with noted_calls() as calls:
        compare(checks, name, check, layer)
    for call in calls:
        called = f"{name}, {call.name} against its definition"
        checks[called] = max(call.apart(), checks.get(called, 0.0))


@torch.no_grad()
def check_decoding(layer: DeltaLayer | AttentionLayer) -> float:
    """The largest difference between a text read at once, and in parts and token by token."""
    roughen(layer)
    x = torch.randn(2, TOKENS, 128)
    whole = layer(x, make_step(0, TOKENS, None, x), None)
    cache = layer.new_cache(2, TOKENS, x)
    step = make_step(0, 8, None, x)
    parts = [layer(x[:, :8], step, cache)]
    read = 8
    for end in range(TOKENS - 8, TOKENS + 1):  # several tokens more, then each by itself
        step.settle()
        step = make_step(read, end - read, None, x)
        parts.append(layer(x[:, read:end], step, cache))
        read = end
    return (torch.cat(parts, dim=1) - whole).abs().max().item()


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
    for kind in [DeltaLayer, AttentionLayer]:
        compare_with_definitions(checks, kind.__name__, check_decoding, kind())


if __name__ == "__main__":
    parser = ArgumentParser(description="Check the package on this machine.")
    parser.add_argument("--device", help="cuda where there is a GPU, or else cpu")
    raise SystemExit(main(parser.parse_args().device))
