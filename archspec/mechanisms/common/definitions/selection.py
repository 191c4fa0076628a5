"""Which earlier tokens attention looks at, where a learned score decides."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from archspec.mechanisms.common.definitions.beside import Beside
from archspec.mechanisms.common.definitions.linear import heads, linear, part
from archspec.mechanisms.common.definitions.norm import norm
from archspec.mechanisms.common.definitions.rotary import rotate
from archspec.mechanisms.common.definitions.softmax import causal


def selected(
    fields: Any, weights: dict[str, Tensor], x: Tensor, read: Tensor, beside: Beside
) -> Tensor:
    """Which tokens each sees, (B, T, T): the `top_k` best of those up to itself.

    Queries are made from `read`. score_ts = Σ_h w_th · relu(q_th · k_s) · (H · D)^-0.5, with one
    key for all heads (arXiv 2512.02556, section 2.1). Of equal scores the earlier token is taken.
    """
    if fields.type == "shared":
        return beside.handed["selected", fields.top_k]
    own = part(weights, "indexer.")
    q = heads(linear(own, "wq_b", read), fields.head_dim)  # (B, T, H, D)
    k = linear(own, "wk", x)
    if fields.norm is not None:
        k = norm(fields.norm, own, "k_norm", k)
    if fields.rope is not None:
        q, k = rotate(fields.rope, q), rotate(fields.rope, k[:, :, None])[:, :, 0]
    w = linear(own, "weights_proj", x) * (fields.heads * fields.head_dim) ** -0.5
    products = torch.einsum("bthd,bsd->bhts", q, k)
    scores = torch.einsum("bth,bhts->bts", w, products * (products > 0))
    before = causal(x.shape[1])
    ranked = torch.sort(
        scores.masked_fill(~before, float("-inf")), dim=-1, descending=True, stable=True
    )
    best = ranked.indices[..., : fields.top_k]
    seen = torch.zeros_like(scores, dtype=torch.bool).scatter(-1, best, True) & before
    beside.handed["selected", fields.top_k] = seen
    return seen
