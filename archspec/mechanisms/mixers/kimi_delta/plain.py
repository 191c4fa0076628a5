"""KDA in a plain file."""

from __future__ import annotations

from archspec.codegen.plain.facts import Facts, number, times
from archspec.codegen.plain.site import PlainClass, PlainSite
from archspec.mechanisms.common.delta_plain import (
    alike,
    delta_plain,
    differs,
    projected,
    projection,
    rates,
    varies,
)
from archspec.mechanisms.mixers.kimi_delta.spec import KimiDelta

__all__ = ["alike", "differs", "plain", "varies"]


def plain(m: KimiDelta, facts: Facts, site: PlainSite) -> PlainClass:
    """The class of all that are like `m`."""
    size = times(number(m.heads), number(m.key_head_dim))
    made = [
        *projection("f", site.width, size, m.decay_rank, bias=False),
        rates(m.heads),
        f"self.dt_bias = nn.Parameter(torch.zeros({size}))",
    ]
    dt = f"wide({projected('f', m.decay_rank)}) + self.dt_bias"
    rate = "wide(self.A_log).exp()[:, None]"
    log = f"-{rate} * F.softplus(dt)"
    if m.lower_bound is not None:
        log = f"{m.lower_bound!r} * torch.sigmoid({rate} * dt)"
    decay = [
        f"dt = {dt}",
        f"dt = dt.unflatten(2, ({m.heads}, {m.key_head_dim}))  # (B, T, H, K)",
        f"log_decay = {log}",
    ]
    return delta_plain(m, facts, site, made, decay)
