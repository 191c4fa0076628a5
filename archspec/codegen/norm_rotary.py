"""Which heads a model's rotations turn, and where they lie in what a projection gives."""

from __future__ import annotations

from dataclasses import dataclass, field

from archspec.codegen.files import File

TURNED = File(
    "kernels/norm_rotary.py",
    "templates/kernels/rotary/norm_rotary.py.jinja",
    "norms of heads and their rotation as Triton kernels",
    "norm_turns",
    ahead="templates/kernels/rotary/ahead_norm_rotary.jinja",
)


@dataclass(frozen=True, order=True)
class Heads:
    """Heads that are rotated together: kernels know where each begins when they are compiled.

    Pairs lie `apart` numbers apart, `next` numbers stand between the starts of two tokens and
    `head` between those of two heads; the first starts `start` numbers into its token.
    """

    heads: int
    width: int
    apart: int
    next: int
    head: int
    start: int = 0

    @property
    def aligned(self) -> bool:
        """Whether 16 bytes divide where it starts, in numbers of two bytes."""
        return self.start % 8 == 0


@dataclass(frozen=True)
class Turned:
    """The heads of one package: those that only turn, and those that are normed as they do."""

    alone: set[Heads] = field(default_factory=set[Heads])
    normed: set[Heads] = field(default_factory=set[Heads])

    @property
    def context(self) -> dict[str, object]:
        """What the templates of the rotation and of its kernels see."""
        pairings = {"rotate": "x.shape[-1] // 2", "rotate_pairs": "1"}
        wanted = {"rotate_pairs" if heads.apart == 1 else "rotate" for heads in self.normed}
        return {
            "turns": sorted(self.alone),
            "norm_turns": sorted(self.normed),
            "norm_rotated": [{"function": f, "pairs": pairings[f]} for f in sorted(wanted)],
        }
