# Built by archspec 0.1.0 from parallel.yaml; edit the spec and build again.
"""What the layers keep between calls."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.utils import _pytree as pytree

from .step import Step, places


def stored(kept: Tensor, new: Tensor, step: Step) -> Tensor:
    """Put new tokens (B, H, T, D) behind those of each text; returns all up to now, S of them.

    Texts that have fewer than others end before: what is behind them is not seen.
    """
    tokens, end = new.shape[2], step.start + new.shape[2]
    if step.starts is None:
        kept[:, :, step.start : end] = new
    else:
        place = places(step.start, step.starts, tokens, new.device)[:, None, :, None]
        kept.scatter_(2, place.expand_as(new), new.to(kept.dtype))
    return kept[:, :, :end]


class KeyValueCache:
    """The keys and values of every token read so far."""

    def __init__(self, k: Tensor, v: Tensor):
        self.k, self.v = k, v  # empty, (B, H, max_length, D) each

    def append(self, k: Tensor, v: Tensor, step: Step) -> tuple[Tensor, Tensor]:
        """Store the new tokens; returns all up to now, (B, H, S, D) each."""
        return stored(self.k, k, step), stored(self.v, v, step)


LayerCache = KeyValueCache


class Cache:
    """One state for each layer, and how many tokens were read: each text stands as if alone."""

    def __init__(self, layers: list[LayerCache], batch_size: int, max_length: int):
        self.layers = layers
        self.batch_size = batch_size
        self.max_length = max_length
        self.length = 0  # tokens of each text, or more: padding is counted
        self.lengths: Tensor | None = None  # (B,), tokens of each; None where all have `length`

    def room(self, batch: int, tokens: int) -> int:
        """How many tokens are before new ones (B, T); ValueError where there is no room."""
        if batch != self.batch_size:
            raise ValueError(f"{batch} texts; the cache is for {self.batch_size}")
        if self.length + tokens > self.max_length:
            raise ValueError(f"{self.length + tokens} tokens; the cache holds {self.max_length}")
        return self.length

    def count(self, step: Step, tokens: int) -> None:
        """Count new tokens, once every layer has read them."""
        self.length += tokens
        self.lengths = step.ends

    def nbytes(self) -> int:
        """Bytes of all states."""
        states = [layer for layer in self.layers if layer]
        return sum(tensor.nbytes for state in states for tensor in vars(state).values())


def _register(kind: type) -> None:
    """Let torch.export and its like take a cache apart: into tensors, and numbers of tokens."""

    def values(kept: Any) -> tuple[list[Any], list[str]]:
        return list(vars(kept).values()), list(vars(kept))

    def named(kept: Any) -> tuple[list[tuple[Any, Any]], list[str]]:
        return [(pytree.GetAttrKey(k), value) for k, value in vars(kept).items()], list(vars(kept))

    def joined(parts: Any, names: list[str]) -> Any:
        made = object.__new__(kind)
        vars(made).update(zip(names, parts, strict=True))
        return made

    pytree.register_pytree_node(
        kind,
        values,
        joined,
        serialized_type_name=f"{kind.__module__}.{kind.__qualname__}",
        flatten_with_keys_fn=named,
    )


for _kind in (Cache, KeyValueCache):
    _register(_kind)
