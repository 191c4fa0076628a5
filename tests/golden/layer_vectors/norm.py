# Built by archspec 0.1.0 from layer-vectors.yaml; edit the spec and build again.
"""The norms of layer-vectors that PyTorch lacks, or computes slowly on a CPU."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .kernels import use_kernels
from .plain import is_plain


class RMSNorm(nn.Module):
    """x / sqrt(mean(x²) + eps) · weight."""

    def __init__(self, width: int, eps: float):
        super().__init__()
        self.eps = eps
        self.floor = torch.tensor(eps, dtype=torch.float32, device="cpu")  # as addcmul takes it
        self.weight = nn.Parameter(torch.empty(width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.ones_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        return rms_norm(x, self.weight, self.eps, self.floor)

    def extra_repr(self) -> str:
        return f"{len(self.weight)}, eps={self.eps}"


def rms_norm(x: Tensor, weight: Tensor, eps: float, floor: Tensor) -> Tensor:
    """x / sqrt(mean(x²) + eps) · weight: (…, W), (W,) → (…, W); `floor` is eps as a tensor."""
    if use_kernels(x, weight):
        from .kernels import norm

        return norm.rms_norm(x, weight, eps)
    if x.is_cpu and x.dtype == torch.float32:
        # There F.rms_norm is a chain of a dozen small operators; these five say the same.
        length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)  # (…, 1)
        scale = torch.addcmul(floor, length, length, value=1 / x.shape[-1]).rsqrt()
        return x * scale * weight
    return F.rms_norm(x, weight.shape, weight, eps)


def add_norm(x: Tensor, y: Tensor, norm: RMSNorm) -> tuple[Tensor, Tensor]:
    """x + y, and the norm of that: in one pass on a GPU."""
    if is_plain(norm, RMSNorm) and use_kernels(x, y, norm.weight):
        from .kernels import norm as kernels

        return kernels.add_norm(x, y, norm.weight, norm.eps)
    x = x + y
    return x, norm(x)
