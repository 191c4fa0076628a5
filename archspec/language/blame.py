"""Which part of a file a fault in a block is told at: the block's own, or what it inherits."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

from archspec.errors import Mark
from archspec.language.expand import Expanded
from archspec.language.source import Items, Map

Location = tuple[int | str, ...]


class Places:
    """The parts of a spec that blocks are made of, in the order of the file."""

    def __init__(self, expanded: Expanded) -> None:
        """Take the places of `blocks`, `defaults` and `overrides`."""
        self.data = expanded.data
        self.overridden = expanded.overridden
        self.parents = expanded.parents
        found: dict[tuple[int, int], Location] = {}
        blocks = expanded.data.get("blocks")
        for name, mark in blocks.keys_at.items() if isinstance(blocks, Map) else ():
            found[_order(mark)] = self.own(name)
        if "defaults" in expanded.data.keys_at:
            found[_order(expanded.data.keys_at["defaults"])] = ("defaults",)
        self.starts = sorted(found)
        self.parts = [found[start] for start in self.starts]

    def own(self, block: str) -> Location:
        """Where the block called `block` is written: under `blocks`, or under `overrides`."""
        key = self.overridden.get(block)
        return ("blocks", block) if key is None else ("overrides", key)

    def ancestors(self, block: str) -> set[str]:
        """The blocks that `block` inherits from, directly or not."""
        found: set[str] = set()
        while (block := self.parents.get(block, "")) and block not in found:
            found.add(block)
        return found

    def of(self, mark: Mark) -> Location:
        """The part that holds `mark`; nothing where none begins before it."""
        at = bisect_right(self.starts, _order(mark))
        return self.parts[at - 1] if at else ()

    def as_written(self, path: Location, mark: Mark | None) -> Location:
        """The path in the file: what a block inherited stands where it was written."""
        if mark is None or len(path) < 2 or path[0] != "blocks":
            return path
        part = self.of(mark)
        return (*part, *path[2:]) if part else path

    def change(self, path: Location) -> Mark | None:
        """Where the block at `path` itself changes the mapping that holds the end of `path`.

        None where it changes nothing there.
        """
        here: Any = self.data
        for part in path[:-1]:
            if isinstance(here, Map) and part in here:
                here = here[str(part)]
            elif isinstance(here, Items) and isinstance(part, int) and part < len(here):
                here = here[part]
            else:
                break
        if not isinstance(here, Map):
            return None
        own = self.own(str(path[1]))
        for key, value in here.items():
            mark = here.keys_at[key] if isinstance(value, (Map, Items)) else here.values_at[key]
            if self.of(mark) == own:
                return mark
        return None


def _order(mark: Mark) -> tuple[int, int]:
    return mark.line, mark.column
