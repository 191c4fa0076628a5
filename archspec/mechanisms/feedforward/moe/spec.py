"""A sparse mixture of experts (arXiv 1701.06538, 2101.03961)."""

from __future__ import annotations

from fractions import Fraction
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from archspec.architecture.graph import (
    INPUT,
    GraphBuilder,
    Operator,
    OperatorGraph,
    Parameter,
    linear,
)
from archspec.architecture.operators import norm_operator
from archspec.mechanisms.base import Mechanism
from archspec.mechanisms.common.activation import Inner
from archspec.mechanisms.feedforward.dense.spec import DenseFeedForward
from archspec.mechanisms.feedforward.moe import router as routing
from archspec.mechanisms.feedforward.moe.router import Router
from archspec.spec.base import Factor, Size, Strict, reject
from archspec.spec.norm import OptionalNorm


class SharedExpert(Strict):
    """A feed-forward beside the chosen experts that every token uses.

    It has the experts' activation, gate and `up_offset`, and clamps and biases of its own.
    """

    intermediate_size: Size = Field(
        description="Width inside; that of several together is their sum."
    )
    gate: bool = Field(
        default=False, description="Its output is multiplied by σ of a linear map to one number."
    )
    bias: bool = Field(default=False, description="Its linear layers have biases.")
    clamp: Factor | None = Field(default=None, description="As for the experts.")
    clamp_after: Factor | None = Field(default=None, description="As for the experts.")
    average: bool = Field(
        default=False, description="The mean of both outputs is taken, in place of their sum."
    )


class Latent(Strict):
    """Tokens are narrower inside the experts; two linear layers lead there and back."""

    width: Size = Field(description="Width that the experts read and give.")
    bias: bool = Field(default=False, description="The two linear layers have biases.")


