"""A sparse mixture of experts (arXiv 1701.06538, 2101.03961)."""

from __future__ import annotations

from fractions import Fraction
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from archspec.graph import INPUT, GraphBuilder, Operator, OperatorGraph, Parameter
from archspec.mechanisms.base import Mechanism
from archspec.spec.activation import CAPTIONS, Activation
from archspec.spec.base import Factor, Size, Strict, reject


class Router(Strict):
    """Scores each expert for a token by a linear layer."""

    score: Literal["softmax"] = Field(default="softmax", description="How logits become weights.")
    bias: bool = Field(default=False, description="The router's linear layer has a bias.")


class MixtureOfExperts(Mechanism):
    """A router picks `top_k` of many gated feed-forwards for each token and adds their outputs.

    The stages, in order: score → select → weigh; inside an expert: project → clamp →
    activation and product → project.
    """

    attribute: ClassVar[str] = "mlp"
    noun: ClassVar[str] = "MixtureOfExperts"

    type: Literal["moe"]
    experts: Size = Field(description="How many experts there are.")
    top_k: Size = Field(description="How many of them a token uses.")
    hidden_size: Size = Field(description="Width inside one expert.")
    activation: Activation = Field(description="Applied to an expert's gate.")
    bias: bool = Field(default=False, description="The experts' linear layers have biases.")
    clamp: Factor | None = Field(
        default=None,
        description="Before the activation, gate ≤ clamp and |up| ≤ clamp.",
    )
    up_offset: float = Field(
        default=0.0, ge=-100, le=100, description="Added to `up` before the product."
    )
    router: Router = Field(default=Router(), description="How experts are chosen.")
    renormalize: bool = Field(description="The weights of the chosen experts add up to one.")

    @model_validator(mode="after")
    def _check(self) -> MixtureOfExperts:
        if self.top_k > self.experts:
            reject("top_k", f"cannot choose {self.top_k} of {self.experts} experts")
        return self

    def title(self) -> str:
        """The name on the block."""
        return "Mixture of experts"

    def role(self) -> str:
        """The same wherever it stands."""
        return "MixtureOfExperts"

    def caption(self, hidden_size: int) -> str:
        """How many experts, how many of them active, and their width."""
        return (
            f"{self.top_k} of {self.experts} experts for each token, each "
            f"{hidden_size:,} → {self.hidden_size:,} → {hidden_size:,}."
        )

    def graph(self, hidden_size: int) -> OperatorGraph:
        """Router and experts; an expert's operators are inside `experts`."""
        build = GraphBuilder(hidden_size)
        weights = [Parameter("router.weight", (self.experts, hidden_size))]
        if self.router.bias:
            weights.append(Parameter("router.bias", (self.experts,)))
        router = Operator(
            "router",
            "router",
            "Router",
            (self.experts,),
            tuple(weights),
            per_token=2 * hidden_size * self.experts,
            detail=f"top {self.top_k} of {self.experts}",
        )
        chosen = build.add(router, INPUT)
        inside = self._expert(hidden_size)
        experts = Operator("experts", "experts", "Experts", (hidden_size,), inside=inside)
        return build.done(build.add(experts, INPUT, (chosen, "weights")))

    def _expert(self, hidden_size: int) -> OperatorGraph:
        wide, count, active = self.hidden_size, self.experts, Fraction(self.top_k, self.experts)
        build = GraphBuilder(hidden_size)

        def stacked(name: str, label: str, inputs: int, outputs: int) -> Operator:
            tensors = [Parameter(name, (count, outputs, inputs), active)]
            if self.bias:
                tensors.append(Parameter(f"{name}_bias", (count, outputs), active))
            flops = 2 * inputs * outputs * self.top_k
            return Operator(name, "linear", label, (outputs,), tuple(tensors), per_token=flops)

        last = build.add(stacked("gate_up_proj", "Linear gate, up", hidden_size, 2 * wide), INPUT)
        gate, up = (last, "gate"), (last, "up")
        if self.clamp is not None:
            limit = f"{self.clamp:g}"
            last = build.add(Operator("clamp", "clamp", "Clamp", (2 * wide,), detail=limit), last)
            gate, up = (last, "gate"), (last, "up")
        label = CAPTIONS[self.activation]
        act = build.add(Operator("activation", "activation", label, (wide,)), gate)
        if self.up_offset:
            offset = Operator("offset", "add", f"+{self.up_offset:g}", (wide,))
            up = (build.add(offset, up), "")
        inner = build.add(Operator("product", "multiply", "×", (wide,)), act, up)
        return build.done(build.add(stacked("down_proj", "Linear down", wide, hidden_size), inner))
