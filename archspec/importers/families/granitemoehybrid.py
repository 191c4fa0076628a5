"""Granite 4: Mamba-2 and attention, with or without rotation, with or without experts."""

from __future__ import annotations

from archspec.importers import layers
from archspec.importers.checkpoint import GATE_UP, layered
from archspec.importers.config import Config
from archspec.importers.experts import TRAINING
from archspec.importers.families import granite
from archspec.importers.family import Draft, Family, Fields
from archspec.importers.parts import activation, feedforward
from archspec.importers.rope import rope
from archspec.importers.state_space import KERNELS, NAMES, OLDER, Keys, limits, mamba2


def _describe(config: Config) -> Draft:
    if config.value("position_embedding_type") not in (None, "nope", "rope"):
        config.refuse("position_embedding_type")
    rotates = config.value("position_embedding_type") == "rope"
    rotation, (least, most) = rope(config), limits(config)
    sparse = config.number("num_local_experts") > 0

    # Both are read, so that a model without one may still carry its sizes.
    mixers = {
        layers.FULL: granite.attends(config, rotation if rotates else None),
        "linear_attention": mamba2(config, Keys(), expand="mamba_expand", least=least, most=most),
    }

    def block(kind: str) -> Fields:
        inner = _inner(config, sparse)
        return granite.scaled(config, {"mixer": mixers[kind], "feedforward": inner})

    order, blocks = layers.blocks(_kinds(config), block, NAMES)
    ours = "mlp.shared." if sparse else "mlp."
    names = {
        **(granite.mixture_names() if sparse else {}),
        "shared_mlp.input_linear": [name.replace("mlp.", ours) for name in GATE_UP],
        "shared_mlp.output_linear": f"{ours}down_proj",
    }
    return granite.stack(config, order, blocks, {"prefix": "model.", "tensors": layered(names)})


def _kinds(config: Config) -> list[str]:
    known = (*OLDER, *NAMES)
    kinds = layers.kinds(config, lambda index: "linear_attention", known)
    return [OLDER.get(kind, kind) for kind in kinds]


def _inner(config: Config, sparse: bool) -> Fields:
    width = config.size("shared_intermediate_size")
    if sparse:
        return granite.mixture(config, shared={"intermediate_size": width})
    # The experts' own sizes, of which there are none.
    config.seen |= {"intermediate_size", "num_experts_per_tok"}
    return feedforward(intermediate_size=width, activation=activation(config))


GRANITEMOEHYBRID = Family(
    model_type="granitemoehybrid",
    describe=_describe,
    defaults={
        **granite.DEFAULTS,
        "num_local_experts": 8,
        "num_experts_per_tok": 2,
        "shared_intermediate_size": 1024,
        "mamba_n_heads": 128,
        "mamba_n_groups": 1,
        "mamba_d_state": 256,
        "mamba_d_conv": 4,
        "mamba_expand": 2,
        "mamba_conv_bias": True,
    },
    aliases={"layers_block_type": "layer_types"},
    ignored=TRAINING | KERNELS | {"mamba_chunk_size", "logits_to_keep"},
    only={"normalization_function": "rmsnorm"},
)
