# Built by archspec 0.1.0 from local-global.yaml; edit the spec and build again.
"""What the layers keep between calls."""

from __future__ import annotations

from typing import Any

import torch
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


class RollingCache:
    """The keys and values of the last tokens: the token at position p stands in slot p % size."""

    def __init__(self, k: Tensor, v: Tensor):
        self.k, self.v = k, v  # empty, (B, H, size, D) each

    def append(self, k: Tensor, v: Tensor, step: Step) -> tuple[Tensor, Tensor]:
        """Store the new tokens.

        Returns what they see, (B, H, S, D) each: for a single token the slots as they stand, for
        several the kept tokens before them and then themselves, in order.
        """
        if k.shape[2] == 1:
            return self.put(self.k, k, step), self.put(self.v, v, step)
        return self.roll(self.k, k, step), self.roll(self.v, v, step)

    @staticmethod
    def put(kept: Tensor, new: Tensor, step: Step) -> Tensor:
        """In place of a token that is no longer seen; returns the slots that are filled."""
        size = kept.shape[2]
        if step.starts is None:
            slot = step.start % size
            kept[:, :, slot : slot + 1] = new
        else:
            slots = (step.starts % size)[:, None, None, None]
            kept.scatter_(2, slots.expand_as(new), new.to(kept.dtype))
        return kept[:, :, : step.start + 1]  # all, where there are no more

    @staticmethod
    def roll(kept: Tensor, new: Tensor, step: Step) -> Tensor:
        """Behind those that are still seen; the slots change behind the last layer."""
        size, tokens = kept.shape[2], new.shape[2]
        before = torch.sym_min(step.start, size - 1)
        first, last = step.start - before, step.start + tokens - 1  # positions of keys
        if step.starts is not None:
            first = (step.starts - before)[:, None]
        if step.ends is not None:
            last = step.ends[:, None] - 1
        slots = torch.arange(size, device=new.device)
        seen = new
        if step.start > 0:
            earlier = taken(kept, (first + slots[:before]) % size)
            seen = torch.cat((earlier, new), dim=2)
        # Slot s holds the last position up to `last` that is s modulo size; none where it is empty.
        position = last - (last - slots) % size
        step.writes.append((kept, taken(seen, (position - first).clamp(min=0))))
        return seen


def taken(x: Tensor, place: Tensor) -> Tensor:
    """The tokens of (B, H, S, D) at places, (N,) or for each row (B, N)."""
    if place.ndim == 1:
        return x[:, :, place]
    return x.gather(2, place[:, None, :, None].expand(-1, x.shape[1], -1, x.shape[3]))


LayerCache = KeyValueCache | RollingCache


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
        step.settle()
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


for _kind in (Cache, KeyValueCache, RollingCache):
    _register(_kind)
