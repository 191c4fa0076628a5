"""State-space mixers as published."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from archspec.importers.config import Config
from archspec.importers.family import Fields
from archspec.importers.parts import activation

KERNELS = frozenset({"use_mamba_kernels", "use_mambapy", "use_falcon_mambapy"}) | {
    "use_associative_scan"
}
"""Options that choose an implementation."""

INITIAL = frozenset({"rescale_prenorm_residual", "residual_in_fp32", "time_step_floor"}) | {
    "time_step_init_scheme",
    "time_step_max",
    "time_step_min",
    "time_step_scale",
}
"""Options of fresh weights, and the type in which the residual stream is kept."""

NAMES = {"linear_attention": "mamba", "full_attention": "attention"}
"""How a block is called, by the kind of its mixer."""

OLDER = {"mamba": "linear_attention", "attention": "full_attention"}
"""The kinds of layers as older files call them."""


@dataclass(frozen=True)
class Keys:
    """Where a family keeps the sizes of Mamba-2; these are the usual names."""

    heads: str = "mamba_n_heads"
    head_dim: str = "mamba_d_head"
    state_dim: str = "mamba_d_state"
    groups: str = "mamba_n_groups"
    conv: str = "mamba_d_conv"
    conv_bias: str = "mamba_conv_bias"
    bias: str = "mamba_proj_bias"
    output_bias: str = ""
    """That of the output layer, where it has one of its own."""
    activation: str = "hidden_act"


def mamba2(
    config: Config,
    keys: Keys,
    *,
    expand: str | None = None,
    inner: int | None = None,
    least: float = 0.0,
    most: float = 0.0,
) -> Fields:
    """A Mamba-2 mixer with its gated norm.

    `expand` is the key of the inner width beside the model's, or `inner` that width, where the
    family has both it and the heads; Δ is at least `least`, and at most `most` unless that is 0.
    """
    _silu(config, keys.activation)
    heads = config.size(keys.heads)
    if expand:
        inner = config.size(expand) * config.size("hidden_size")
    if config.value(keys.head_dim) in (None, "auto") and inner:
        head_dim = inner // heads
    else:
        head_dim = config.size(keys.head_dim)
    if inner and heads * head_dim != inner:
        config.refuse(keys.heads, f"heads of width {head_dim} do not add up to {inner}")
    out: Fields = {"type": "mamba2", "heads": heads, "head_dim": head_dim}
    out["state_dim"] = config.size(keys.state_dim)
    if (groups := config.size(keys.groups)) != 1:
        out["groups"] = groups
    out |= _ends(config, keys.conv, keys.conv_bias, keys.bias, keys.output_bias)
    out |= {"dt_min": least} if least else {}
    out |= {"dt_max": most} if most else {}
    return out | {"norm": True}


def mamba(
    config: Config,
    *,
    inner_dim: int,
    prefix: str = "",
    conv: str = "conv_kernel",
    conv_bias: str = "use_conv_bias",
    bias: str = "use_bias",
    inner_norm: bool | Fields = False,
) -> Fields:
    """A Mamba mixer; `prefix` is that of the family's keys for its state and rank."""
    _silu(config, "hidden_act")
    state, rank = ("mamba_d_state", "mamba_dt_rank") if prefix else ("state_size", "time_step_rank")
    given = config.value(rank)
    usual = math.ceil(config.size("hidden_size") / 16)  # arXiv 2312.00752, section 3.6
    out: Fields = {"type": "mamba", "inner_dim": inner_dim, "state_dim": config.size(state)}
    out["dt_rank"] = usual if given in (None, "auto") else config.size(rank)
    out |= _ends(config, conv, conv_bias, bias)
    return out | ({"inner_norm": inner_norm} if inner_norm else {})


def limits(config: Config) -> tuple[float, float]:
    """The least and the largest Δ of `time_step_limit`; 0 stands for no bound."""
    given: Any = config.value("time_step_limit")
    if given is None:
        return 0.0, 0.0
    items = cast("Sequence[Any]", given) if isinstance(given, (list, tuple)) else ()
    # JSON has no infinity; one way to write it is an object.
    bounds = [math.inf if item == {"__float__": "Infinity"} else item for item in items]
    if len(bounds) != 2 or not all(_is_number(item) for item in bounds):
        config.refuse("time_step_limit", "expected two numbers")
    least, most = bounds
    if least < 0 or most <= 0:
        config.refuse("time_step_limit", "expected positive numbers")
    return float(least), 0.0 if math.isinf(most) else float(most)


def _is_number(item: Any) -> bool:
    return isinstance(item, (int, float)) and not isinstance(item, bool)


def _ends(config: Config, conv: str, conv_bias: str, bias: str, last: str = "") -> Fields:
    out: Fields = {"conv": config.size(conv)}
    out |= {"conv_bias": True} if config.flag(conv_bias) else {}
    out |= {"input_bias": True} if config.flag(bias) else {}
    return out | ({"output_bias": True} if config.flag(last or bias) else {})


def _silu(config: Config, key: str) -> None:
    if activation(config, key) != "silu":
        config.refuse(key, "state-space mixers have SiLU after the convolution")
