"""Mamba, Mamba-2 and Falcon Mamba: layers of one state-space mixer and nothing else."""

from __future__ import annotations

from archspec.importers.checkpoint import layered
from archspec.importers.config import Config
from archspec.importers.family import Draft, Family, Fields
from archspec.importers.parts import rmsnorm, uniform
from archspec.importers.state_space import INITIAL, KERNELS, Keys, limits, mamba, mamba2

_LENGTH, _LONGER = 2048, 8192
"""The lengths that the families were trained at: nothing in a file or in a model bounds them."""


def _first(config: Config) -> Draft:
    return _describe(config, mamba(config, inner_dim=_inner(config)), _LENGTH)


def _normed(config: Config) -> Draft:
    norm: Fields = {"weight": False}
    if (eps := config.number("mixer_rms_eps")) != config.number("layer_norm_epsilon"):
        norm["eps"] = eps
    mixer = mamba(config, inner_dim=_inner(config), inner_norm=norm)
    return _describe(config, mixer, _LONGER)


def _second(config: Config) -> Draft:
    least, most = limits(config)
    keys = Keys(
        heads="num_heads",
        head_dim="head_dim",
        state_dim="state_size",
        groups="n_groups",
        conv="conv_kernel",
        conv_bias="use_conv_bias",
        bias="use_bias",
    )
    mixer = mamba2(config, keys, expand="expand", least=least, most=most)
    return _describe(config, mixer, _LENGTH)


def _inner(config: Config) -> int:
    inner = config.size("expand") * config.size("hidden_size")
    # What the class works out by itself; older files carry it too.
    if config.given("intermediate_size") and config.size("intermediate_size") != inner:
        config.refuse("intermediate_size", f"`expand` times `hidden_size` is {inner}")
    return inner


def _describe(config: Config, mixer: Fields, length: int) -> Draft:
    names = {"norm": "input_layernorm", "mixer": "mamba"}
    ends = {"embeddings": "embed_tokens", "embedding": "embed_tokens", "norm_f": "norm"}
    draft = uniform(
        config,
        {"mixer": mixer},
        norm=rmsnorm(config, "layer_norm_epsilon"),
        context_length=length,
        checkpoint={"prefix": "backbone.", "tensors": {**layered(names), **ends}},
    )
    draft.notes.append(f"The file names no context length; it was trained on {length:,} tokens.")
    return draft


_DEFAULTS = {
    "state_size": 16,
    "layer_norm_epsilon": 1e-5,
    "expand": 2,
    "conv_kernel": 4,
    "use_conv_bias": True,
    "hidden_act": "silu",
    "initializer_range": 0.1,
}
_FIRST = {**_DEFAULTS, "vocab_size": 50_280, "hidden_size": 768, "num_hidden_layers": 32}

MAMBA = Family(
    model_type="mamba",
    describe=_first,
    defaults={**_FIRST, "tie_word_embeddings": True},
    ignored=INITIAL | KERNELS,
)
FALCON_MAMBA = Family(
    model_type="falcon_mamba",
    describe=_normed,
    defaults={**_FIRST, "tie_word_embeddings": True, "mixer_rms_eps": 1e-6},
    ignored=INITIAL | KERNELS,
)
MAMBA2 = Family(
    model_type="mamba2",
    describe=_second,
    defaults={
        **_DEFAULTS,
        "num_heads": 128,
        "head_dim": 64,
        "vocab_size": 32_768,
        "hidden_size": 4096,
        "state_size": 128,
        "num_hidden_layers": 64,
        "n_groups": 8,
    },
    # The rank is the first Mamba's; the classes carry it and do not use it.
    ignored=INITIAL | KERNELS | {"chunk_size", "time_step_rank"},
    only={"norm_before_gate": False, "rms_norm": True},
)
