"""A router as a kernel: its shapes, and the statements for its weights and their gradients."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from archspec.mechanisms.feedforward.moe.router import Router, Score
from archspec.mechanisms.feedforward.moe.spec import MixtureOfExperts


@dataclass(frozen=True)
class RouterKernel:
    """What the templates see; `z` are the logits of some rows, `s` scores, `w` weights.

    Numbers stand in none of its statements: the class hands them over.
    """

    name: str
    caption: str
    experts: int
    numbers: dict[str, float | int]
    """What the class says beside the logits, by name: `top_k`, and whatever else it has."""

    correction: bool
    exact: bool
    """Its logits are float32 in any model."""

    stays_float: bool
    """So are its weights, until they meet tokens: the logits are, or something multiplies them."""

    by: str | None
    """What makes a group of experts good, where only the best groups are looked at."""

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
    """The gradients look at all places of a row, some of which may hold no expert."""

    @property
    def softcap(self) -> bool:
        """Whether logits have a soft cap."""
        return "softcap" in self.numbers

    @property
    def at(self) -> str:
        """The name of the expert of each place."""
        return "expert" if self.by else "place"

    @property
    def of_values(self) -> list[str]:
        """The names of numbers that kernels take as they are: those of the weights' arithmetic."""
        return [name for name in self.numbers if name not in ("top_k", "groups", "keep")]

    @property
    def typed(self) -> str:
        """The numbers as arguments of a function."""
        return typed(self.numbers)

    @property
    def passed(self) -> str:
        """The same as they are passed on."""
        return "".join(f", {name}" for name in self.numbers)

    @property
    def values_typed(self) -> str:
        """The arguments of the backward pass, which knows the choice."""
        return "".join(f", {name}: float" for name in self.of_values)

    @property
    def values_passed(self) -> str:
        """The same as they are passed on."""
        return "".join(f", {name}" for name in self.of_values)

    @property
    def constants(self) -> str:
        """The same as a kernel takes them."""
        return "".join(f"{name.upper()}: tl.constexpr, " for name in self.of_values)

    @property
    def named(self) -> str:
        """The same as a kernel is given them."""
        return "".join(f", {name.upper()}={name}" for name in self.of_values)

    @property
    def set(self) -> dict[str, float | int]:
        """The same in the list of binaries."""
        return {name.upper(): self.numbers[name] for name in self.of_values}

    @property
    def no_gradients(self) -> str:
        """None for the correction, and for each number."""
        return ", None" * (self.correction + len(self.numbers))


def typed(numbers: Iterable[str]) -> str:
    """Numbers of a router as arguments of a function."""
    counts = ("top_k", "groups", "keep")
    return "".join(f", {name}: {'int' if name in counts else 'float'}" for name in numbers)


def route_name(pattern: str) -> str:
    """`route`, and what tells the class from the others of the model."""
    words = re.findall("[A-Z][a-z0-9]*|[0-9]+", pattern)
    return "_".join(["route", *(word.lower() for word in words)])


def router_numbers(mechanism: MixtureOfExperts, stages: list[str]) -> dict[str, float | int]:
    """What the class of a mixture says to its router, by name."""
    router, limit = mechanism.router, mechanism.router.limit
    divided = "renormalize" in stages
    given = {
        "top_k": mechanism.top_k,
        "jitter": router.jitter,
        "softcap": router.softcap,
        "groups": limit and limit.count,
        "keep": limit and limit.keep,
        "epsilon": mechanism.renormalize_epsilon or None if divided else None,
        "floor": mechanism.renormalize_floor or None if divided else None,
        "scale": mechanism.scale if mechanism.scale != 1 else None,
    }
    return {name: value for name, value in given.items() if value is not None}


def router_kernel(mechanism: MixtureOfExperts, stages: list[str], name: str) -> RouterKernel | None:
    """The kernel of a router; none where experts are chosen one after another, by softmaxes."""
    router, score = mechanism.router, mechanism.router.score
    if score == "sparsemixer":
        return None
    experts, of_logits = mechanism.experts, "choose_logits" in stages
    scale = ["{} *= SCALE"] if mechanism.scale != 1 else []
    divided = "renormalize" in stages
    return RouterKernel(
        name=name,
        caption=f"{mechanism.top_k} of {experts} experts, {score.replace('_', ' ')}",
        experts=experts,
        numbers=router_numbers(mechanism, stages),
        correction=router.correction_bias,
        exact=router.exact,
        stays_float=router.exact or router.expert_scale,
        by=router.limit.by if router.limit else None,
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
        over_all=score == "softmax" and not of_logits,
    )


_MAX = "best, at = tl.max(choice, axis=1, return_indices=True, keep_dims=True)"
_ARGMAX = "at = tl.argmax(choice, axis=1, keep_dims=True)"
_GATHERED = "tl.sum(tl.where(place == at, s, 0.0), axis=1, keep_dims=True)"
_AMONG_CHOSEN = 'z = tl.where(chosen, z, float("-inf"))'


def _choice(of_logits: bool, router: Router) -> str:
    if of_logits:
        return "z"
    return "s + bias" if router.correction_bias else "s"


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
        return (f"w /= tl.maximum({total}, FLOOR)",)
    if mechanism.renormalize_epsilon:
        return (f"w /= {total} + EPSILON",)
    return (f"w /= {total}",)


def _divide_back(mechanism: MixtureOfExperts) -> tuple[str, ...]:
    """With w = v / Σ v the gradient of v is (d − Σ d w) / Σ v; below a floor it is d / floor."""
    floor, epsilon = mechanism.renormalize_floor, mechanism.renormalize_epsilon
    total = "tl.sum(v, axis=1, keep_dims=True)" + (" + EPSILON" if epsilon else "")
    along = "tl.sum(d * v, axis=1, keep_dims=True)"
    lines = ["v = tl.where(chosen, s, 0.0)", f"total = {total}"]
    if floor:
        lines += [f"along = tl.where(total < FLOOR, 0.0, {along} / total)"]
        lines += ["total = tl.maximum(total, FLOOR)"]
    else:
        lines += [f"along = {along} / total"]
    return (*lines, "d = tl.where(chosen, (d - along) / total, 0.0)")
