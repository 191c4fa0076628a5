"""Which blocks of keys a block of queries sees: near ones, the first, and stripes, by a formula."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BlockPattern:
    """A causal text in blocks of `size` tokens, of which a query sees some.

    From block i it sees block j ≤ i where i − j < `local`, or j < `first`, or j is in a stripe:
    (j + 1 + head · `shift`) divides by `stride`. `heads` is how many heads differ in that, 1 where
    all see the same.
    """

    size: int
    local: int
    first: int = 0
    stride: int | None = None
    shift: int = 0
    heads: int = 1

    def allows(self, query: int, key: int, head: int = 0) -> bool:
        """Whether the token at `query` sees the earlier one at `key`."""
        i, j = query // self.size, key // self.size
        striped = self.stride is not None and (j + 1 + head * self.shift) % self.stride == 0
        return i - j < self.local or j < self.first or striped

    @property
    def reach(self) -> int:
        """How many tokens the local blocks have."""
        return self.size * self.local

    @property
    def settles(self) -> int:
        """A text of this length has all there is: blocks that are seen, and some that are not."""
        return self.size * (self.local + self.first + (self.stride or 1))

    def stripe(self, head: int = 0) -> int:
        """The first block of a stripe behind the `first` ones."""
        assert self.stride is not None
        return self.first + (-1 - head * self.shift - self.first) % self.stride

    def keys_seen(self, first: int, tokens: int) -> int:
        """Pairs that `allows` admits for queries `first … first + tokens − 1`, over all `heads`."""
        heads = range(self.heads)
        return sum(self._pairs(first + tokens, head) - self._pairs(first, head) for head in heads)

    def caption(self) -> str:
        """In words: `blocks of 64: last 16, first 1, stride 8 by head`."""
        parts = [f"last {self.local:,}"]
        parts += [f"first {self.first:,}"] if self.first else []
        parts += [f"stride {self.stride:,}"] if self.stride else []
        text = f"blocks of {self.size:,}: {', '.join(parts)}"
        return f"{text} by head" if self.shift else text

    def sentence(self) -> str:
        """In words of a sentence: `the last 16 blocks of 64, the first and every 8th`."""
        near = f"the last {self.local:,} blocks" if self.local > 1 else "its block"
        parts = [f"{near} of {self.size:,}"]
        if self.first:
            parts.append("the first" if self.first == 1 else f"the first {self.first:,}")
        if self.stride:
            by_head = ", shifted by head" if self.shift else ""
            parts.append(f"every {_ordinal(self.stride)}{by_head}")
        return f"{', '.join(parts[:-1])} and {parts[-1]}"

    def _pairs(self, tokens: int, head: int) -> int:
        """Pairs of the first `tokens` queries."""
        whole, rest = divmod(tokens, self.size)
        before = max(whole - self.local, 0)  # blocks in front of the last whole one's local ones
        last = max(whole - self.local + 1, 0)
        beyond = self.size * before * (before + 1) // 2 + rest * last
        far = self.size * self._far_of_all(before, head) + rest * self._far(last, head)
        return tokens * (tokens + 1) // 2 + self.size * (far - beyond)

    def _far(self, border: int, head: int) -> int:
        """How many blocks below `border` are seen from everywhere behind it."""
        seen = min(border, self.first)
        if self.stride is None:
            return seen
        return seen + -(-max(border - self.stripe(head), 0) // self.stride)

    def _far_of_all(self, most: int, head: int) -> int:
        """The same summed over borders 1 … `most`."""
        growing = min(most, self.first)
        total = growing * (growing + 1) // 2 + (most - growing) * self.first
        if self.stride is None:
            return total
        whole, rest = divmod(max(most - self.stripe(head), 0), self.stride)
        return total + self.stride * whole * (whole + 1) // 2 + rest * (whole + 1)


def _ordinal(number: int) -> str:
    tens = number % 100 in (11, 12, 13)
    return f"{number:,}" + ("th" if tens else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th"))
