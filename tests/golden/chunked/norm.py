# Built by archspec 0.1.0 from chunked.yaml; edit the spec and build again.
"""The norms of chunked that PyTorch lacks, or computes slowly on a CPU."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .kernels import use_kernels
from .plain import is_plain


class RMSNorm(nn.Module):
    """x / sqrt(mean(x²) + eps) · weight."""

    center = 0.0

    def __init__(self, width: int, eps: float):
        super().__init__()
        self.eps, self.share = eps, 1 / width
        self.floor = torch.tensor(eps, dtype=torch.float32, device="cpu")  # as addcmul takes it
        self.weight = nn.Parameter(torch.empty(width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.ones_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight
        if use_kernels(x, weight):
            from .kernels import norm as norm_kernels

            return norm_kernels.rms_norm(x, weight, self.eps, self.center)
        if x.is_cpu and x.dtype == torch.float32:
            # There F.rms_norm is a chain of a dozen small operators; these five say the same.
            norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True)  # (…, 1)
            scale = torch.addcmul(self.floor, norm, norm, value=self.share).rsqrt()
            return x * scale * weight
        return F.rms_norm(x, weight.shape, weight, self.eps)


def add_norm(x: Tensor, y: Tensor, norm: RMSNorm) -> tuple[Tensor, Tensor]:
    """x + y, and the norm of that: in one pass on a GPU."""
    if is_plain(norm, RMSNorm) and use_kernels(x, y, norm.weight):
        from .kernels import norm as norm_kernels

        return norm_kernels.add_norm(x, y, norm.weight, norm.eps, norm.center)
    x = x + y
    return x, norm(x)
