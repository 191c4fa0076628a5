"""The numbers of a class that attention's operators take, and hand to kernels as constants."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from archspec.kernels.attention.view import KernelView

TYPES = {
    "window": "int",
    "chunk": "int",
    "blocks": "list[int]",
    "scale": "float",
    "softcap": "float",
    "activation": "str",
}
CONSTANTS = {"softcap": "CAP"}
"""What kernels call those that are not called the same in capitals."""


def needed(kernel: KernelView) -> list[str]:
    """The names of what calls of one kind bring."""
    own = {"window": kernel.window, "chunk": kernel.chunk, "blocks": kernel.blocks}
    own |= {"scale": True, "softcap": kernel.softcap, "activation": kernel.gate is not None}
    return [name for name, there in own.items() if there]


@dataclass(frozen=True)
class Numbers:
    """What an operator takes for all kinds of a package: each number's name and type."""

    types: tuple[tuple[str, str], ...]

    @staticmethod
    def all_of(kinds: Iterable[KernelView], without: Collection[str] = ()) -> Numbers:
        """What any of `kinds` needs; None where it is of another kind."""
        found = [needed(kind) for kind in kinds]
        types: dict[str, str] = {}
        for name, own in TYPES.items():
            count = sum(name in names for names in found)
            if count and name not in without:
                types[name] = own if count == len(found) else f"{own} | None"
        return Numbers(tuple(types.items()))

    @property
    def names(self) -> list[str]:
        """Their names."""
        return [name for name, _ in self.types]

    @property
    def typed(self) -> str:
        """As parameters."""
        return ", ".join(f"{name}: {own}" for name, own in self.types)

    @property
    def passed(self) -> str:
        """As arguments."""
        return ", ".join(self.names)

    @property
    def constants(self) -> str:
        """As the constants of kernels, by their names there."""
        names = [name for name in self.names if name != "blocks"]
        found = [f'"{CONSTANTS.get(name, name.upper())}": {name}' for name in names]
        pattern = "**dict(zip(BLOCKS, blocks or (), strict=False))"
        return "{" + ", ".join(found + [pattern] * ("blocks" in self.names)) + "}"

    @property
    def blocks(self) -> str:
        """The argument of a function that cuts tiles, for blocks."""
        return ", blocks" if "blocks" in self.names else ""

    @property
    def no_gradients(self) -> str:
        """As gradients, of which numbers have none."""
        return ", ".join(["None"] * len(self.types))

    def of(self, kind: KernelView) -> str:
        """What a kind passes."""
        own = needed(kind)
        return ", ".join(name if name in own else "None" for name in self.names)


def parameters_of(kind: KernelView) -> str:
    """What the function of one kind takes at its end."""
    return ", ".join(f"{name}: {TYPES[name]}" for name in needed(kind))


def parameters_in_pages(kind: KernelView) -> str:
    """What the function of one kind takes at its end, for keys in pages."""
    return ", ".join(f"{name}: {TYPES[name]}" for name in needed(kind) if name != "activation")


def passed_in_pages(kind: KernelView) -> str:
    """What it passes on, to PyTorch's operators."""
    names = [name for name in needed(kind) if name != "activation"]
    names += ["sinks"] * kind.sinks + ["slopes"] * kind.slopes
    return "".join(f", {name}={name}" for name in names)


def any_in_pages(numbers: Numbers, sinks: bool, slopes: bool) -> str:
    """What PyTorch's operators take for all kinds whose keys may lie in pages."""
    types = {name: own.removesuffix(" | None") for name, own in numbers.types if name != "scale"}
    types |= {"sinks": "Tensor"} if sinks else {}
    types |= {"slopes": "Tensor"} if slopes else {}
    return "".join(f", {name}: {own} | None = None" for name, own in types.items())
