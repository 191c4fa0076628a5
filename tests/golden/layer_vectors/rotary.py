# Built by archspec 0.1.0 from layer-vectors.yaml; edit the spec and build again.
"""Rotary positions: each pair of dimensions turns by the token's position times its frequency."""

from __future__ import annotations

import torch
from torch import Tensor

from .kernels import use_kernels
from .norm import RMSNorm
from .plain import is_plain

Rotary = tuple[Tensor, Tensor]  # cosine and signed sine, each (B or 1, 1, T, width)


def near_rotary(positions: Tensor, dtype: torch.dtype) -> Rotary:
    """Base 10,000, 32 dimensions. (B or 1, T) → two of (B or 1, 1, T, 32)."""
    dims = torch.arange(0, 32, 2, device=positions.device, dtype=torch.float32)
    frequency = (10000.0 ** (dims / 32)).reciprocal()
    angle = positions[:, None, :, None].float() * frequency
    angle = torch.cat((-angle, angle), dim=-1)  # sin −x = −sin x
    return angle.cos().to(dtype), angle.sin().to(dtype)


def whole_rotary(positions: Tensor, dtype: torch.dtype) -> Rotary:
    """Base 1,000,000, 64 dimensions. (B or 1, T) → two of (B or 1, 1, T, 64)."""
    dims = torch.arange(0, 64, 2, device=positions.device, dtype=torch.float32)
    frequency = (1000000.0 ** (dims / 64)).reciprocal()
    angle = positions[:, None, :, None].float() * frequency
    angle = torch.cat((-angle, angle), dim=-1)  # sin −x = −sin x
    return angle.cos().to(dtype), angle.sin().to(dtype)


def rotate(x: Tensor, rotary: Rotary) -> Tensor:
    """Turn dimension i of (B, H, T, width) with dimension i + width / 2."""
    (cos, sin), half = rotary, x.shape[-1] // 2
    if use_kernels(x, cos):
        from .kernels import rotary as kernels

        return kernels.rotate(x, cos, sin, pairs=half)
    return torch.addcmul(x * cos, x.roll(half, -1), sin)


def norm_rotate(x: Tensor, norm: RMSNorm, rotary: Rotary) -> Tensor:
    """rotate(norm(x), rotary) for heads of one width, in one pass on a GPU."""
    if is_plain(norm, RMSNorm) and use_kernels(x, norm.weight, rotary[0]):
        from .kernels import norm_rotary as kernels

        return kernels.norm_rotate(x, norm.weight, *rotary, norm.eps, x.shape[-1] // 2)
    return rotate(norm(x), rotary)
