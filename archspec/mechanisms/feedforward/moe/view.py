"""What the templates of the mixture of experts see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from archspec.codegen.definitions import Defined
from archspec.codegen.files import SharedFile, nothing
from archspec.codegen.site import Check, Site
from archspec.codegen.tensor_files import EXACT
from archspec.kernels.experts import (
    COMBINE_KERNELS,
    EXPERT_KERNELS,
    ROUTER_KERNELS,
    TILES,
    ExpertTiles,
    in_kernels,
    is_ragged,
)
from archspec.kernels.gate import GATE_KERNELS, GATES, Gate, gate, shared
from archspec.mechanisms.common.activation import InnerView, inner_view
from archspec.mechanisms.feedforward.dense import view as dense
from archspec.mechanisms.feedforward.moe.router import Router
from archspec.mechanisms.feedforward.moe.router_view import (
    RouterView,
    router_view,
    stages_of,
    starts,
)
from archspec.mechanisms.feedforward.moe.routing import (
    RouterKernel,
    route_name,
    router_kernel,
)
from archspec.mechanisms.feedforward.moe.spec import MixtureOfExperts

__all__ = ["CACHES", "CHECKS", "FILE", "PURPOSE", "SHARED", "shared", "view"]

FILE = "experts.py"
PURPOSE = "the router and the experts"


COUNT = "self.router.out_features"
"""The expression for how many experts there are, which stands once."""


def grouped(views: list[ExpertsView]) -> dict[str, Any]:
    """Whether any of the maps has a bias, and any tokens are weighed after them."""
    return {
        "biased": any(view.bias for view in views),
        "combined": any(view.weighs_output for view in views),
    }


SHARED = (
    EXACT,
    SharedFile(
        "grouped.py",
        "grouped.py.jinja",
        "tokens to the rows of their experts, and back",
        operators=True,
        context=grouped,
    ),
    SharedFile("routing.py", "routing.py.jinja", "which experts a token goes to", context=nothing),
    GATES,
    GATE_KERNELS,
    EXPERT_KERNELS,
    COMBINE_KERNELS,
    ROUTER_KERNELS,
)
CACHES: Mapping[str, str] = {}
CHECKS = (
    Check(
        "Experts' linear maps are compared with their definition, values and gradients.",
        lambda _: (
            Defined(
                "grouped",
                "grouped_linear",
                "mechanisms/feedforward/moe/definition.py",
                "grouped_linear",
            ),
        ),
    ),
)


@dataclass(frozen=True)
class ExpertsView:
    """One mixture of experts: a class with the router, and one with the experts' weights."""

    class_name: str
    experts_class: str
    sentences: list[str]
    experts_caption: str
    width: int
    expert_width: int
    intermediate_size: int
    experts: int
    top_k: int
    router: RouterView
    members: dict[str, str]
    """What it is made of, in order: names and the expressions that make them."""

    inner: InnerView
    norm: bool
    """The experts read what its own norm gives."""

    bias: bool
    pairs: str
    """How many pairs of token and expert there are: `2·N`."""

    router_weight_on: str
    shared: dense.DenseView | None
    routed: str
    """The expression for what the experts give."""

    result: str
    """The expression for the output; with a shared expert, of `routed` and `shared`."""

    gate: tuple[Gate, ...]
    """Where the experts' gate meets `up`, if a kernel computes it."""

    corrected: bool
    """The router has a correction, which stays in float32 in a model of any type."""

    router_class: str
    starts: tuple[str, ...]
    """The statements that write what its own tensors start as."""

    routing: RouterKernel | None
    """The router as a kernel, where it is one."""

    each: int
    """How many rows read a token where kernels compute the experts."""

    summed: str
    """The expression for what the experts give a token, from `out`."""

    cache: None = None
    arguments: str = ""

    @property
    def drawn(self) -> tuple[str, ...]:
        """The classes whose matrices the model draws, as those of linear layers."""
        return (self.experts_class,)

    @property
    def exact(self) -> bool:
        """Whether a tensor of it stays in float32."""
        return self.corrected or self.router_class == "ExactRouter"

    @property
    def gates(self) -> tuple[Gate, ...]:
        """The same of all experts, the shared one among them."""
        return self.gate + (self.shared.gates if self.shared else ())

    @property
    def rows(self) -> int:
        """What the experts' first layer gives."""
        return 2 * self.intermediate_size if self.inner.gated else self.intermediate_size

    @property
    def ragged(self) -> bool:
        """Whether its widths leave part of a tile empty."""
        return is_ragged(self.expert_width, self.intermediate_size, self.rows)

    @property
    def weighs_output(self) -> bool:
        """The weights multiply what the experts give."""
        return self.router_weight_on == "output"

    @property
    def expert_tiles(self) -> ExpertTiles:
        """How the experts' products are cut."""
        return TILES

    @property
    def inside(self) -> str:
        """The expression for what the experts' last layer reads, from `h`."""
        for own in self.gate:
            return f"{own.name}(h{own.given})"
        return "self.gated(h)" if self.inner.gated else "self.activated(h)"


