"""Which keys a query may see: the one predicate behind the code, the figure and the counts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mask:
    """A mask given by a formula over token positions.

    `window` counts the tokens that a query sees, itself included; `chunk` cuts the text into
    pieces of that many tokens that do not see each other; of all tokens that a query may see it
    sees the `best` that a learned score picks.
    """

    causal: bool = True
    window: int | None = None
    chunk: int | None = None
    best: int | None = None

    def allows(self, query: int, key: int) -> bool:
        """Whether the token at `query` sees the token at `key`; with `best`, whether it may."""
        if not self.causal:
            return True
        if key > query:
            return False
        if self.chunk is not None and query // self.chunk != key // self.chunk:
            return False
        return self.window is None or query - key < self.window

    def keys_seen(self, first: int, tokens: int) -> int:
        """Pairs that `allows` admits for queries `first … first + tokens − 1` of one text."""
        total = first + tokens
        if not self.causal:
            return tokens * total
        if self.chunk is not None:
            return _triangles(total, self.chunk) - _triangles(first, self.chunk)
        window = min(self.window or total, self.best or total, total)
        growing = max(0, min(total, window) - first)
        from_start = growing * first + growing * (growing + 1) // 2
        return from_start + (tokens - growing) * window

    def caption(self) -> str:
        """In words: `causal, window 512`."""
        if not self.causal:
            return "bidirectional"
        if self.chunk is not None:
            return f"causal, chunks of {self.chunk:,}"
        if self.best is not None:
            return f"causal, the best {self.best:,}"
        return "causal" if self.window is None else f"causal, window {self.window:,}"


def _triangles(tokens: int, chunk: int) -> int:
    """Pairs within the chunks of a text of `tokens` tokens."""
    whole, rest = divmod(tokens, chunk)
    return whole * chunk * (chunk + 1) // 2 + rest * (rest + 1) // 2
