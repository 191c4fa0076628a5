"""What the templates of the experts' kernels see: their files, and how they cut their work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from archspec.codegen.files import SharedFile
from archspec.mechanisms.feedforward.moe.spec import MixtureOfExperts

_HERE = "templates/kernels/experts/"

EXPERT_KERNELS = SharedFile(
    "kernels/experts.py",
    f"{_HERE}experts.py.jinja",
    "the experts' linear maps as Triton kernels",
    ahead=f"{_HERE}ahead_experts.jinja",
)
COMBINE_KERNELS = SharedFile(
    "kernels/combine.py",
    f"{_HERE}combine.py.jinja",
    "a token's sum over its experts as Triton kernels",
    needed="weighs_output",
    ahead=f"{_HERE}ahead_combine.jinja",
)
ROUTER_KERNELS = SharedFile(
    "kernels/router.py",
    f"{_HERE}router.py.jinja",
    "the router's choice as Triton kernels",
    needed="routing",
    ahead=f"{_HERE}ahead_router.jinja",
)


@dataclass(frozen=True)
class Tiles:
    """How a product of experts is cut: rows, columns of the result, what is multiplied at once."""

    rows: int
    columns: int
    depth: int
    warps: int
    stages: int

    def __str__(self) -> str:
        """As it stands in the package."""
        return (
            f"Tiles(rows={self.rows}, columns={self.columns}, depth={self.depth}, "
            f"warps={self.warps}, stages={self.stages})"
        )


@dataclass(frozen=True)
class ExpertTiles:
    """The tiles of every product of experts, by what compiling ahead of time says of them.

    With few rows the weights' way from memory is what takes long, so that narrow tiles with many
    copies under way stand first.
    """

    forward: tuple[Tiles, ...] = (
        Tiles(16, 64, 64, 4, 5),
        Tiles(64, 128, 64, 4, 3),
        Tiles(128, 128, 64, 8, 3),
    )
    backward: Tiles = Tiles(128, 128, 64, 8, 3)
    outer: Tiles = Tiles(64, 128, 128, 8, 3)
    small: Tiles = Tiles(32, 64, 32, 4, 1)


TILES = ExpertTiles()


def is_ragged(*widths: int) -> bool:
    """Whether a tile reaches beyond one of the widths that are read."""
    deepest = max(tiles.depth for tiles in (*TILES.forward, TILES.backward, TILES.small))
    return any(width % deepest for width in widths)


def in_kernels(mechanism: MixtureOfExperts) -> dict[str, Any]:
    """How kernels read tokens and give them back; weights multiply one or the other."""
    top_k = mechanism.top_k
    if mechanism.router_weight_on == "output":
        return {"each": top_k, "read": "x", "summed": "combine_kernels.combine(out, weights)"}
    if top_k == 1:
        return {"each": 1, "read": "x * weights", "summed": None}
    pairs = "(x[:, None] * weights[..., None]).flatten(0, 1)"
    summed = f"out.view(x.shape[0], {top_k}, -1).sum(dim=1)"
    return {"each": 1, "read": pairs, "summed": summed}
