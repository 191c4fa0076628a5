# Built by archspec 0.1.0 from block-sparse.yaml; edit the spec and build again.
"""The loss of a chunk of rows and the gradient of its logits, which are read twice and never copied.

z, V       the logits of one row, a program's, and how many these are
lse        log Σ exp z, from a maximum m and a sum s kept apart in each of BLOCK places
label      a row's; −100 is none, and one that is no token makes the loss NaN: to refuse it, the
           host would have to wait for the GPU
GRADIENTS  whether the gradients take the logits' place
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..operators import NAMESPACE
from .launch import launch


@triton.jit(do_not_specialize_on_alignment=["labels", "losses"])
def cross_entropy(
    logits,
    labels,
    losses,
    V: tl.constexpr,
    BLOCK: tl.constexpr,
    GRADIENTS: tl.constexpr,
):
    """losses[row] = lse − z[label], and softmax(z) − one-hot(label) over the logits."""
    row = tl.program_id(0).to(tl.int64)
    label = tl.load(labels + row)
    counts = label != -100
    known = (label >= 0) & (label < V)
    logits += row * V
    m = tl.full((BLOCK,), -1e38, tl.float32)
    s = tl.zeros((BLOCK,), tl.float32)
    for first in range(0, V, BLOCK):
        column = first + tl.arange(0, BLOCK)
        z = tl.load(logits + column, mask=column < V, other=float("-inf")).to(tl.float32)
        above = tl.maximum(m, z)
        s = s * tl.exp(m - above) + tl.exp(z - above)
        m = above
    largest = tl.max(m, axis=0)
    lse = largest + tl.log(tl.sum(s * tl.exp(m - largest), axis=0))
    picked = tl.load(logits + tl.where(known, label, 0)).to(tl.float32)
    tl.store(losses + row, tl.where(counts, tl.where(known, lse - picked, float("nan")), 0.0))
    if GRADIENTS:
        tl.debug_barrier()  # until every thread has read the label's logit
        share = tl.where(counts, tl.where(known, 1.0, float("nan")), 0.0)
        for first in range(0, V, BLOCK):
            column = first + tl.arange(0, BLOCK)
            z = tl.load(logits + column, mask=column < V, other=0.0).to(tl.float32)
            grad = share * (tl.exp(z - lse) - tl.where(column == label, 1.0, 0.0))
            tl.store(logits + column, grad, mask=column < V)


@torch.library.custom_op(f"{NAMESPACE}::rows_loss", mutates_args={"logits"})
def rows_loss(logits: Tensor, labels: Tensor, gradients: bool) -> Tensor:
    """The losses of rows, added up: logits (R, V), labels (R,) → ().

    With `gradients`, those of the logits take their place.
    """
    losses = logits.new_empty(logits.shape[0], dtype=torch.float32)
    rows, vocabulary = logits.shape
    sizes = sizes_of(vocabulary) | {"GRADIENTS": gradients}
    launch(cross_entropy, (rows,), logits, labels, losses, **sizes)
    return losses.sum()


@rows_loss.register_fake
def _(logits: Tensor, labels: Tensor, gradients: bool) -> Tensor:
    return logits.new_empty((), dtype=torch.float32)


def sizes_of(vocabulary: int) -> dict[str, Any]:
    """Blocks of at most 8,192 logits, 16 for each thread."""
    block = min(8192, max(32, 1 << (vocabulary - 1).bit_length()))
    return {"V": vocabulary, "BLOCK": block, "num_warps": max(1, block // 512)}
