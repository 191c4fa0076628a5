"""What the templates of KDA see."""

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
from archspec.mechanisms.mixers.kimi_delta.spec import KimiDelta

FILE = "delta_attention.py"
PURPOSE = "the layers that keep a matrix for each head, its rows decaying one by one"
SHARED = (
    CONV,
    EXACT,
    START,
    WALK,
    SharedFile(
        "channel_delta_rule.py",
        "channel_delta_rule.py.jinja",
        "the delta rule with a decay for each channel, by tokens and by chunks",
    ),
)
CACHES = delta_view.CACHES
RULE = "mechanisms/common/definitions/delta_rule.py"


def _defined(views: list[DeltaView]) -> tuple[Defined, ...]:
    held = (Defined("channel_delta_rule", "channel_delta_rule", RULE, "delta_rule"),)
    return (*held, CONVOLUTION) if any(view.conv for view in views) else held


CHECKS = (
    Check(
        "The delta rule with a decay for each channel is compared with its definition likewise.",
        _defined,
        tokens=delta_view.TOKENS,
    ),
)


def view(mechanism: KimiDelta, site: Site) -> DeltaView:
    """Decide names and numbers for one mixer."""
    heads, width, rank = mechanism.heads, mechanism.key_head_dim, mechanism.decay_rank
    modules = [
        *delta_view.projection("f", site.hidden_size, heads, width, rank),
        delta_view.fresh_rates(mechanism, heads),
        delta_view.fresh_steps(mechanism, heads, width),
    ]
    bound = mechanism.lower_bound
    lines = [
        "rate = widened(self.A_log).exp()[:, None]  # (H, 1)",
        f"dt = widened({delta_view.projected('f', rank)}) + self.dt_bias",
        f"dt = dt.unflatten(-1, (-1, {width}))  # (B, T, H, K)",
        f"log_decay = {bound!r} * torch.sigmoid(rate * dt)"
        if bound
        # Not softplus, whose gradient torch.compile takes for contiguous when it is not.
        else "log_decay = rate * F.logsigmoid(-dt)  # −e^A softplus(dt)",
    ]
    return delta_view.delta_view(mechanism, site, "channel_delta_rule", modules, lines)


def shared(views: list[DeltaView]) -> dict[str, Any]:
    """The helpers that classes take."""
    return {"unit": any(view.l2_norm for view in views)}
