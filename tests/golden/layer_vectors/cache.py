# Built by archspec 0.1.0 from layer-vectors.yaml; edit the spec and build again.
"""What the layers keep between calls."""

from __future__ import annotations

import torch
from torch import Tensor


class KeyValueCache:
    """The keys and values of every token read so far."""

    def __init__(self, k: Tensor, v: Tensor):
        self.k, self.v = k, v  # empty, (B, H, max_length, D) each

    def append(self, k: Tensor, v: Tensor, start: int) -> tuple[Tensor, Tensor]:
        """Store the tokens from `start` on; returns all up to now, (B, H, S, D) each."""
        end = start + k.shape[2]
        self.k[:, :, start:end] = k
        self.v[:, :, start:end] = v
        return self.k[:, :, :end], self.v[:, :, :end]


class RollingCache:
    """The keys and values of the last tokens: the token at position p stands in slot p % size."""

    def __init__(self, k: Tensor, v: Tensor):
        self.k, self.v = k, v  # empty, (B, H, size, D) each

    def append(self, k: Tensor, v: Tensor, start: int) -> tuple[Tensor, Tensor]:
        """Store the tokens from `start` on.

        Returns what they see, (B, H, S, D) each: for a single token the slots as they stand, for
        several the kept tokens before them and then themselves, in order.
        """
        size, tokens = self.k.shape[2], k.shape[2]
        if tokens == 1:
            slot, filled = start % size, min(start + 1, size)
            self.k[:, :, slot : slot + 1] = k
            self.v[:, :, slot : slot + 1] = v
            return self.k[:, :, :filled], self.v[:, :, :filled]
        earlier = torch.arange(max(0, start - size + 1), start, device=k.device) % size
        seen_k = torch.cat((self.k[:, :, earlier], k), dim=2)
        seen_v = torch.cat((self.v[:, :, earlier], v), dim=2)
        kept = min(tokens, size)
        slots = torch.arange(start + tokens - kept, start + tokens, device=k.device) % size
        self.k[:, :, slots] = seen_k[:, :, -kept:]
        self.v[:, :, slots] = seen_v[:, :, -kept:]
        return seen_k, seen_v


LayerCache = KeyValueCache | RollingCache | None


class Cache:
    """One state for each layer, the number of tokens read, and which of them were real."""

    def __init__(self, layers: list[LayerCache], max_length: int):
        self.layers = layers
        self.max_length = max_length
        self.length = 0
        self.padding: Tensor | None = None  # (B, length), True for a real token

    def extend_padding(self, padding: Tensor | None, batch: int, tokens: int) -> Tensor | None:
        """Remember which of `tokens` new tokens are real; returns the same for all, (B, S)."""
        known = self.padding if self.padding is not None else padding
        if known is None:
            return None
        before, new = self.padding, padding
        if before is None:
            before = known.new_ones(batch, self.length)
        if new is None:
            new = known.new_ones(batch, tokens)
        self.padding = torch.cat((before, new), dim=1)
        return self.padding

    def nbytes(self) -> int:
        """Bytes of all states."""
        tensors = [t for layer in self.layers if layer for t in vars(layer).values()]
        return sum(t.nbytes for t in tensors)
