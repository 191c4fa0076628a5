"""Which keys a query may see: the one predicate behind the code, the figure and the counts."""

from __future__ import annotations

from dataclasses import dataclass

from archspec.architecture.block_pattern import BlockPattern


@dataclass(frozen=True)
class Mask:
    """A mask given by a formula over token positions.

    `window` counts the tokens that a query sees, itself included; `chunk` cuts the text into
    pieces of that many tokens that do not see each other; of all tokens that a query may see it
    sees the `best` that a learned score picks. With `prefix` the first tokens of a text, as many as
    each call says, see each other both ways. With `source` the keys are those of another text, all
    of which a query sees. With `blocks` a query sees some blocks of the text.
    """

    causal: bool = True
    window: int | None = None
    chunk: int | None = None
    best: int | None = None
    prefix: bool = False
    source: bool = False
    blocks: BlockPattern | None = None

    @property
    def heads(self) -> int:
        """How many heads see differently."""
        return self.blocks.heads if self.blocks else 1

    def allows(self, query: int, key: int, prefix: int = 0, head: int = 0) -> bool:
        """Whether the token at `query` sees the token at `key`, with a prefix of that length.

        With `best`, whether it may.
        """
        if not self.causal or self.source:
            return True
        if self.prefix and query < prefix and key < prefix:
            return True
        if key > query:
            return False
        if self.chunk is not None and query // self.chunk != key // self.chunk:
            return False
        if self.blocks is not None:
            return self.blocks.allows(query, key, head)
        return self.window is None or query - key < self.window

    def keys_seen(self, first: int, tokens: int, source: int = 0) -> int:
        """Pairs that `allows` admits for queries `first … first + tokens − 1` of one text.

        Without a prefix; `source` is the length of the other text. Over all `heads`.
        """
        if self.source:
            return tokens * source
        total = first + tokens
        if not self.causal:
            return tokens * total
        if self.chunk is not None:
            return _triangles(total, self.chunk) - _triangles(first, self.chunk)
        if self.blocks is not None:
            return self.blocks.keys_seen(first, tokens)
        window = min(self.window or total, self.best or total, total)
        growing = max(0, min(total, window) - first)
        from_start = growing * first + growing * (growing + 1) // 2
        return from_start + (tokens - growing) * window

    def caption(self) -> str:
        """In words: `causal, window 512`."""
        if self.source:
            return "the encoder's text"
        if not self.causal:
            return "bidirectional"
        parts = ["causal"]
        parts += [f"window {self.window:,}"] if self.window is not None else []
        parts += [f"chunks of {self.chunk:,}"] if self.chunk is not None else []
        parts += [self.blocks.caption()] if self.blocks is not None else []
        parts += [f"the best {self.best:,}"] if self.best is not None else []
        return ", ".join(parts + (["prefix both ways"] if self.prefix else []))


def _triangles(tokens: int, chunk: int) -> int:
    """Pairs within the chunks of a text of `tokens` tokens."""
    whole, rest = divmod(tokens, chunk)
    return whole * chunk * (chunk + 1) // 2 + rest * (rest + 1) // 2
