"""Gated DeltaNet in a plain file."""

from __future__ import annotations

from archspec.codegen.plain.facts import Facts, number
from archspec.codegen.plain.site import PlainClass, PlainSite, linear
from archspec.mechanisms.common.delta_plain import alike, delta_plain, differs, rates, varies
from archspec.mechanisms.mixers.gated_deltanet.spec import GatedDeltaNet

__all__ = ["alike", "differs", "plain", "varies"]


def plain(m: GatedDeltaNet, facts: Facts, site: PlainSite) -> PlainClass:
    """The class of all that are like `m`."""
    if m.decay == "none":
        return delta_plain(m, facts, site, [], [])
    heads = number(m.value_heads)
    made = [
        linear("a_proj", site.width, heads),
        rates(m.value_heads),
        f"self.dt_bias = nn.Parameter(torch.zeros({heads}))",
    ]
    decay = [
        "dt = F.softplus(wide(self.a_proj(x)) + self.dt_bias)  # (B, T, H)",
        "log_decay = (-wide(self.A_log).exp() * dt)[..., None]",
    ]
    return delta_plain(m, facts, site, made, decay)
