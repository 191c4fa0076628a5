# Built by archspec 0.1.0 from hybrid.yaml; edit the spec and build again.
"""The delta rule: each head keeps a matrix S and corrects what it holds for a token's key.

Shapes: B sequences, T tokens in N chunks of C, H heads; q and k have K numbers in a head, v has V,
and S is (B, H, K, V). After arXiv 2406.06484 (sections 2, 3) and 2412.06464 (section 3).
"""

from __future__ import annotations

import torch
from torch import Tensor

from .operators import chunks, filled
from .walk import walk

CHUNK = 64


def widened(x: Tensor) -> Tensor:
    """In float32 at least: what is summed over a text loses its tail in a shorter type."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def unit(x: Tensor) -> Tensor:
    """x / sqrt(Σx² + 1e-6), in float32 at least."""
    x = widened(x)
    return x * (x.square().sum(dim=-1, keepdim=True) + 1e-6).rsqrt()


def by_head(x: Tensor) -> Tensor:
    """(B, T, H, D) → (B, H, T, D), in float32 at least."""
    return widened(x).transpose(1, 2)


def in_chunks(x: Tensor) -> Tensor:
    """(B, H, T, D) → (B, H, N, C, D), with zeros after the end."""
    count, missing = chunks(x.shape[2], CHUNK)
    return filled(x, 2, missing).contiguous().unflatten(2, (count, CHUNK))


def solve(system: Tensor, right: Tensor) -> Tensor:
    """(I + what stands below the diagonal of `system`)⁻¹ `right`."""
    return torch.linalg.solve_triangular(system, right, upper=False, unitriangular=True)


def gated_delta_rule(
    q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor, beta: Tensor, state: Tensor | None
) -> tuple[Tensor, Tensor]:
    """(B, T, H, K) twice, (B, T, H, V), (B, T, H, 1) twice → (B, T, H, V), and the state after it.

    A single token goes by the recurrence, several go in chunks: the same numbers.
    """
    q, k, v, log_decay, beta = by_head(q), by_head(k), by_head(v), by_head(log_decay), by_head(beta)
    if state is None:
        state = v.new_zeros(v.shape[0], v.shape[1], k.shape[3], v.shape[3])
    rule = recurrent_gated_delta_rule if v.shape[2] == 1 else chunked_gated_delta_rule
    out, state = rule(q, k, v, log_decay, beta, state)
    return out.transpose(1, 2), state


def recurrent_gated_delta_rule(
    q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor, beta: Tensor, state: Tensor
) -> tuple[Tensor, Tensor]:
    """S ← e^g S, then S ← S + k β (v − kᵀ S), y = qᵀ S for one token after the other."""
    out: list[Tensor] = []
    for t in range(v.shape[2]):
        key = k[:, :, t, :, None]  # (B, H, K, 1)
        state = state * log_decay[:, :, t, :, None].exp()
        wrong = v[:, :, t, None] - key.mT @ state  # (B, H, 1, V)
        state = state + key * (beta[:, :, t, None] * wrong)
        out.append(q[:, :, t, None] @ state)
    return torch.cat(out, dim=2), state


def chunked_gated_delta_rule(
    q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor, beta: Tensor, state: Tensor
) -> tuple[Tensor, Tensor]:
    """The same by chunks: all corrections within one are the solution of a triangular system.

    With G_i the sum of g up to token i and A_ij = β_i e^(G_i − G_j) k_i · k_j for j < i, a chunk
    writes (I + A)⁻¹ β (V − e^G K S). No exponent is above zero.
    """
    tokens = v.shape[2]
    q, k, v = in_chunks(q), in_chunks(k), in_chunks(v)
    total, beta = in_chunks(log_decay).cumsum(dim=3), in_chunks(beta)  # (B, H, N, C, 1)
    later = torch.ones(CHUNK, CHUNK, dtype=torch.bool, device=q.device).triu(1)
    between = (total - total.mT).masked_fill(later, float("-inf")).exp()  # (B, H, N, C, C)
    since, last = total.exp(), total[..., -1:, :]
    system = (beta * k) @ k.mT * between
    writes = solve(system, beta * v)
    reads = solve(system, beta * since * k)
    ahead = (last - total).exp() * k
    states, written, state = walk(ahead, reads, writes, last.exp(), state)
    out = (since * q) @ states + (q @ k.mT * between) @ written
    return out.flatten(2, 3)[:, :, :tokens], state
