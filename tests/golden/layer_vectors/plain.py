# Built by archspec 0.1.0 from layer-vectors.yaml; edit the spec and build again.
"""Whether a layer's weight may be read in place of a call: only where both say the same."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def is_built(module: nn.Module, *kinds: type[nn.Module]) -> bool:
    """Whether `module` is as it was built, of one of `kinds`.

    Not so where it was replaced or wrapped (an adapter, quantisation, a parametrisation), its
    forward pass was exchanged, or its weight is sharded or packed.
    """
    return (
        type(module) in kinds
        and "forward" not in vars(module)
        and not hasattr(module.weight, "__tensor_flatten__")
    )


def is_plain(module: nn.Module, *kinds: type[nn.Module]) -> bool:
    """The same, and no hook waits for a call of it."""
    hooks = (
        module._forward_hooks,
        module._forward_pre_hooks,
        module._backward_hooks,
        module._backward_pre_hooks,
    )
    return is_built(module, *kinds) and not any(hooks)


def table(embedding: nn.Embedding, rows: int, device: torch.device) -> Tensor:
    """The vectors of all tokens, (V, C): the weight, or else what the embedding gives for each."""
    if is_built(embedding, nn.Embedding):
        return embedding.weight
    return embedding(torch.arange(rows, device=device))
