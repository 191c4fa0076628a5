"""What the templates of attention's kernels see: one set of kernels for each shape of attention."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace

from archspec.kernels.attention.block_ranges import block_key_ranges, block_row_ranges
from archspec.kernels.attention.heads import SLAB, Heads, parameters
from archspec.kernels.attention.joins import Join
from archspec.kernels.attention.key_ranges import key_ranges
from archspec.kernels.attention.ranges import Ranges, View
from archspec.kernels.attention.relative import Related, related_keys, related_rows
from archspec.kernels.attention.row_ranges import row_ranges
from archspec.kernels.attention.tiles import Tiles, filled, tiles

NARROW = 128
"""Up to this window or chunk hardly a tile is seen whole: one loop with a mask reads them all."""


WIDE = 192
"""Up to this width a program has room for the gradients of a tile's keys and of its values."""


@dataclass(frozen=True)
class Gradients:
    """A kernel of the backward pass that sums over rows: its name, and what it gives."""

    name: str
    formula: str
    dk: bool
    dv: bool

    @property
    def columns(self) -> list[str]:
        """How what it reads and sums is cut, in the names of `Heads`."""
        of_keys = ["value_parts", "key_sums"] if self.dk else []
        return ["key_parts", *of_keys, *(["value_sums"] if self.dv else [])]


