# Built by archspec 0.1.0 from block-sparse.yaml; edit the spec and build again.
"""`python -m block_sparse.selftest`: does this package do what it says on this machine?

Attention is compared with its definition in float64.
Each kind of layer is compared with itself: a text at once, and token by token.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from . import attend
from .launch import use_kernels
from .model import DenseLayer, StripedLayer
from .step import make_step

TOKENS = 841


def definition(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    scale: float,
    blocks: tuple[int, int, int, int | None, int] | None = None,
) -> Tensor:
    """Attention written out: softmax over (q · k) · scale of what each token may see."""
    group = q.shape[1] // k.shape[1]
    q, k, v = q.double(), k.double(), v.double()
    scores = q @ k.repeat_interleave(group, dim=1).mT * scale
    index = torch.arange(q.shape[2], device=q.device)
    distance = index[:, None] - index
    hidden = distance < 0
    if blocks is not None:
        size, local, first, stride, shift = blocks
        block = index // size
        head = torch.arange(q.shape[1], device=q.device)[:, None, None] // group
        far = block >= first
        if stride is not None:
            far = far & ((block + 1 + shift * head) % stride != 0)
        hidden = hidden | (far & (block[:, None] - block >= local))
    scores = scores.masked_fill(hidden, float("-inf"))
    weights = scores.softmax(dim=-1)
    return weights @ v.repeat_interleave(group, dim=1)


def check_attention() -> float:
    """The largest difference between the attention used here and its definition."""
    worst = 0.0
    q = torch.randn(1, 4, TOKENS, 32)
    k = torch.randn(1, 2, TOKENS, 32)
    v = torch.randn(1, 2, TOKENS, 32)
    out = attend.attend_causal(q, k, v, 0, None, scale=0.1767766952966369)
    want = definition(q, k, v, 0.1767766952966369)
    worst = max(worst, (out - want).abs().max().item())
    if use_kernels(q, k, v):
        from . import attention_operators as kernels

        out = kernels.causal(q, k, v, None, None)
        worst = max(worst, (out - want).abs().max().item())
    q = torch.randn(1, 4, TOKENS, 32)
    k = torch.randn(1, 2, TOKENS, 32)
    v = torch.randn(1, 2, TOKENS, 32)
    out = attend.attend_block_sparse(
        q, k, v, 0, None, size=64, local=4, first=1, stride=8, shift=4, scale=0.1767766952966369
    )
    want = definition(q, k, v, 0.1767766952966369, blocks=(64, 4, 1, 8, 4))
    worst = max(worst, (out - want).abs().max().item())
    if use_kernels(q, k, v):
        from . import attention_operators as kernels

        out = kernels.block_sparse(q, k, v, None, None)
        worst = max(worst, (out - want).abs().max().item())
    return worst


@torch.no_grad()
def check_decoding(layer: DenseLayer | StripedLayer) -> float:
    """The largest difference between a layer's two ways to read the same text."""
    roughen(layer)
    x = torch.randn(2, TOKENS, 128)
    whole = layer(x, make_step(0, TOKENS, None, x), None)
    read = TOKENS - 8
    cache = layer.new_cache(2, TOKENS, x)
    parts = [layer(x[:, :read], make_step(0, read, None, x), cache)]
    for t in range(read, TOKENS):
        parts.append(layer(x[:, t : t + 1], make_step(t, 1, None, x), cache))
    return (torch.cat(parts, dim=1) - whole).abs().max().item()


def roughen(layer: nn.Module) -> None:
    """Weights large enough that mistakes show."""
    for parameter in layer.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=parameter.shape[-1] ** -0.5)


def main() -> int:
    """Run every check and print its largest difference; 0 when all are small."""
    torch.manual_seed(0)
    checks = {"attention": check_attention()}
    for kind in [DenseLayer, StripedLayer]:
        checks[kind.__name__] = check_decoding(kind())
    for name, difference in checks.items():
        print(f"{'ok' if difference < 1e-4 else 'WRONG':6}{name}: {difference:.1e}")
    return 0 if all(difference < 1e-4 for difference in checks.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
