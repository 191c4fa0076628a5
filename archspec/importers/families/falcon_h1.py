"""Falcon-H1 (arXiv 2507.22448): attention beside Mamba-2 in every layer, factors everywhere."""

from __future__ import annotations

from archspec.importers.checkpoint import layered
from archspec.importers.config import Config
from archspec.importers.family import Draft, Family, Fields
from archspec.importers.parts import attention, gated_feedforward, head_width, rmsnorm, uniform
from archspec.importers.rope import rope
from archspec.importers.state_space import KERNELS, Keys, limits, mamba2

_PARTS = ("gate", "input", "b", "c", "dt")
_KEYS = Keys(output_bias="projectors_bias")


def _describe(config: Config) -> Draft:
    attends, recurs = _attention(config), _mamba(config)
    gate, down = _factors(config, "mlp_multipliers", 2)
    inner = gated_feedforward(config, bias=config.flag("mlp_bias"))
    inner |= {"gate_scale": gate} if gate != 1 else {}
    inner |= {"output_scale": down} if down != 1 else {}
    embedding = _factor(config, "embedding_multiplier")
    logits = _factor(config, "lm_head_multiplier")
    names = {"feed_forward": "mlp", "pre_ff_layernorm": "post_attention_layernorm"}
    return uniform(
        config,
        {"mixer": [attends, recurs], "feedforward": inner},
        norm=rmsnorm(config),
        embedding={"scale": embedding} if embedding != 1 else None,
        head={"scale": logits} if logits != 1 else None,
        checkpoint={
            "prefix": "model.",
            "tensors": {**layered(names), "final_layernorm": "norm"},
        },
    )


def _attention(config: Config) -> Fields:
    bias = config.flag("attention_bias")
    # A factor on the keys is one on the scores.
    scale = _factor(config, "key_multiplier") * head_width(config) ** -0.5
    mixer = attention(config, qkv_bias=bias, output_bias=bias, rope=rope(config), scale=scale)
    ends = ("attention_in_multiplier", "attention_out_multiplier")
    return mixer | _ends(config, *ends)


def _mamba(config: Config) -> Fields:
    inner = config.size("mamba_expand") * config.size("hidden_size")
    inner = config.size_or("mamba_d_ssm", inner)
    least, most = limits(config)
    mixer = mamba2(config, _KEYS, inner=inner, least=least, most=most)
    first = config.flag("mamba_norm_before_gate")
    if not config.flag("mamba_rms_norm"):
        del mixer["norm"]
    elif first:
        mixer["norm"] = {"before_gate": True}
    factors = zip(_PARTS, _factors(config, "ssm_multipliers", len(_PARTS)), strict=True)
    if scales := {part: factor for part, factor in factors if factor != 1}:
        mixer["part_scales"] = scales
    return mixer | _ends(config, "ssm_in_multiplier", "ssm_out_multiplier")


def _ends(config: Config, before: str, after: str) -> Fields:
    """The factors of what a mixer reads and of what it gives."""
    factors = {"input_scale": _factor(config, before), "output_scale": _factor(config, after)}
    return {name: factor for name, factor in factors.items() if factor != 1}


def _factor(config: Config, key: str) -> float:
    factor = config.number(key, 1.0)
    if factor <= 0:
        config.refuse(key, "expected a positive number")
    return factor


def _factors(config: Config, key: str, count: int) -> list[float]:
    """As many factors under `key`, all 1 where the file has none."""
    factors = [1.0] * count if config.value(key) is None else config.numbers(key)
    if len(factors) != count or any(factor <= 0 for factor in factors):
        config.refuse(key, f"expected {count} positive numbers")
    return factors


FALCON_H1 = Family(
    model_type="falcon_h1",
    describe=_describe,
    defaults={
        "vocab_size": 128_000,
        "hidden_size": 4096,
        "intermediate_size": 14_336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "hidden_act": "silu",
        "max_position_embeddings": 8192,
        "rms_norm_eps": 1e-5,
        "mamba_d_ssm": 1024,
        "mamba_n_heads": 128,
        "mamba_n_groups": 1,
        "mamba_d_state": 256,
        "mamba_d_conv": 4,
        "mamba_expand": 2,
        "mamba_conv_bias": True,
        "mamba_norm_before_gate": True,
    },
    ignored=KERNELS | {"mamba_chunk_size", "num_logits_to_keep"},
    only={"mamba_use_mlp": True},
)
