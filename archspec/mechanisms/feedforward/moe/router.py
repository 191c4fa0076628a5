"""The router: a chain of stages, score → choose → weigh."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from archspec.architecture.graph import INPUT, GraphBuilder, Operator, OperatorGraph, Parameter
from archspec.architecture.operators import norm_operator
from archspec.spec.base import Factor, Size, Strict, reject
from archspec.spec.norm import OptionalNorm

if TYPE_CHECKING:
    from archspec.mechanisms.feedforward.moe.spec import MixtureOfExperts

Score = Literal["softmax", "sigmoid", "sqrt_softplus", "sparsemixer"]

SCORES: dict[Score, str] = {
    "softmax": "Softmax",
    "sigmoid": "Sigmoid",
    "sqrt_softplus": "√ softplus",
    "sparsemixer": "SparseMixer",
}


class Groups(Strict):
    """Experts stand in groups of neighbours; only those of the best groups may be chosen."""

    count: Size = Field(description="How many groups the experts are divided into.")
    keep: Size = Field(description="From how many groups a token may choose.")
    by: Literal["max", "top2"] = Field(
        description="A group is as good as its best expert, or as its two best together."
    )


class Router(Strict):
    """Scores each expert for a token by a linear layer, chooses some, and weighs them.

    It reads what the mixture is given, before the mixture's own `norm`.
    """

    norm: OptionalNorm = Field(default=None, description="A norm of what the router alone reads.")
    scale: Factor | None = Field(
        default=None, description="Multiplies what the router reads, after its norm."
    )
    score: Score = Field(default="softmax", description="How logits become scores.")
    bias: bool = Field(default=False, description="The router's linear layer has a bias.")
    float32: bool | None = Field(
        default=None,
        description="The linear layer is computed in float32 in a model of any type; left out, it "
        "is where there is a `correction_bias`.",
    )
    float32_weights: bool = Field(
        default=False, description="Its weights are float32 too in a model of any type."
    )
    softcap: Factor | None = Field(
        default=None, description="Logits become softcap · tanh(logit / softcap)."
    )
    correction_bias: bool = Field(
        default=False,
        description="A stored number for each expert is added to its score, for the choice only.",
    )
    groups: Groups | None = Field(
        default=None, description="The choice is limited to the best groups of experts."
    )
    jitter: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="`sparsemixer`: experts within twice this share of the best one compete.",
    )
    expert_scale: bool = Field(
        default=False,
        description="A learned number for each expert multiplies its weight, at the end.",
    )

    @property
    def reorders(self) -> bool:
        """Whether the choice is made by something other than the scores themselves."""
        return self.correction_bias or self.limit is not None

    @property
    def exact(self) -> bool:
        """Whether its product is made in float32: small differences decide among many experts."""
        return self.correction_bias if self.float32 is None else self.float32

    @property
    def limit(self) -> Groups | None:
        """The groups, unless all of them are kept."""
        return self.groups if self.groups and self.groups.keep < self.groups.count else None

    def check(self, experts: int, top_k: int) -> None:
        """Reject what cannot be chosen, or does nothing."""
        if self.groups:
            _check_groups(self.groups, experts, top_k)
        if self.float32_weights and not self.exact:
            reject(("router", "float32_weights"), "its product is not float32", "float32: true")
        if self.score != "sparsemixer":
            if self.jitter is not None:
                reject(("router", "jitter"), f"`{self.score}` scores have no jitter")
            return
        if self.jitter is None:
            reject(("router", "score"), "`sparsemixer` needs `jitter`", "jitter: 0.01 is usual")
        for name, given in (("correction_bias", self.correction_bias), ("groups", self.groups)):
            if given:
                reject(("router", name), f"`sparsemixer` chooses one by one and has no {name}")


def _check_groups(groups: Groups, experts: int, top_k: int) -> None:
    place = ("router", "groups")
    if experts % groups.count:
        reject((*place, "count"), f"{groups.count} groups do not divide {experts} experts")
    size = experts // groups.count
    if groups.keep > groups.count:
        reject((*place, "keep"), f"cannot keep {groups.keep} of {groups.count} groups")
    if groups.by == "top2" and size < 2:
        reject((*place, "by"), "groups of one expert have no two best ones", "by: max")
    if top_k > groups.keep * size:
        kept = "1 group" if groups.keep == 1 else f"{groups.keep} groups"
        message = f"cannot choose {top_k} experts from {kept} of {size}"
        reject("top_k", message)


def add(build: GraphBuilder, moe: MixtureOfExperts) -> str:
    """Append the router of `moe` and what it does to its input; returns its name."""
    router, width, x = moe.router, build.width, INPUT
    if router.norm:
        x = build.add(norm_operator("router_norm", router.norm, width), x)
    if router.scale is not None:
        x = build.add(Operator("router_scale", "scale", f"× {router.scale:.6g}", (width,)), x)
    return build.add(_operator(moe, width), x)


def _operator(moe: MixtureOfExperts, hidden_size: int) -> Operator:
    """The router of `moe`, opened where it is more than scores and a choice."""
    router, experts = moe.router, moe.experts
    own = [Parameter("weight", (experts, hidden_size))]
    if router.bias:
        own.append(Parameter("bias", (experts,)))
    flops, outside = 2 * hidden_size * experts, list[Parameter]()
    if router.correction_bias:
        outside.append(Parameter("router_correction", (experts,), trained=False))
    if router.expert_scale:
        outside.append(Parameter("expert_scale", (experts,)))
    choice = f"top {moe.top_k} of {experts}"
    if not (router.reorders or router.softcap or moe.scale != 1 or router.expert_scale):
        named = [Parameter(f"router.{p.name}", p.shape) for p in own]
        detail = choice if router.score == "softmax" else f"{SCORES[router.score]}, {choice}"
        detail += ", float32" if router.exact else ""
        return Operator(
            "router", "router", "Router", (experts,), tuple(named), flops, detail=detail
        )
    inside = _inside(moe, hidden_size, tuple(own), flops)
    return Operator("router", "router", "Router", (experts,), tuple(outside), inside=inside)


def _inside(
    moe: MixtureOfExperts, hidden_size: int, own: tuple[Parameter, ...], flops: int
) -> OperatorGraph:
    router, every, chosen = moe.router, (moe.experts,), (moe.top_k,)
    build = GraphBuilder(hidden_size)
    exact = "float32" if router.exact else ""
    linear = Operator("linear", "linear", "Linear", every, own, flops, detail=exact)
    last = build.add(linear, INPUT)
    if router.softcap is not None:
        cap = Operator("softcap", "scale", "Soft cap", every, detail=f"{router.softcap:g}")
        last = build.add(cap, last)
    scores = build.add(Operator("score", "activation", SCORES[router.score], every), last)
    choice = scores
    if router.correction_bias:
        choice = build.add(Operator("correction", "add", "Correction", every), choice)
    if limit := router.limit:
        best = {"max": "by their best", "top2": "by their best two"}[limit.by]
        label = f"Best {limit.keep} of {limit.count} groups"
        choice = build.add(Operator("groups", "router", label, every, detail=best), choice)
    top = Operator("choice", "router", f"Top {moe.top_k} of {moe.experts}", chosen)
    last = build.add(top, choice)
    if router.reorders:
        gather = Operator("gather", "scale", "Their scores", chosen)
        last = build.add(gather, (last, "chosen"), (scores, "scores"))
    if moe.renormalize:
        last = build.add(Operator("renormalize", "scale", "÷ their sum", chosen), last)
    if moe.scale != 1:
        last = build.add(Operator("scale", "scale", f"× {moe.scale:g}", chosen), last)
    if router.expert_scale:
        last = build.add(Operator("expert_scale", "scale", "× s of the expert", chosen), last)
    return build.done(last)
