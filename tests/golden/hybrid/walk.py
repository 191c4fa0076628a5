# Built by archspec 0.1.0 from hybrid.yaml; edit the spec and build again.
"""The walk of a delta rule over the chunks of a text.

Shapes: B sequences, H heads, N chunks of C tokens, K numbers in a key, V in a value.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .operators import NAMESPACE


def walk(
    k: Tensor, reads: Tensor, writes: Tensor, keep: Tensor | None, state: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """S ← keep S + kᵀ (writes − reads S) over the chunks: S before each, what each writes, and S.

    k and reads (B, H, N, C, K), writes (B, H, N, C, V), `keep` (B, H, N, 1 or K, 1) or all, state
    (B, H, K, V) → (B, H, N, K, V), (B, H, N, C, V), (B, H, K, V).
    """
    # In a graph of torch.compile it is one operator, so that one graph serves any number of chunks.
    if torch.compiler.is_compiling():
        return delta_walk(k, reads, writes, keep, None, state)
    return _walk(k, reads, writes, keep, None, state)


def _walk(
    k: Tensor,
    reads: Tensor,
    writes: Tensor,
    keep: Tensor | None,
    added: Tensor | None,
    state: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    # Taken apart at once: the gradient of a chunk taken by its number is as large as the text.
    chunks = k.unbind(2), reads.unbind(2), writes.unbind(2)
    keeps = (None,) * k.shape[2] if keep is None else keep.unbind(2)
    extra = (None,) * k.shape[2] if added is None else added.unbind(2)
    states: list[Tensor] = []
    written: list[Tensor] = []
    for key, read, write, kept, new in zip(*chunks, keeps, extra, strict=True):
        states.append(state)
        write = write - read @ state
        state = (state if kept is None else kept * state) + key.mT @ write
        if new is not None:
            state = state + new
        written.append(write)
    return torch.stack(states, dim=2), torch.stack(written, dim=2), state


@torch.library.custom_op(f"{NAMESPACE}::delta_walk", mutates_args=())
def delta_walk(
    k: Tensor,
    reads: Tensor,
    writes: Tensor,
    keep: Tensor | None,
    added: Tensor | None,
    state: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """`walk` as an operator, with what is `added` to the state after each chunk, (B, H, N, K, V)."""
    return _walk(k, reads, writes, keep, added, state)


@delta_walk.register_fake
def _(
    k: Tensor,
    reads: Tensor,
    writes: Tensor,
    keep: Tensor | None,
    added: Tensor | None,
    state: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    states = state.new_empty(*k.shape[:3], *state.shape[2:])
    return states, writes.new_empty(writes.shape), state.new_empty(state.shape)


def _save(ctx, inputs, output):
    k, reads, _, keep, added, _ = inputs
    ctx.adds = added is not None
    ctx.save_for_backward(k, reads, keep, *output[:2])


def _backward(ctx, grad_states, grad_written, grad_last):
    """The same from the last chunk to the first, where keys and reads change places.

    With the gradient G of the state after a chunk, that of what it writes is W = grad_written + k G,
    and that of the state before it is keep G − readsᵀ W + grad_states.
    """
    k, reads, keep, states, written = ctx.saved_tensors
    back = -reads.flip(2), -k.flip(2), grad_written.flip(2)
    kept = None if keep is None else keep.flip(2)
    after, grad_writes, grad_state = delta_walk(*back, kept, grad_states.flip(2), grad_last)
    after, grad_writes = after.flip(2), grad_writes.flip(2)
    grad_k, grad_reads = written @ after.mT, -(grad_writes @ states.mT)
    grad_keep = None if keep is None else (after * states).sum_to_size(keep.shape)
    return grad_k, grad_reads, grad_writes, grad_keep, after if ctx.adds else None, grad_state


delta_walk.register_autograd(_backward, setup_context=_save)
