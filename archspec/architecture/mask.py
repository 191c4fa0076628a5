"""Which keys a query may see: the one predicate behind the code, the figure and the counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from archspec.architecture.block_pattern import BlockPattern

View = Literal["source", "both_ways", "sliding", "chunked", "best", "blocks", "earlier"]
"""Another text, all of one's own, a window, a chunk, the best, some blocks, or all before."""


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

    @property
    def view(self) -> View:
        """What a query sees, by name."""
        if self.source:
            return "source"
        if not self.causal:
            return "both_ways"
        if self.window is not None:
            return "sliding"
        if self.chunk is not None:
            return "chunked"
        return "best" if self.best else "blocks" if self.blocks else "earlier"

    @property
    def reach(self) -> int | None:
        """How many keys, a query's own the last of them, it sees at most; None without a limit.

        A cache keeps as many: what is further back, no later query sees. Of the `best` each may be
        anywhere, as may be a block that is seen from everywhere.
        """
        return self.window if self.window is not None else self.chunk

    def first_key(self, query: int, prefix: int = 0) -> int:
        """No key before this is seen from `query`, with a prefix of that length."""
        if not self.causal or self.source or (self.prefix and query < prefix):
            return 0
        if self.chunk is not None:
            return query - query % self.chunk
        return 0 if self.window is None else max(0, query - self.window + 1)

    def last_key(self, query: int, keys: int, prefix: int = 0) -> int:
        """No key behind this, of so many `keys`, is seen from `query`."""
        if not self.causal or self.source:
            return keys - 1
        return max(query, prefix - 1) if self.prefix and query < prefix else query

    def allows(self, query: int, key: int, prefix: int = 0, head: int = 0) -> bool:
        """Whether the token at `query` sees the token at `key`, with a prefix of that length.

        With `best`, whether it may.
        """
        if not self.first_key(query, prefix) <= key <= self.last_key(query, key + 1, prefix):
            return False
        return self.blocks is None or self.blocks.allows(query, key, head)

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

    def sentence(self) -> str:
        """What a query sees, for a sentence about it: `the last 512 tokens`."""
        match self.view:
            case "source":
                return "the encoder's states"
            case "both_ways":
                return "the whole text"
            case "sliding":
                return f"the last {_count(self.reach or 0, 'token')}"
            case "chunked":
                return f"its chunk of {_count(self.reach or 0, 'token')}"
            case "best":
                return f"the best {self.best:,} earlier tokens"
            case "blocks":
                assert self.blocks
                return self.blocks.sentence()
            case "earlier":
                return "all earlier tokens"

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


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("s" if number != 1 else "")


def _triangles(tokens: int, chunk: int) -> int:
    """Pairs within the chunks of a text of `tokens` tokens."""
    whole, rest = divmod(tokens, chunk)
    return whole * chunk * (chunk + 1) // 2 + rest * (rest + 1) // 2
