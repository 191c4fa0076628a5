"""MiniMax-01 (arXiv 2501.08313): lightning attention, every few layers softmax attention, experts.

Each branch reads the norm of the stream and adds to that same norm, y = α · N(x) + β · f(N(x)).
That is a norm after each addition: the first norm is the embedding's, each other one belongs to
the branch before it, and the last one takes the place of the final norm. As a norm gives the same
for α x with eps as for x with eps / α², β / α is what a branch is scaled by.
"""

from __future__ import annotations

from archspec.importers import layers
from archspec.importers.checkpoint import layered
from archspec.importers.config import Config
from archspec.importers.experts import TRAINING, experts, sparse_block
from archspec.importers.family import Draft, Family, Fields
from archspec.importers.parts import activation, attention, decoder, head_width, rmsnorm
from archspec.importers.rope import rope

_LINEAR = "linear_attention"
_BEYOND = 1e-5
"""What the slopes of the first layer are raised by, and the depth, so that none divides by zero."""


def _describe(config: Config) -> Draft:
    count = layers.count(config)
    kinds = layers.kinds(
        config, lambda index: _LINEAR if index % 2 else layers.FULL, (layers.FULL, _LINEAR)
    )
    order = ["lightning" if kind == _LINEAR else "full" for kind in kinds]
    blocks = {name: _block(config, kind, count) for name, kind in zip(order, kinds, strict=True)}
    after = "post_feedforward_layernorm"
    steps = {f"layers.{i + 1}.input_layernorm": f"layers.{i}.{after}" for i in range(count - 1)}
    norms = {"layers.0.input_layernorm": "embed_norm", **steps}
    norms["norm"] = f"layers.{count - 1}.{after}"
    heads = config.size("num_attention_heads")
    names: Fields = {
        "self_attn.qkv_proj": {"to": _QKV, **({"groups": heads} if heads > 1 else {})},
        "self_attn.out_proj": "self_attn.o_proj",
        "self_attn.norm": "self_attn.o_norm",
        "self_attn.output_gate": "self_attn.gate_proj",
        **sparse_block(),
    }
    return decoder(
        config,
        order,
        blocks,
        norm=rmsnorm(config),
        embedding={"norm": True},
        final_norm=False,
        checkpoint={
            "prefix": "model.",
            "tensors": {**norms, **layered(names)},
            # Worked out from the layer's index; the others follow from the slopes.
            "constants": {"layers.{layer}.self_attn.slope_rate": "slopes"},
            "ignore": [f"layers.{{layer}}.self_attn.{name}" for name in _FOLLOWING],
        },
    )


_QKV = [f"self_attn.{name}_proj" for name in "qkv"]
_FOLLOWING = ("query_decay", "key_decay", "diagonal_decay")


def _block(config: Config, kind: str, count: int) -> Fields:
    mixture = experts(
        config, count="num_local_experts", width="intermediate_size", renormalize=True
    )
    full = attention(config, window=layers.window(config), rope=rope(config, 1e6))
    decay: Fields = {"type": "slopes", "factor": 1 + _BEYOND}
    if count > 1:
        decay["fall"] = 1 / (count - 1 + _BEYOND)
    lightning: Fields = {
        "type": "linear_attention",
        "heads": config.size("num_attention_heads"),
        "key_head_dim": head_width(config),
        "activation": activation(config),
        "scale": 1,
        "decay": decay,
        "output_norm": {"scope": "width", "eps": 1e-6},
        "gate": {"activation": "sigmoid"},
    }
    scaled = {name: _scaled(config, name) for name in ("full", "linear")}
    mixer = lightning if kind == _LINEAR else full
    around = scaled["linear" if kind == _LINEAR else "full"]
    return {"norm_position": "post", **around, "mixer": mixer, "feedforward": mixture}


def _scaled(config: Config, kind: str) -> Fields:
    """The scale of a block's branches, and the eps of the norms after them."""
    keys = f"{kind}_attn_alpha_factor", f"{kind}_attn_beta_factor"
    alpha, beta = (config.positive(key) for key in keys)
    for key, other, own in zip(_INNER, keys, (alpha, beta), strict=True):
        if config.positive(key) != own:
            config.refuse(key, f"archspec scales both branches alike, so `{other}` must equal it")
    out: Fields = {"residual_scale": beta / alpha} if beta != alpha else {}
    if alpha != 1:
        out["norm"] = {"eps": config.number("rms_norm_eps") / alpha**2}
    return out


_INNER = "mlp_alpha_factor", "mlp_beta_factor"


MINIMAX = Family(
    model_type="minimax",
    describe=_describe,
    defaults={
        "vocab_size": 32_000,
        "hidden_size": 4096,
        "intermediate_size": 14_336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "hidden_act": "silu",
        "max_position_embeddings": 131_072,
        "rms_norm_eps": 1e-5,
        "num_experts_per_tok": 2,
        "num_local_experts": 8,
        "full_attn_alpha_factor": 1,
        "full_attn_beta_factor": 1,
        "linear_attn_alpha_factor": 1,
        "linear_attn_beta_factor": 1,
        "mlp_alpha_factor": 1,
        "mlp_beta_factor": 1,
    },
    aliases={"num_experts": "num_local_experts"},
    # How many tokens are read at once.
    ignored=TRAINING | {"block_size"},
)