class MixtureOfExperts(Inner, Mechanism):
    """A router picks `top_k` of many feed-forwards for each token and adds their outputs.

    The router's stages, in order: score → choose → weigh; inside an expert: project → clamp →
    activation and product → project.
    """

    attribute: ClassVar[str] = "mlp"
    noun: ClassVar[str] = "MixtureOfExperts"

    type: Literal["moe"]
    experts: Size = Field(description="How many experts there are.")
    top_k: Size = Field(description="How many of them a token uses.")
    intermediate_size: Size = Field(description="Width inside one expert.")
    gated: bool = Field(
        default=True, description="down(activation(gate(x)) · up(x)) in place of two layers."
    )
    bias: bool = Field(default=False, description="The experts' linear layers have biases.")
    norm: OptionalNorm = Field(
        default=None,
        description="A norm of what the experts read, in place of the block's before the mixture.",
    )
    router: Router = Field(default=Router(), description="How experts are chosen.")
    renormalize: bool = Field(description="The weights of the chosen experts add up to one.")
    renormalize_epsilon: float = Field(
        default=0.0, ge=0, lt=1, description="Added to the sum that `renormalize` divides by."
    )
    renormalize_floor: float = Field(
        default=0.0, ge=0, lt=1, description="The least that `renormalize` divides by."
    )
    scale: Factor = Field(default=1.0, description="Multiplies the weights at the end.")
    router_weight_on: Literal["output", "input"] = Field(
        default="output",
        description="A weight multiplies what its expert gives, or what its expert reads.",
    )
    latent: Latent | None = Field(
        default=None,
        description="The experts work on a projection of the token; the router and the shared "
        "expert on the token itself.",
    )
    shared: SharedExpert | None = Field(
        default=None, description="A feed-forward beside the experts that every token uses."
    )

    @model_validator(mode="after")
    def _check(self) -> MixtureOfExperts:
        self.check_inner()
        if self.top_k > self.experts:
            reject("top_k", f"cannot choose {self.top_k} of {self.experts} experts")
        self.router.check(self.experts, self.top_k)
        if self.renormalize and self.router.score == "sparsemixer":
            reject("renormalize", "the weights of `sparsemixer` are not made to add up to one")
        for name in ("renormalize_epsilon", "renormalize_floor"):
            if getattr(self, name) and not self.renormalize:
                reject(name, "nothing is divided here", "renormalize: true")
        if self.renormalize_epsilon and self.renormalize_floor:
            reject("renormalize_floor", "a sum with `renormalize_epsilon` needs no floor")
        return self

    def shared_expert(self) -> DenseFeedForward | None:
        """The feed-forward that every token uses."""
        shared = self.shared
        return shared and DenseFeedForward(
            type="dense",
            intermediate_size=shared.intermediate_size,
            activation=self.activation,
            gated=self.gated,
            bias=shared.bias,
            clamp=shared.clamp,
            clamp_after=shared.clamp_after,
            up_offset=self.up_offset,
        )

    def expert_width(self, hidden_size: int) -> int:
        """The width that experts read and give."""
        return self.latent.width if self.latent else hidden_size

    def norms_itself(self) -> bool:
        """With a norm of its own it reads x as it is, and so does its router."""
        return self.norm is not None

    def title(self) -> str:
        """The name on the block."""
        return "Mixture of experts"

    def role(self) -> str:
        """The same wherever it stands."""
        return "MixtureOfExperts"

    def caption(self, hidden_size: int) -> str:
        """How many experts, how many of them active, and their widths."""
        return " ".join(self.sentences(hidden_size))

    def sentences(self, hidden_size: int) -> list[str]:
        """The caption: about the experts, what they read, and the shared expert."""
        limit, width = self.router.limit, f"{hidden_size:,}"
        inner = f"{self.expert_width(hidden_size):,}"
        groups = f" from the best {limit.keep} of {limit.count} groups" if limit else ""
        text = [
            f"{self.top_k} of {self.experts} experts for each token{groups}, each "
            f"{inner} → {self.intermediate_size:,} → {inner}."
        ]
        if self.latent:
            text.append(f"They work on tokens projected from {width} to {inner} numbers.")
        if self.shared:
            gated = "gated " if self.shared.gate else ""
            inside = f"{width} → {self.shared.intermediate_size:,} → {width}"
            text.append(f"A {gated}shared expert for every token, {inside}.")
        return text

    def graph(self, hidden_size: int) -> OperatorGraph:
        """Router and experts, and the shared expert as a path of its own."""
        build = GraphBuilder(hidden_size)
        chosen, x = routing.add(build, self), INPUT
        if self.norm:
            x = build.add(norm_operator("norm", self.norm, hidden_size), x)
        inner, latent, read = self.expert_width(hidden_size), self.latent, x
        if latent:
            there = linear("latent_in", "Linear to latent", hidden_size, (inner,), latent.bias)
            read = build.add(there, x)
        experts = Operator("experts", "experts", "Experts", (inner,), inside=self._expert(inner))
        if self.router_weight_on == "input":
            product = Operator("weighted", "multiply", "×", (inner,))
            weighted = build.add(product, read, (chosen, "weights"))
            last = build.add(experts, weighted, (chosen, "choice"))
        else:
            last = build.add(experts, read, (chosen, "weights"))
        if latent:
            back = linear("latent_out", "Linear from latent", inner, (hidden_size,), latent.bias)
            last = build.add(back, last)
        if self.shared:
            path = self._shared(build, x, self.shared.gate)
            last = build.add(Operator("sum", "add", "+", (hidden_size,)), last, path)
            if self.shared.average:
                last = build.add(Operator("average", "scale", "÷ 2", (hidden_size,)), last)
        return build.done(last)

    def _shared(self, build: GraphBuilder, x: str, gated: bool) -> str:
        dense, hidden_size = self.shared_expert(), build.width
        assert dense
        wide, inside = (hidden_size,), dense.graph(hidden_size)
        path = build.add(Operator("shared", "module", "Shared expert", wide, inside=inside), x)
        if not gated:
            return path
        gate = build.add(linear("shared_gate", "Linear gate", hidden_size, (1,)), x)
        share = build.add(Operator("share", "activation", "Sigmoid", (1,)), gate)
        return build.add(Operator("shared_product", "multiply", "×", wide), path, share)

    def _expert(self, width: int) -> OperatorGraph:
        wide, count, active = (
            self.intermediate_size,
            self.experts,
            Fraction(self.top_k, self.experts),
        )
        build = GraphBuilder(width)

        def stacked(name: str, label: str, inputs: int, outputs: int) -> Operator:
            tensors = [Parameter(name, (count, outputs, inputs), active)]
            if self.bias:
                tensors.append(Parameter(f"{name}_bias", (count, outputs), active))
            flops = 2 * inputs * outputs * self.top_k
            return Operator(name, "linear", label, (outputs,), tuple(tensors), per_token=flops)

        if self.gated:
            both = stacked("gate_up_proj", "Linear gate, up", width, 2 * wide)
            first = build.add(both, INPUT)
            inner = self.add_inner(build, (first, "up"), (first, "gate"), wide)
        else:
            first = build.add(stacked("up_proj", "Linear up", width, wide), INPUT)
            inner = self.add_inner(build, first, None, wide)
        return build.done(build.add(stacked("down_proj", "Linear down", wide, width), inner))
