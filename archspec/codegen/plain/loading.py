"""How a plain file takes published tensors: the spec's rules, and the shortest code for them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from archspec.codegen.checkpoint import CheckpointView

FOLDER = "templates/plain/load_{}.py.jinja"


@dataclass(frozen=True)
class Row:
    """A published name, ours, and what is to be said of it."""

    published: str
    ours: tuple[str, ...]
    note: str = ""
    how: str = ""
    """The options of its layout, a dictionary; nothing where the tensor is ours as it is."""


@dataclass(frozen=True)
class Loading:
    """What the templates of `load_checkpoint` see."""

    view: CheckpointView

    @property
    def name(self) -> str:
        """The expression for a published name without what stands before most of them."""
        prefix = self.view.prefix
        return f"published.removeprefix({prefix!a})" if prefix else "published"

    @property
    def template(self) -> str:
        """The template of the function, by what the rules ask for."""
        plain = not (self.view.rules or self._skips)
        if not plain or any("{layer}" in name for name, _ in self.view.copies):
            return FOLDER.format("by_rules")
        return FOLDER.format("prefixed" if self.view.prefix or self.view.copies else "as_it_is")

    @property
    def _skips(self) -> list[str]:
        """Published names that are passed over: not used here, or worked out by the model."""
        return [*self.view.ignore, *(name for name, _ in self.view.constants)]

    @cached_property
    def rows(self) -> list[Row]:
        """The table of names, in the order in which they are tried."""
        rows = [Row(name, (), "not used here") for name in self.view.ignore]
        rows += [Row(name, (), f"worked out here: {held}") for name, held in self.view.constants]
        rows += [Row(again, (f"={name}",), "once more") for again, name in self.view.copies]
        rows += [Row(r.published, r.ours, how=self._how(r.options)) for r in self.view.rules]
        first: dict[str, Row] = {}
        for row in rows:
            first.setdefault(row.published, row)
        return [*first.values()]

    def value(self, row: Row) -> str:
        """Our name or names in the table, on a line of its own where they are long."""
        made = ascii(row.ours if self.several else "".join(row.ours))
        long = len(row.published) + len(made) > 88
        return f"(\n        {made}\n    )" if long and not self.several else made

    @property
    def laid(self) -> list[Row]:
        """Those whose tensors are laid out otherwise."""
        return [row for row in self.rows if row.how]

    @property
    def several(self) -> bool:
        """Whether a published tensor may be several of ours."""
        return any(len(row.ours) > 1 for row in self.rows)

    @property
    def passes(self) -> bool:
        """Whether some published tensor is none of ours."""
        return any(not row.ours for row in self.rows)

    @property
    def has(self) -> set[str]:
        """What some rule asks for."""
        v = self.view
        asked = {
            "reshape": v.reshaped,
            "transpose": v.transposed,
            "interleaved": v.interleaved,
            "groups": v.grouped,
            "part": v.halves,
            "item": v.items,
            "split": v.shared,
        }
        return {name for name, there in asked.items() if there}

    @cached_property
    def axes(self) -> set[int]:
        """The axes along which some rule cuts or joins."""
        rules = self.view.checkpoint.tensors.values()
        return {r.axis for r in rules if r.interleaved or r.part or len(r.to) > 1} or {0}

    @property
    def axis(self) -> str:
        """The expression for the axis that a rule works along."""
        return 'how.get("axis", 0)' if len(self.axes) > 1 else str(min(self.axes))

    @property
    def steps(self) -> Iterator[str]:
        """The statements that lay a published tensor out as ours are, and cut it into `pieces`."""
        has, axis = self.has, self.axis
        if "reshape" in has:
            shape = "target.shape"
            if "transpose" in has:
                shape = '(target.mT if "transpose" in how else target).shape'
            yield 'if "reshape" in how and tensor.numel() == target.numel():'
            yield f"    tensor = tensor.reshape({shape})"
        if "transpose" in has:
            yield 'if "transpose" in how and tensor.ndim > 1:'
            yield "    tensor = tensor.mT"
        if "interleaved" in has:
            yield 'if "interleaved" in how:  # every second row first'
            yield f"    order = torch.arange(tensor.shape[{axis}]).view(-1, 2).T.flatten()"
            yield f"    tensor = tensor.index_select({axis}, order)"
        if "groups" in has:
            after = f"{axis} + 1" if len(self.axes) > 1 else str(min(self.axes) + 1)
            yield "pieces = [tensor]"
            yield "if len(names) > 1:  # in each group a part of every one"
            yield '    groups = how.get("groups", 1)'
            yield f"    sizes = [own[name].shape[{axis}] // groups for name in names]"
            yield f"    parts = tensor.unflatten({axis}, (groups, -1)).split(sizes, dim={after})"
            yield f"    pieces = [part.flatten({axis}, {after}) for part in parts]"
        elif "split" in has:
            yield "pieces = [tensor]"
            yield "if len(names) > 1:"
            yield f"    sizes = [own[name].shape[{axis}] for name in names]"
            yield f"    pieces = tensor.split(sizes, dim={axis})"

    @property
    def pieces(self) -> str:
        """The expression for what a published tensor gives to each of ours."""
        return "pieces" if "split" in self.has else "[tensor]"

    @property
    def filled(self) -> bool:
        """Whether several published tensors fill one of ours."""
        return not self.has.isdisjoint(("item", "part"))

    @property
    def shaped(self) -> bool:
        """Whether the steps ask for our shapes."""
        return self.filled or not self.has.isdisjoint(("reshape", "split"))

    def _how(self, options: str) -> str:
        """The options of a rule that matter to reading, as the items of a dictionary.

        Ours has the shape to read into, and a name that is never written is read like others.
        """
        call = ast.parse(f"how({options.removeprefix(', ')})", mode="eval").body
        assert isinstance(call, ast.Call)
        said = {str(option.arg): ast.unparse(option.value) for option in call.keywords}
        said |= {"reshape": "True"} if "reshape" in said else {}
        passed = {"alias", "axis"} if len(self.axes) == 1 else {"alias"}
        inner = ", ".join(f'"{k}": {value}' for k, value in said.items() if k not in passed)
        return f"{{{inner}}}" if inner else ""
