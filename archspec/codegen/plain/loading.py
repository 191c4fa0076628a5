"""How a plain file takes published tensors: the rules of the spec, and the shortest code for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from archspec.codegen.checkpoint import CheckpointView


@dataclass(frozen=True)
class Loading:
    """What the template of `load_checkpoint` sees."""

    view: CheckpointView

    @property
    def name(self) -> str:
        """The expression for a published name without what stands before most of them."""
        prefix = self.view.prefix
        return f"published.removeprefix({ascii(prefix)})" if prefix else "published"

    @property
    def template(self) -> str:
        """The template of the function, by what the rules ask for."""
        if self.view.ruled:
            kind = "ruled"
        elif self.view.rules or self.patterned:
            kind = "renamed"
        else:
            kind = "prefixed" if self.view.prefix or self.view.copies else "as_it_is"
        return f"templates/plain/load_{kind}.py.jinja"

    @property
    def skips(self) -> list[str]:
        """Published names that are passed over: not used here, or worked out by the model."""
        return [*self.view.ignore, *(name for name, _ in self.view.constants)]

    @property
    def patterned(self) -> bool:
        """Whether names hold numbers of layers, or begin what follows after a dot."""
        return bool(self.skips) or any("{layer}" in name for name, _ in self.view.copies)

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
            "axis": v.axis != "0",
            "split": v.shared,
        }
        return {name for name, there in asked.items() if there}

    @property
    def axis(self) -> str:
        """The expression for the axis that a rule works along."""
        return 'how.get("axis", 0)' if "axis" in self.has else "0"

    @property
    def steps(self) -> Iterator[str]:
        """The statements that lay a published tensor out as ours are."""
        has, axis = self.has, self.axis
        if "reshape" in has:
            shape = "targets[0].shape"
            if "transpose" in has:
                shape = '(targets[0].mT if "transpose" in how else targets[0]).shape'
            yield 'if "reshape" in how and tensor.numel() == targets[0].numel():'
            yield f"    tensor = tensor.reshape({shape})"
        if "transpose" in has:
            yield 'if "transpose" in how and tensor.ndim > 1:'
            yield "    tensor = tensor.mT"
        if "interleaved" in has:
            yield 'if "interleaved" in how:  # every second row first'
            yield f"    order = torch.arange(tensor.shape[{axis}]).view(-1, 2).T.flatten()"
            yield f"    tensor = tensor.index_select({axis}, order)"
        if "split" in has:
            yield f"sizes = [target.shape[{axis}] for target in targets] if len(targets) > 1 else []"
        if "groups" in has:
            after = f"{axis} + 1" if "axis" in has else "1"
            yield "if sizes:  # in each group a part of every one"
            yield '    groups = how.get("groups", 1)'
            yield f"    split = [size // groups for size in sizes]"
            yield f"    parts = tensor.unflatten({axis}, (groups, -1)).split(split, dim={after})"
            yield f"    pieces = [part.flatten({axis}, {after}) for part in parts]"
            yield "else:"
            yield "    pieces = [tensor]"
        elif "split" in has:
            yield f"pieces = tensor.split(sizes, dim={axis}) if sizes else [tensor]"

    @property
    def pieces(self) -> str:
        """The expression for what a published tensor gives to each of ours."""
        return "pieces" if "split" in self.has else "[tensor]"

    def how(self, options: str) -> str:
        """The options of a rule as a dictionary."""
        pairs = [option.partition("=") for option in options.split(", ") if option]
        return "{" + ", ".join(f'"{name}": {value}' for name, _, value in pairs) + "}"
