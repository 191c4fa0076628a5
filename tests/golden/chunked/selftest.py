# Built by archspec 0.1.0 from chunked.yaml; edit the spec and build again.
"""`python -m chunked.selftest`: does this package do what it says on this machine?

Attention is compared with its definition in float64.
Each kind of layer is compared with itself: a text at once, and token by token.
Where kernels run, on a GPU or interpreted, what it gives is compared with PyTorch's operators too.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from . import attend, kernels
from .kernels import use_kernels
from .model import ChunkedLayer, ChunkedSparseLayer, FullSparseLayer
from .step import make_step

TOKENS = 73  # more than the widest window holds


def definition(q: Tensor, k: Tensor, v: Tensor, scale: float, chunk: int = TOKENS) -> Tensor:
    """Attention written out: softmax over (q · k) · scale of what each token may see."""
    group = q.shape[1] // k.shape[1]
    q, k, v = q.double(), k.double(), v.double()
    scores = q @ k.repeat_interleave(group, dim=1).mT * scale
    index = torch.arange(q.shape[2], device=q.device)
    distance = index[:, None] - index
    hidden = (distance < 0) | (index[:, None] // chunk != index // chunk)
    scores = scores.masked_fill(hidden, float("-inf"))
    weights = scores.softmax(dim=-1)
    return weights @ v.repeat_interleave(group, dim=1)


def check_attention() -> float:
    """The largest difference between the attention used here and its definition."""
    worst = 0.0
    q = torch.randn(1, 4, TOKENS, 32)
    k = torch.randn(1, 2, TOKENS, 32)
    v = torch.randn(1, 2, TOKENS, 32)
    out = attend.attend_chunked(q, k, v, 0, None, None, chunk=64, scale=0.1767766952966369)
    want = definition(q, k, v, 0.1767766952966369, chunk=64)
    worst = max(worst, (out - want).abs().max().item())
    if use_kernels(q, k, v):
        from .kernels import attention_operators as kernels

        out = kernels.chunked(q, k, v, 0, None)
        worst = max(worst, (out - want).abs().max().item())
    q = torch.randn(1, 4, TOKENS, 32)
    k = torch.randn(1, 2, TOKENS, 32)
    v = torch.randn(1, 2, TOKENS, 32)
    out = attend.attend_causal(q, k, v, 0, None, None, scale=0.1767766952966369)
    want = definition(q, k, v, 0.1767766952966369)
    worst = max(worst, (out - want).abs().max().item())
    if use_kernels(q, k, v):
        from .kernels import attention_operators as kernels

        out = kernels.causal(q, k, v, None)
        worst = max(worst, (out - want).abs().max().item())
    return worst


@torch.no_grad()
def check_decoding(layer: ChunkedLayer | ChunkedSparseLayer | FullSparseLayer) -> float:
    """The largest difference between a layer's two ways to read the same text."""
    roughen(layer)
    x = torch.randn(2, TOKENS, 128)
    whole = layer(x, make_step(0, TOKENS, None, x), None)
    read = TOKENS - 8
    cache = layer.new_cache(2, TOKENS, x)
    step = make_step(0, read, None, x)
    parts = [layer(x[:, :read], step, cache)]
    for t in range(read, TOKENS):
        step.settle()
        step = make_step(t, 1, None, x)
        parts.append(layer(x[:, t : t + 1], step, cache))
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
        apart = [(x - y).abs().max().item() for x, y in zip(given, plain, strict=True)]
        checks[f"{name}, kernels against PyTorch"] = max(apart)


def noted(check: Callable[[Any], float], layer: Any) -> tuple[float, list[Tensor]]:
    """What a check finds, and what the layer gives of its TOKENS meanwhile."""
    given: list[Tensor] = []
    hook = layer.register_forward_hook(lambda _, __, y: given.append(y[:, :TOKENS]))
    torch.manual_seed(0)
    found = check(layer)
    hook.remove()
    return found, given


def main(device: str | None = None) -> int:
    """Run every check there and print its largest difference; 0 when all are small.

    Without a device it is the GPU, or the CPU where there is none.
    """
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cudnn.allow_tf32 = False  # which is less than float32
    with torch.device(device):
        checks, said = run()
    for name, difference in checks.items():
        print(f"{'ok' if difference < 1e-4 else 'WRONG':6}{name}: {difference:.1e}")
    print(f"on {device}; kernels: {said}")
    return 0 if all(difference < 1e-4 for difference in checks.values()) else 1


def run() -> tuple[dict[str, float], str]:
    """The largest difference of each check, and what became of kernels."""
    torch.manual_seed(0)
    checks = {"attention": check_attention()}
    for kind in [ChunkedLayer, ChunkedSparseLayer, FullSparseLayer]:
        compare(checks, kind.__name__, check_decoding, kind())
    return checks, state_of_kernels()


if __name__ == "__main__":
    parser = ArgumentParser(description="Check the package on this machine.")
    parser.add_argument("--device", help="cuda where there is a GPU, or else cpu")
    raise SystemExit(main(parser.parse_args().device))
