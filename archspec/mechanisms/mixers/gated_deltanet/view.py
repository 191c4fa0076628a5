"""What the templates of Gated DeltaNet see."""

from __future__ import annotations

from typing import Any

from archspec.codegen.definitions import Defined
from archspec.codegen.files import SharedFile
from archspec.codegen.site import Check, Site
from archspec.codegen.tensor_files import EXACT, START
from archspec.mechanisms.common import delta_view
from archspec.mechanisms.common.chunks import WALK
from archspec.mechanisms.common.conv import CONV, CONVOLUTION
from archspec.mechanisms.common.delta_view import DeltaView
from archspec.mechanisms.mixers.gated_deltanet.spec import GatedDeltaNet

FILE = "deltanet.py"
PURPOSE = "the layers that keep a matrix for each head"
SHARED = (
    CONV,
    EXACT,
    START,
    WALK,
    SharedFile("delta_rule.py", "delta_rule.py.jinja", "the delta rule, by tokens and by chunks"),
)
CACHES = delta_view.CACHES
RULE = "mechanisms/common/definitions/delta_rule.py"


def _defined(views: list[DeltaView]) -> tuple[Defined, ...]:
    names = {
        "gated_delta_rule": ("delta_rule", ()),
        "delta_rule": ("undecayed_delta_rule", ("delta_rule",)),
    }
    rules = dict.fromkeys(view.rule for view in views)
    held = tuple(Defined("delta_rule", rule, RULE, *names[rule]) for rule in rules)
    return (*held, CONVOLUTION) if any(view.conv for view in views) else held


CHECKS = (
    Check(
        "The delta rule is compared with its definition, values and gradients.",
        _defined,
        tokens=delta_view.TOKENS,
    ),
)


def view(mechanism: GatedDeltaNet, site: Site) -> DeltaView:
    """Decide names and numbers for one mixer."""
    if mechanism.decay == "none":
        return delta_view.delta_view(mechanism, site, "delta_rule", [], [])
    heads = mechanism.value_heads
    modules = [
        delta_view.linear("a_proj", site.hidden_size, heads, 1),
        delta_view.fresh_rates(mechanism, heads),
        delta_view.fresh_steps(mechanism, heads),
    ]
    lines = [
        "rate = widened(self.A_log).exp()[:, None]  # (H, 1)",
        "dt = widened(self.a_proj(x)) + self.dt_bias",
        # Not softplus, whose gradient torch.compile takes for contiguous when it is not.
        "log_decay = rate * F.logsigmoid(-dt)[..., None]  # −e^A softplus(dt), (B, T, H, 1)",
    ]
    return delta_view.delta_view(mechanism, site, "gated_delta_rule", modules, lines)


def shared(views: list[DeltaView]) -> dict[str, Any]:
    """Which functions are needed, and the helpers that classes take."""
    rules = list(dict.fromkeys(view.rule for view in views))
    return {"rules": rules, "unit": any(view.l2_norm for view in views)}
