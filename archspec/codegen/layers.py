"""What the templates of layers see: modules in order, and how their values meet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import zip_longest

from archspec.architecture.block import Block, Branch, NamedNorm, Scale, Update
from archspec.codegen.members import Member, start
from archspec.codegen.site import ModuleView
from archspec.mechanisms.base import Mechanism
from archspec.spec.norm import Norm


@dataclass(frozen=True)
class BranchView:
    """A function of the residual stream."""

    name: str
    class_name: str
    arguments: str
    reads_depth: bool
    """It is made with the index of its layer."""

    cache: str | None
    kept_of: str
    """Whose length the cache has room for."""

    before: Member | None
    inside: Member | None
    scale: str | None
    input_scale: str | None
    output_scale: str | None

    def term(self, x: str, arguments: str, normed: bool) -> str:
        """The expression for what it adds, where `x` is read, which may be `normed` already."""
        value = f"self.{self.before.name}({x})" if self.before and not normed else x
        value = f"{self.input_scale} * {value}" if self.input_scale else value
        value = f"self.{self.name}({value}{arguments})"
        value = f"self.{self.inside.name}({value})" if self.inside else value
        value = f"{self.output_scale} * {value}" if self.output_scale else value
        return f"{self.scale} * {value}" if self.scale else value


@dataclass(frozen=True)
class UpdateView:
    """One update of the residual stream."""

    branches: tuple[BranchView, ...]
    before: Member | None
    inside: Member | None
    after: Member | None
    adder: str | None
    """The norm before the next update, which makes the sum with what this one gives."""

    def lines(self, arguments: Callable[[BranchView], str], normed: bool) -> list[str]:
        """The statements for the stream after it; `y` is what stands behind the norm before it.

        That may be `normed`, made by the norm itself at the end of the update before.
        """
        before = [f"y = self.{self.before.name}(x)"] if self.before and not normed else []
        x = "y" if self.before or normed else "x"
        terms = " + ".join(b.term(x, arguments(b), normed) for b in self.branches)
        terms = f"self.{self.inside.name}({terms})" if self.inside else terms
        if self.adder:
            return [*before, f"y = {terms}", f"x, y = add_norm(x, y, self.{self.adder})"]
        total = f"self.{self.after.name}(x + {terms})" if self.after else f"x + {terms}"
        return [*before, f"x = {total}"]


@dataclass(frozen=True)
class LayerView:
    """One class of layer."""

    class_name: str
    caption: str
    block: str
    count: int
    updates: tuple[UpdateView, ...]
    stored: tuple[Member, ...]
    """Parameters and buffers of its own."""

    starts: tuple[str, ...]
    """The statements that write what these start as."""

    scale: str | None
    alone: bool
    """It takes nothing from other layers, so that it can be tested by itself."""

    decodes: bool
    """It stands in a decoder, and may keep something between calls."""

    @property
    def branches(self) -> list[BranchView]:
        """The branches of all updates, in order."""
        return [branch for update in self.updates for branch in update.branches]

    @property
    def reads_depth(self) -> bool:
        """It is made with its index in the stack."""
        return any(branch.reads_depth for branch in self.branches)

    @property
    def members(self) -> list[Member]:
        """Everything it is made of, in order of computation."""
        found: list[Member | None] = []
        for update in self.updates:
            found.append(update.before)
            for branch in update.branches:
                index = "index" if branch.reads_depth else ""
                body = Member(branch.name, f"{branch.class_name}({index})")
                found += [branch.before, body, branch.inside]
            found += [update.inside, update.after]
        return [*(member for member in found if member), *self.stored]

    @property
    def lines(self) -> list[str]:
        """The statements of its forward pass, the last of which returns what it gives."""
        earlier = [None, *self.updates]
        found = [
            line
            for before, update in zip(earlier, self.updates, strict=False)
            for line in update.lines(self.arguments, bool(before and before.adder))
        ]
        if self.scale:
            return [*found, f"return {self.scale} * x"]
        *found, last = found
        return [*found, f"return {last.removeprefix('x = ')}"]

    @property
    def keepers(self) -> list[BranchView]:
        """The branches that keep something between calls."""
        return [branch for branch in self.branches if branch.cache]

    @property
    def cache(self) -> str | None:
        """The class of what the layer keeps; a tuple where several of its branches do."""
        kept = [branch.cache or "" for branch in self.keepers]
        return f"tuple[{', '.join(kept)}]" if len(kept) > 1 else next(iter(kept), None)

    @property
    def new_caches(self) -> str:
        """The expression for an empty cache."""
        made = [f"{b.class_name}.new_cache(batch_size, {b.kept_of}, like)" for b in self.keepers]
        return f"({', '.join(made)})" if len(made) > 1 else next(iter(made), "None")

    @property
    def unpacked(self) -> str | None:
        """The statement that takes a cache of several apart."""
        if len(self.keepers) < 2 or not self.decodes:
            return None
        names = ", ".join(f"{branch.name}_cache" for branch in self.keepers)
        nothing = ", ".join(["None"] * len(self.keepers))
        return f"{names} = cache if cache is not None else ({nothing})"

    def arguments(self, branch: BranchView) -> str:
        """What a branch is called with after x."""
        if not branch.cache or (self.decodes and len(self.keepers) < 2):
            return branch.arguments
        own = f"{branch.name}_cache" if self.decodes else "None"
        return f"{branch.arguments.removesuffix(', cache')}, {own}"


@dataclass(frozen=True)
class Layers:
    """Makes the views of layers from those of their mechanisms."""

    modules: Mapping[Mechanism, ModuleView]
    norm: Callable[[Norm], str]
    """The expression that makes a norm over the stream."""

    adds: Callable[[Norm], bool]
    """Whether such a norm can make the sum that it reads."""

    def view(self, block: Block, class_name: str, count: int, total: int) -> LayerView:
        """The class of a block that stands `count` times among `total` layers."""
        updates = tuple(
            UpdateView(
                tuple(self._branch(branch) for branch in update.branches),
                self._member(update.before),
                self._member(update.inside),
                self._member(update.after),
                self._adder(update, after),
            )
            for update, after in zip_longest(block.updates, block.updates[1:])
        )
        scales = [*(branch.scale for branch in block.branches), block.scale]
        stored = [scale for scale in scales if scale and scale.name]
        return LayerView(
            class_name,
            _caption(block, count, total),
            block.name,
            count,
            updates,
            tuple(_stored(scale) for scale in stored),
            tuple(start(scale.name or "", scale.value) for scale in stored),
            _factor(block.scale),
            not any(branch.body.takes() for branch in block.branches),
            all(branch.body.is_causal() for branch in block.branches),
        )

    def _branch(self, branch: Branch) -> BranchView:
        module, body = self.modules[branch.body], branch.body
        return BranchView(
            branch.name,
            module.class_name,
            module.arguments,
            body.reads_depth(),
            module.cache,
            "source_length" if body.state().per_source else "max_length",
            self._member(branch.before),
            self._member(branch.inside),
            _factor(branch.scale),
            repr(body.input_scale) if body.input_scale is not None else None,
            repr(body.output_scale) if body.output_scale is not None else None,
        )

    def _adder(self, update: Update, after: Update | None) -> str | None:
        """The norm that alone reads the sum of x and what `update` gives."""
        if after is None or update.after or (len(update.branches) > 1 and not update.inside):
            return None
        named = after.before or (after.branches[0].before if len(after.branches) == 1 else None)
        return named.name if named and self.adds(named.norm) else None

    def _member(self, named: NamedNorm | None) -> Member | None:
        return Member(named.name, self.norm(named.norm)) if named else None


def _factor(scale: Scale | None) -> str | None:
    if scale is None:
        return None
    return f"self.{scale.name}" if scale.name else repr(scale.value)


def _stored(scale: Scale) -> Member:
    kind = "nn.Parameter" if scale.trained else "nn.Buffer"
    return Member(scale.name or "", f"{kind}(torch.empty({scale.channels}))")


def _caption(block: Block, count: int, total: int) -> str:
    beside = any(len(update.branches) > 1 for update in block.updates)
    parts: list[str] = []
    for update in block.updates:
        names = [branch.body.within() for branch in update.branches]
        parts.append(" beside ".join(names))
    text = (" then " if len(parts) > 1 or not beside else " beside ").join(parts)
    return f"{text[:1].upper()}{text[1:]}; {count} of {total} layers."
