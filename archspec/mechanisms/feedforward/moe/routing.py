"""A router as a kernel: its shapes, and the statements for its weights and their gradients."""

from __future__ import annotations

import re
from dataclasses import dataclass

from archspec.codegen.tiles import RowTiles, power_of_two, row_tiles
from archspec.mechanisms.feedforward.moe.router import Groups, Router, Score
from archspec.mechanisms.feedforward.moe.spec import MixtureOfExperts


@dataclass(frozen=True)
class Grouping:
    """Experts in groups: `count` of `size`, laid out as `rounded` of `room`, powers of two."""

    count: int
    size: int
    keep: int
    by: str

    @property
    def rounded(self) -> int:
        """The groups, as a power of two."""
        return power_of_two(self.count)

    @property
    def room(self) -> int:
        """The places of a group."""
        return power_of_two(self.size)

    @property
    def apart(self) -> bool:
        """Whether an expert's place is not its number, since a group has empty places."""
        return self.room > self.size


@dataclass(frozen=True)
class RouterKernel:
    """What the templates see; `z` are the logits of some rows, `s` scores, `w` weights."""

    name: str
    caption: str
    experts: int
    top_k: int
    correction: bool
    exact: bool
    """Its logits are float32 in any model."""

    stays_float: bool
    """So are its weights, until they meet tokens: the logits are, or something multiplies them."""

    groups: Grouping | None
    softcap: float | None
    scores: tuple[str, ...]
    """The statements from `z` to `s`, where all experts have one before the choice."""

    choice: str
    """The expression by which experts are chosen."""

    weigh: tuple[str, ...]
    """The statements that make weights of what `w` holds after the choice."""

    backward: tuple[str, ...]
    """From the gradients `d` of the weights, in the places of the `chosen`, to those `g` of `z`."""

    start: str
    """What `w` holds before the choice."""

    find: str
    """The statement for the place `at` of the best expert, and its value where that is kept."""

    picked: str
    """The expression for what that expert is weighed by."""

    rooted: bool
    """The scores are roots of softplus."""

    over_all: bool
    """The gradients look at all places of a row, some of which hold no expert."""

    @property
    def slots(self) -> int:
        """`top_k` as a power of two."""
        return power_of_two(self.top_k)

    @property
    def tiles(self) -> RowTiles:
        """How rows are cut where experts are chosen."""
        return row_tiles(self.groups.rounded * self.groups.room if self.groups else self.experts)

    @property
    def back(self) -> RowTiles:
        """The same for the gradients, which know nothing of groups."""
        return row_tiles(self.experts)

    @property
    def apart(self) -> bool:
        """Whether an expert's place is not its number."""
        return self.groups is not None and self.groups.apart

    @property
    def at(self) -> str:
        """The name of the expert of each place."""
        return "expert" if self.apart else "place"

    def expert(self, place: str) -> str:
        """The expression for the expert in a place."""
        if self.groups is None or not self.apart:
            return place
        return f"{place} // {self.groups.room} * {self.groups.size} + {place} % {self.groups.room}"

    @property
    def real(self) -> str | None:
        """The condition under which a place holds an expert, unless all do."""
        groups, bounds = self.groups, list[str]()
        if groups and groups.apart:
            bounds.append(f"place % {groups.room} < {groups.size}")
        if (groups.rounded * groups.size if groups else self.tiles.columns) > self.experts:
            bounds.append(f"{self.at} < {self.experts}")
        return " & ".join(f"({bound})" if len(bounds) > 1 else bound for bound in bounds) or None


def route_name(pattern: str) -> str:
    """`route`, and what tells the class from the others of the model."""
    words = re.findall("[A-Z][a-z0-9]*|[0-9]+", pattern)
    return "_".join(["route", *(word.lower() for word in words)])


