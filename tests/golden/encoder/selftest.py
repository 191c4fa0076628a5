# Built by archspec 0.1.0 from encoder.yaml; edit the spec and build again.
"""`python -m encoder.selftest`: does this package do what it says on this machine?

Attention is compared with its definition in float64.
Each kind of layer is compared with itself: a text alone, and with padding.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from . import attend
from .launch import use_kernels
from .model import Layer
from .step import make_step

TOKENS = 33


def definition(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    """Attention written out: softmax over (q · k) · scale of what each token may see."""
    group = q.shape[1] // k.shape[1]
    q, k, v = q.double(), k.double(), v.double()
    scores = q @ k.repeat_interleave(group, dim=1).mT * scale
    weights = scores.softmax(dim=-1)
    return weights @ v.repeat_interleave(group, dim=1)


def check_attention() -> float:
    """The largest difference between the attention used here and its definition."""
    worst = 0.0
    q = torch.randn(1, 6, TOKENS, 16)
    k = torch.randn(1, 6, TOKENS, 16)
    v = torch.randn(1, 6, TOKENS, 16)
    out = attend.attend_bidirectional(q, k, v, None, scale=0.25)
    want = definition(q, k, v, 0.25)
    worst = max(worst, (out - want).abs().max().item())
    if use_kernels(q, k, v):
        from . import attention_operators as kernels

        out = kernels.bidirectional(q, k, v, None)
        worst = max(worst, (out - want).abs().max().item())
    return worst


@torch.no_grad()
def check_reading(layer: Layer) -> float:
    """The largest difference between a text alone and the same text with padding behind it."""
    roughen(layer)
    x = torch.randn(2, TOKENS, 96)
    whole = layer(x, make_step(0, TOKENS, None, x))
    padding = torch.arange(TOKENS + 3).expand(2, -1) < TOKENS
    padded = torch.cat((x, torch.randn(2, 3, 96)), dim=1)
    out = layer(padded, make_step(0, TOKENS + 3, padding, x))
    return (out[:, :TOKENS] - whole).abs().max().item()


def roughen(layer: nn.Module) -> None:
    """Weights large enough that mistakes show."""
    for parameter in layer.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=parameter.shape[-1] ** -0.5)


def main() -> int:
    """Run every check and print its largest difference; 0 when all are small."""
    torch.manual_seed(0)
    checks = {"attention": check_attention()}
    for kind in [Layer]:
        checks[kind.__name__] = check_reading(kind())
    for name, difference in checks.items():
        print(f"{'ok' if difference < 1e-4 else 'WRONG':6}{name}: {difference:.1e}")
    return 0 if all(difference < 1e-4 for difference in checks.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