@dataclass(frozen=True)
class KernelView(Heads):
    """The kernels for one kind of attention: its heads, and what a query sees."""

    kind: str
    """The function that calls them, which says all there is beside widths."""

    causal: bool
    window: bool
    chunk: bool
    prefix: bool
    narrow: bool = field(compare=False)
    """Whether a window, chunk or local blocks are at most `NARROW` tokens wide."""

    decodes: bool = field(compare=False)
    """Whether a call may bring a single new token: the kernels of an encoder's layers and of
    attention to its states are the same.
    """

    @property
    def grouped(self) -> bool:
        """Whether query heads share key-value heads."""
        return self.group > 1

    @property
    def shape(self) -> Heads:
        """Its heads alone."""
        return Heads(**{own.name: getattr(self, own.name) for own in fields(Heads)})

    @property
    def constants(self) -> list[str]:
        """The names of the numbers that a kernel is compiled for."""
        own = {"WINDOW": self.window, "CHUNK": self.chunk}
        return super().constants + [name for name, there in own.items() if there]

    @property
    def gated_numbers(self) -> list[str]:
        """The parameters of kernels that open a gate."""
        return parameters(self.constants + ["ACTIVATION"] * bool(self.gate))

    @property
    def _view(self) -> View:
        parts = (self.causal, self.window, self.chunk, self.prefix, self.narrow)
        return View(*parts, self.grouped)

    @property
    def ragged(self) -> bool:
        """Whether new tokens, one of each text, may have other places: none is counted from."""
        counts = self.chunk or self.blocks or self.relative
        return self.causal and self.decodes and not counts

    @property
    def for_one(self) -> str:
        """The tensor that says what single new tokens see, where texts may differ in that."""
        return "starts" if self.ragged else "real" if self.decodes and not self.causal else ""

    @property
    def seen_by_one(self) -> str:
        """Its bounds and its keys, as the kernel for one token takes them."""
        known = {"starts": "*seen_slots(starts, k)", "real": "bounds, real"}
        return known.get(self.for_one, "None, None")

    @property
    def by_keys(self) -> Ranges:
        """The loops over the keys of a tile of rows."""
        if self.relative:
            return related_keys(self._view)
        if self.blocks:
            return block_key_ranges(self._view, self.kv_heads)
        return key_ranges(self._view)

    @property
    def paged(self) -> bool:
        """Whether its keys may lie in pages."""
        one_piece = self.prefix or self.relative or self.blocks
        return self.causal and self.decodes and not one_piece

    @property
    def in_pages(self) -> Ranges:
        """The loops over keys in pages."""
        return key_ranges(replace(self._view, padded=False))

    @property
    def by_rows(self) -> Ranges:
        """The loops over the rows that see a tile of keys."""
        if self.relative:
            return related_rows(self._view)
        if self.blocks:
            return block_row_ranges(self._view, self.kv_heads)
        return row_ranges(self._view)

    @property
    def times(self) -> str:
        """What a count of tokens is multiplied by for a count of rows."""
        return self._view.times

    @property
    def query_head(self) -> str:
        """The query head of a row."""
        return "head * GROUP + member" if self.grouped else "head"

    @property
    def real_rows(self) -> str:
        """Which rows are of the text, where bounds are those of the one text of a whole row."""
        if not self.causal:
            return "closes > opens"
        place = "earlier + token" if self.grouped else "earlier + row"
        return f"({place} >= opens) & ({place} < closes)" if self.blocks else ""

    @property
    def join(self) -> Join:
        """What joins a product."""
        place = "last" if self.causal else "token" if self.grouped else "row"
        return self._join(self.query_head, place, not self.causal)

    @property
    def related(self) -> Related | None:
        """The learned biases, where there are such."""
        return self.join if isinstance(self.join, Related) else None

    @property
    def extra(self) -> str:
        """Pointers beside queries, keys and values."""
        return "sinks_ptr, " if self.sinks else self.join.pointers()

    @property
    def counted(self) -> str:
        """The number of a call that only this kind has, where there is one."""
        return "phase" if self.chunk else "prefix" if self.prefix else "furthest" * self.relative

    @property
    def count_names(self) -> str:
        """Arguments that change from call to call, which no binary depends on."""
        return f"tokens, keys, {self.counted}" if self.counted else "tokens, keys"

    @property
    def counts(self) -> str:
        """These as a list of names."""
        return str(self.count_names.split(", ")).replace("'", '"')

    @property
    def formula(self) -> str:
        """The scores, in words of the docstrings."""
        product = "q kᵀ · SCALE"
        if self.softcap:
            product = f"CAP tanh({product} / CAP)"
        product += " − slope · distance" if self.slopes else ""
        product += " + bias of the distance" if self.related else ""
        return f"{product}, sinks" if self.sinks else product

    @property
    def sees(self) -> str:
        """What a token sees."""
        if not self.causal:
            return "a token sees every key"
        end = ", and those of the prefix each other" if self.prefix else ""
        if self.window:
            return f"a token sees the last of its window{end}"
        if self.blocks:
            return "a token sees its last blocks, the first ones and stripes"
        return f"a token sees {'its chunk' if self.chunk else 'all'} up to itself{end}"

    def forward(self, target: str) -> Tiles:
        """The tiles of the forward pass."""
        return self._over_keys("forward", target)

    def backward_queries(self, target: str) -> Tiles:
        """The tiles of the gradients of queries."""
        return self._over_keys("backward_queries", target)

    def _over_keys(self, kernel: str, target: str) -> Tiles:
        """Of a kernel over rows, smaller where biases or a gate take registers beside it.

        Where each tile of keys says its place, wide heads leave room for 32 and need 8 warps.
        """
        more = "related" if self.related else "gated" if self.gate else ""
        found = tiles(kernel, target, self.head_dim, self.value_dim, more)
        if self.blocks and max(self.head_dim, self.value_dim) > 128:
            warps = found.warps if target == "gfx942" else 8
            found = replace(found, keys=min(found.keys, 32), warps=warps)
        found = self.cut(found)
        return filled(found, target, found.rows, found.keys, self._sum)

    @property
    def _sum(self) -> int:
        """How wide the narrowest sum of a program is."""
        return min(self.head_dim, self.value_dim, SLAB)

    def backward_biases(self, target: str) -> Tiles:
        """The tiles of the gradients of biases: as many rows as keys."""
        return tiles("backward_biases", target, self.head_dim, self.value_dim)

    @property
    def by_key(self) -> tuple[Gradients, ...]:
        """What goes over the rows that see a key: wide heads leave room for one sum at a time."""
        dk = "dk = Σ ds q · SCALE"
        if max(self.head_dim, self.value_dim) <= WIDE:
            return (Gradients("keys", f"dv = Σ p dout and {dk}", dk=True, dv=True),)
        values = Gradients("values", "dv = Σ p dout", dk=False, dv=True)
        return (Gradients("keys", dk, dk=True, dv=False), values)

    def backward(self, target: str, gradients: Gradients) -> Tiles:
        """The tiles of the gradients of keys, of values, or of both."""
        name = f"backward_{gradients.name}"
        found = self.cut(tiles(name, target, self.head_dim, self.value_dim))
        return filled(found, target, found.keys, found.rows, self._sum)