def router_kernel(mechanism: MixtureOfExperts, stages: list[str], name: str) -> RouterKernel | None:
    """The kernel of a router; none where experts are chosen one after another, by softmaxes."""
    router, score = mechanism.router, mechanism.router.score
    if score == "sparsemixer":
        return None
    experts, of_logits = mechanism.experts, "choose_logits" in stages
    scale = [f"{{}} *= {mechanism.scale!r}"] if mechanism.scale != 1 else []
    divided = "renormalize" in stages
    return RouterKernel(
        name=name,
        caption=f"{mechanism.top_k} of {experts} experts, {score.replace('_', ' ')}",
        experts=experts,
        top_k=mechanism.top_k,
        correction=router.correction_bias,
        exact=router.exact,
        stays_float=router.exact or router.expert_scale,
        groups=_grouping(router.limit, experts),
        softcap=router.softcap,
        scores=() if of_logits else _score(score, "z", "s"),
        choice=_choice(of_logits, router),
        weigh=(
            *(_score(score, "w", "w") if of_logits else ()),
            *(_divide(mechanism) if divided else ()),
            *(line.format("w") for line in scale),
        ),
        backward=(
            *([_AMONG_CHOSEN] if of_logits and score == "softmax" else []),
            *_score(score, "z", "s"),
            *(line.format("d") for line in scale),
            *(_divide_back(mechanism) if divided else ()),
            f"g = {_SLOPES[score]}",
        ),
        start='float("-inf")' if of_logits else "0.0",
        find=_ARGMAX if router.correction_bias else _MAX,
        picked=_GATHERED if router.correction_bias else "best",
        rooted=score == "sqrt_softplus",
        over_all=score == "softmax" and not of_logits and row_tiles(experts).columns > experts,
    )


_MAX = "best, at = tl.max(choice, axis=1, return_indices=True, keep_dims=True)"
_ARGMAX = "at = tl.argmax(choice, axis=1, keep_dims=True)"
_GATHERED = "tl.sum(tl.where(place == at, s, 0.0), axis=1, keep_dims=True)"
_AMONG_CHOSEN = 'z = tl.where(chosen, z, float("-inf"))'


def _choice(of_logits: bool, router: Router) -> str:
    if of_logits:
        return "z"
    return "s + bias" if router.correction_bias else "s"


def _grouping(limit: Groups | None, experts: int) -> Grouping | None:
    return limit and Grouping(limit.count, experts // limit.count, limit.keep, limit.by)


_SLOPES: dict[Score, str] = {
    "softmax": "s * (d - tl.sum(d * s, axis=1, keep_dims=True))",
    "sigmoid": "d * s * (1.0 - s)",
    "sqrt_softplus": "tl.where(chosen, d * tl.sigmoid(z) / (2.0 * s), 0.0)",
}


def _score(score: Score, x: str, y: str) -> tuple[str, ...]:
    """The statements that make scores `y` of logits `x`."""
    if score == "softmax":
        top = f"tl.exp({x} - tl.max({x}, axis=1, keep_dims=True))"
        return f"{y} = {top}", f"{y} /= tl.sum({y}, axis=1, keep_dims=True)"
    made = {"sigmoid": "tl.sigmoid({x})", "sqrt_softplus": "tl.sqrt(softplus({x}))"}[score]
    return (f"{y} = {made.format(x=x)}",)


def _divide(mechanism: MixtureOfExperts) -> tuple[str, ...]:
    total = "tl.sum(w, axis=1, keep_dims=True)"
    if mechanism.renormalize_floor:
        return (f"w /= tl.maximum({total}, {mechanism.renormalize_floor!r})",)
    if mechanism.renormalize_epsilon:
        return (f"w /= {total} + {mechanism.renormalize_epsilon!r}",)
    return (f"w /= {total}",)


def _divide_back(mechanism: MixtureOfExperts) -> tuple[str, ...]:
    """With w = v / Σ v the gradient of v is (d − Σ d w) / Σ v; below a floor it is d / floor."""
    floor, epsilon = mechanism.renormalize_floor, mechanism.renormalize_epsilon
    total = "tl.sum(v, axis=1, keep_dims=True)" + (f" + {epsilon!r}" if epsilon else "")
    along = "tl.sum(d * v, axis=1, keep_dims=True)"
    lines = ["v = tl.where(chosen, s, 0.0)", f"total = {total}"]
    if floor:
        lines += [f"along = tl.where(total < {floor!r}, 0.0, {along} / total)"]
        lines += [f"total = tl.maximum(total, {floor!r})"]
    else:
        lines += [f"along = {along} / total"]
    return (*lines, "d = tl.where(chosen, (d - along) / total, 0.0)")