def view(mechanism: MixtureOfExperts, site: Site) -> ExpertsView:
    """Numbers and stages for one mixture."""
    own = mechanism.shared_expert()
    name = site.class_name.replace("MixtureOfExperts", "{}")
    beside = own and dense.view(own, replace(site, class_name=name.format("SharedExpert")))
    width, inside = site.hidden_size, mechanism.intermediate_size
    narrow, inner = mechanism.expert_width(width), inner_view(mechanism)
    return ExpertsView(
        class_name=site.class_name,
        experts_class=name.format("Experts"),
        sentences=mechanism.sentences(width),
        experts_caption=f"their weights stacked: {narrow:,} → {inside:,} → {narrow:,}",
        width=width,
        expert_width=narrow,
        intermediate_size=inside,
        experts=mechanism.experts,
        top_k=mechanism.top_k,
        router=router_view(mechanism, route_name(name)),
        inner=inner,
        gate=gate(inner, inside, packed=True),
        members=_members(mechanism, site, name.format("Experts"), beside),
        norm=mechanism.norm is not None,
        bias=mechanism.bias,
        pairs="N" if mechanism.top_k == 1 else f"{mechanism.top_k}·N",
        router_weight_on=mechanism.router_weight_on,
        shared=beside,
        routed=_routed(mechanism),
        corrected=mechanism.router.correction_bias,
        router_class=router_class(mechanism.router),
        starts=starts(mechanism.router),
        result=_result(mechanism),
        routing=router_kernel(mechanism, stages_of(mechanism), route_name(name)),
        **in_kernels(mechanism),
    )


def router_class(router: Router) -> str:
    """The class of its linear layer: PyTorch's where it is computed in the model's type."""
    if router.float32_weights:
        return "ExactRouter"
    return "Router" if router.exact else "nn.Linear"


def _routed(mechanism: MixtureOfExperts) -> str:
    if not mechanism.latent:
        return "self.experts(tokens, weights, chosen)"
    return "self.latent_out(self.experts(self.latent_in(tokens), weights, chosen))"


def _members(
    mechanism: MixtureOfExperts, site: Site, experts: str, shared: dense.DenseView | None
) -> dict[str, str]:
    width, count, router = site.hidden_size, mechanism.experts, mechanism.router
    out: dict[str, str] = {}
    if mechanism.norm:
        out["norm"] = site.norm(mechanism.norm, width)
    if router.norm:
        out["router_norm"] = site.norm(router.norm, width)
    kind = router_class(router)
    exact = ", dtype=exact_type()" if router.correction_bias else ""
    kept = ", dtype=exact_type()" if router.float32_weights else ""
    out["router"] = f"{kind}({width}, {count}, bias={router.bias}{kept})"
    if router.correction_bias:
        out["router_correction"] = f"nn.Buffer(torch.empty({COUNT}{exact}))"
    if router.expert_scale:
        out["expert_scale"] = f"nn.Parameter(torch.empty({COUNT}{exact}))"
    if mechanism.latent:
        inner, bias = mechanism.latent.width, mechanism.latent.bias
        out["latent_in"] = f"nn.Linear({width}, {inner}, bias={bias})"
        out["latent_out"] = f"nn.Linear({inner}, {width}, bias={bias})"
    out["experts"] = f"{experts}({COUNT})"
    if shared:
        out["shared"] = f"{shared.class_name}()"
    if mechanism.shared and mechanism.shared.gate:
        out["shared_gate"] = f"nn.Linear({width}, 1, bias=False)"
    return out


def _result(mechanism: MixtureOfExperts) -> str:
    if not mechanism.shared:
        return _routed(mechanism)
    total = "routed + shared"
    return f"(({total}) / 2)" if mechanism.shared.average else f"({total})"
