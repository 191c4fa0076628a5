"""What the templates of the router see: its stages, and the numbers they name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from archspec.codegen.members import start
from archspec.mechanisms.feedforward.moe.router import Groups, Router
from archspec.mechanisms.feedforward.moe.routing import router_numbers, typed
from archspec.mechanisms.feedforward.moe.spec import MixtureOfExperts

STAGES = "mechanisms/feedforward/moe/templates/stages/{}.py.jinja"

SCORES = {
    "softmax": "{x}.softmax(dim=-1)",
    "sigmoid": "{x}.sigmoid()",
    "sqrt_softplus": "F.softplus({x}).sqrt()",
}


@dataclass(frozen=True)
class RouterView:
    """The stages of a router, each a template, and the numbers they name."""

    stages: tuple[str, ...]
    reads: str
    """The expression for what its linear layer reads, from `tokens`."""

    name: str
    """The function that chooses."""

    numbers: Mapping[str, float | int]
    """What its class hands over beside the logits, by name."""

    score_chosen: str
    """The expression that scores the logits of the chosen experts."""

    score_all: str
    group_score: str
    candidates: str
    """What the groups, or the choice, look at."""

    total: str
    """What the weights are divided by."""

    exact: bool
    """Its logits are float32 as they are made."""

    @property
    def typed(self) -> str:
        """These numbers as arguments."""
        return typed(self.numbers)

    @property
    def passed(self) -> str:
        """The same as they are passed on."""
        return "".join(f", {name}" for name in self.numbers)

    @property
    def given(self) -> str:
        """The same as the class gives them."""
        return "".join(f", {name}={value!r}" for name, value in self.numbers.items())


def starts(router: Router) -> tuple[str, ...]:
    """The statements that write what the router's own tensors start as."""
    correction = [start("router_correction", 0)] if router.correction_bias else []
    return (*correction, *([start("expert_scale", 1)] if router.expert_scale else []))


def _reads(router: Router) -> str:
    normed = "self.router_norm(tokens)" if router.norm else "tokens"
    return normed if router.scale is None else f"{router.scale!r} * {normed}"


def router_view(mechanism: MixtureOfExperts, name: str) -> RouterView:
    """The router of a mixture, whose function is called `name`."""
    router, stages = mechanism.router, stages_of(mechanism)
    score = SCORES.get(router.score, "")
    return RouterView(
        stages=tuple(STAGES.format(stage) for stage in stages),
        reads=_reads(router),
        name=name,
        numbers=router_numbers(mechanism, stages),
        score_chosen=score.format(x="top"),
        score_all=score.format(x="logits"),
        group_score=_group_score(router.limit),
        candidates="choice" if router.correction_bias else "scores",
        total=_total(mechanism),
        exact=router.exact,
    )


def stages_of(mechanism: MixtureOfExperts) -> list[str]:
    """The names of the router's stages, in order."""
    router, softmax = mechanism.router, mechanism.router.score == "softmax"
    exact = not (mechanism.renormalize_epsilon or mechanism.renormalize_floor)
    # Softmax over the chosen equals softmax over all, made to add up to one.
    sums_to_one = softmax and mechanism.renormalize and exact and not router.reorders
    stages = {
        "softcap": router.softcap is not None,
        **_choice(router, of_logits=sums_to_one or not softmax),
        "renormalize": mechanism.renormalize and not sums_to_one,
        "scale": mechanism.scale != 1,
    }
    return [name for name, wanted in stages.items() if wanted]


def _choice(router: Router, of_logits: bool) -> dict[str, bool]:
    """The stages that score and choose; a score of one logit leaves the order of logits alone."""
    if router.score == "sparsemixer":
        return {"sparsemixer": True}
    if not router.reorders:
        return {"choose_logits": of_logits, "choose_scores": not of_logits}
    limited = router.limit is not None
    return {"scores": True, "correction": router.correction_bias, "groups": limited, "choose": True}


def _group_score(limit: Groups | None) -> str:
    if limit is None or limit.by == "max":
        return "several.amax(dim=-1)"
    return "several.topk(2, dim=-1).values.sum(dim=-1)"


def _total(mechanism: MixtureOfExperts) -> str:
    total = "weights.sum(dim=-1, keepdim=True)"
    if mechanism.renormalize_epsilon:
        return f"({total} + epsilon)"
    if mechanism.renormalize_floor:
        return f"{total}.clamp(min=floor)"
    return total
