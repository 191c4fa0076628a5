"""What cannot be imported is refused by name: nothing is dropped in silence."""

from __future__ import annotations

from typing import Any

import pytest

from archspec.importers import FAMILIES, ConfigError, import_config

TYPES = sorted(FAMILIES)
# Its own default sizes make no model.
NEEDED: dict[str, dict[str, Any]] = {
    "deepseek_v2": {"num_experts_per_tok": 6},
    "glm4_moe": {"head_dim": 128},
    "lfm2_moe": {"num_hidden_layers": 1, "layer_types": ["conv"]},
}


def refusal(config: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        import_config(config)
    return str(caught.value)


@pytest.mark.parametrize("value", [3, True, False, "word", [1], {"a": 1}, 0])
def test_an_unknown_option_is_named(value: Any) -> None:
    """By every family."""
    silent: dict[str, str] = {}
    for model_type in TYPES:
        config = {"model_type": model_type, **NEEDED.get(model_type, {}), "made_up_option": value}
        try:
            silent[model_type] = import_config(config)
        except ConfigError as error:
            if "`made_up_option` is" not in str(error):
                silent[model_type] = str(error)
    assert silent == {}


def test_an_unknown_option_of_a_part_is_named_with_its_way() -> None:
    message = refusal({"model_type": "gemma3", "text_config": {"made_up_option": 3}})
    assert "`text_config.made_up_option` is 3" in message


def test_every_unknown_option_is_named_at_once() -> None:
    message = refusal({"model_type": "llama", "first_odd_one": 1, "second_odd_one": 2})
    assert "first_odd_one" in message and "second_odd_one" in message


def test_a_near_miss_is_suggested() -> None:
    message = refusal({"model_type": "llama", "num_key_value_head": 8})
    assert "did you mean num_key_value_heads?" in message


def test_a_flood_of_unknown_options_is_cut() -> None:
    message = refusal({"model_type": "llama", **{f"odd_{i}": i for i in range(5000)}})
    assert "and 4980 more" in message


@pytest.mark.parametrize(
    ("model_type", "near"), [("lama", "llama"), ("qwen4", "qwen3"), ("gptoss", "gpt_oss")]
)
def test_an_unknown_type_suggests_the_near_ones(model_type: str, near: str) -> None:
    assert near in refusal({"model_type": model_type}).partition("did you mean")[2]


def test_an_unknown_type_unlike_any_lists_them() -> None:
    assert "known are afmoe, bailing_hybrid, bamba, bart" in refusal({"model_type": "zzzz"})


@pytest.mark.parametrize("config", [{}, {"model_type": None}, {"model_type": ["llama"]}])
def test_a_type_is_needed(config: dict[str, Any]) -> None:
    assert "no `model_type`" in refusal(config)


OPTIONS: dict[str, tuple[str, dict[str, Any], str]] = {
    "bert-decoder": ("bert", {"is_decoder": True}, "`is_decoder` is true"),
    "bert-cross": ("bert", {"add_cross_attention": True}, "`add_cross_attention` is true"),
    "bert-positions": (
        "bert",
        {"position_embedding_type": "relative_key"},
        '`position_embedding_type` is "relative_key"',
    ),
    "bert-pruned": ("bert", {"pruned_heads": {"1": [0]}}, "`pruned_heads` is"),
    "gpt2-layer-scale": (
        "gpt2",
        {"scale_attn_by_inverse_layer_idx": True},
        "`scale_attn_by_inverse_layer_idx` is true",
    ),
    "gpt2-cross": ("gpt2", {"add_cross_attention": True}, "`add_cross_attention` is true"),
    "gpt2-two-sizes": ("gpt2", {"n_embd": 64, "hidden_size": 32}, "`hidden_size`"),
    "encoder-decoder": ("llama", {"is_encoder_decoder": True}, "`is_encoder_decoder` is true"),
    "per-layer": ("llama", {"per_layer_config": {"1": {}}}, "`per_layer_config` is"),
    "activation": ("llama", {"hidden_act": "mish"}, '`hidden_act` is "mish"'),
    "architectures": ("llama", {"architectures": [3]}, "`architectures` is [3]"),
    "mistral-layers": ("mistral", {"layer_types": ["full_attention"] * 32}, "`layer_types` is"),
    "qwen2-mrope": ("qwen2", {"use_mrope": True}, "`use_mrope` is true"),
    "qwen2-no-window": ("qwen2", {"layer_types": ["sliding_attention"] * 32}, "no window in use"),
    "gemma3-score-cap": (
        "gemma3_text",
        {"attn_logit_softcapping": 50.0},
        "`attn_logit_softcapping` is 50.0",
    ),
    "gemma3-logit-cap": (
        "gemma3_text",
        {"final_logit_softcapping": 30.0},
        "`final_logit_softcapping` is 30.0",
    ),
    "gemma3-both-ways": (
        "gemma3_text",
        {"use_bidirectional_attention": True},
        "`use_bidirectional_attention` is true",
    ),
    "gemma3-no-window": ("gemma3_text", {"sliding_window": None}, "`sliding_window` is null"),
    "gemma3-flat-rope": (
        "gemma3_text",
        {"rope_parameters": {"rope_theta": 5e4}},
        "`rope_parameters.rope_theta` is 50000.0",
    ),
    "gemma3-ties": (
        "gemma3",
        {"tie_word_embeddings": True, "text_config": {"tie_word_embeddings": False}},
        "`text_config.tie_word_embeddings` disagree",
    ),
    "gemma3-other-text": (
        "gemma3",
        {"text_config": {"model_type": "gemma4_text"}},
        '`text_config.model_type` is "gemma4_text"',
    ),
    "gemma3-part-quantized": (
        "gemma3",
        {"text_config": {"quantization_config": {"quant_method": "awq"}}},
        "`text_config.quantization_config` is",
    ),
    "gpt_oss-gain": ("gpt_oss", {"swiglu_alpha": 2.0}, "`swiglu_alpha` is 2.0"),
    "gpt_oss-active": ("gpt_oss", {"experts_per_token": 2}, "`experts_per_token` is 2"),
    "opt-share": ("opt", {"share": 4}, "`share` is 4"),
    "mpt-wide": ("mpt", {"expansion_ratio": 2}, "`expansion_ratio` is 2"),
    "mpt-slopes": (
        "mpt",
        {"attn_config": {"alibi_bias_max": 16}},
        "`attn_config.alibi_bias_max` is",
    ),
    "mpt-odd": ("mpt", {"attn_config": {"odd": 1}}, "`attn_config.odd` is 1"),
    "bloom-residual": (
        "bloom",
        {"apply_residual_connection_post_layernorm": True},
        "`apply_residual_connection_post_layernorm` is true",
    ),
    "falcon-heads": (
        "falcon",
        {"multi_query": False, "num_kv_heads": 8},
        "`num_kv_heads` is 8",
    ),
    "falcon-norms": ("falcon", {"num_ln_in_parallel_attn": 2}, "`num_ln_in_parallel_attn` is 2"),
    "falcon-branches": (
        "falcon",
        {"new_decoder_architecture": True, "parallel_attn": False},
        "`parallel_attn` is false",
    ),
    "dbrx-norm": (
        "dbrx",
        {"ffn_config": {"moe_normalize_expert_weights": 2.0}},
        "`ffn_config.moe_normalize_expert_weights` is 2.0",
    ),
    "dbrx-activation": (
        "dbrx",
        {"ffn_config": {"ffn_act_fn": {"name": "gelu"}}},
        '`ffn_config.ffn_act_fn.name` is "gelu"',
    ),
    "olmoe-clip": ("olmoe", {"clip_qkv": 8.0}, "`clip_qkv` is 8.0"),
    "phimoe-three": ("phimoe", {"num_experts_per_tok": 3}, "`num_experts_per_tok` is 3"),
    "gemma-both-ways": (
        "gemma",
        {"use_bidirectional_attention": True},
        "`use_bidirectional_attention` is true",
    ),
    "granite-logits": ("granite", {"logits_scaling": 0}, "`logits_scaling` is 0"),
    "smollm3-list": ("smollm3", {"no_rope_layers": [1, 0]}, "2 entries for 36 layers"),
    "llama4-list": ("llama4_text", {"moe_layers": ["one"]}, "`moe_layers` is"),
    "laguna-gate": ("laguna", {"gating": False}, "`gating` is false"),
    "laguna-input": (
        "laguna",
        {"moe_apply_router_weight_on_input": True},
        "`moe_apply_router_weight_on_input` is true",
    ),
    "hunyuan-unequal": (
        "hunyuan_v1_moe",
        {"moe_topk": [1, 2], "num_hidden_layers": 2},
        "`moe_topk` is [1, 2]",
    ),
    "minimax-scores": ("minimax_m2", {"scoring_func": "softmax"}, '`scoring_func` is "softmax"'),
    "mamba-width": ("mamba", {"intermediate_size": 7}, "`intermediate_size` is 7"),
    "mamba2-heads": ("mamba2", {"num_heads": 3}, "`num_heads` is 3"),
    "mamba2-limit": ("mamba2", {"time_step_limit": [1]}, "`time_step_limit` is [1]"),
    "mamba2-negative": ("mamba2", {"time_step_limit": [-1, 2]}, "`time_step_limit` is [-1, 2]"),
    "mamba2-activation": ("mamba2", {"hidden_act": "gelu"}, '`hidden_act` is "gelu"'),
    "jamba-offset": ("jamba", {"attn_layer_offset": 8}, "`attn_layer_offset` is 8"),
    "bamba-layer": ("bamba", {"attn_layer_indices": [32]}, "`attn_layer_indices` is [32]"),
    "bamba-rotary": ("bamba", {"attn_rotary_emb": 128}, "`attn_rotary_emb` is 128"),
    "falcon_h1-width": ("falcon_h1", {"mamba_d_head": 7}, "`mamba_n_heads` is 128"),
    "falcon_h1-parts": ("falcon_h1", {"ssm_multipliers": [1, 2]}, "expected 5 positive numbers"),
    "falcon_h1-gate": ("falcon_h1", {"mlp_multipliers": [-1, 1]}, "expected 2 positive numbers"),
    "falcon_h1-keys": ("falcon_h1", {"key_multiplier": 0}, "`key_multiplier` is 0"),
    "falcon_h1-no-mlp": ("falcon_h1", {"mamba_use_mlp": False}, "`mamba_use_mlp` is false"),
    "granite-positions": (
        "granitemoehybrid",
        {"position_embedding_type": "alibi"},
        '`position_embedding_type` is "alibi"',
    ),
    "nemotron-letter": ("nemotron_h", {"hybrid_override_pattern": "MX"}, "a layer is 'X'"),
    "nemotron-count": (
        "nemotron_h",
        {"hybrid_override_pattern": "M*", "num_hidden_layers": 3},
        "`num_hidden_layers` disagrees",
    ),
    "nemotron-shared": ("nemotron_h", {"n_shared_experts": 2}, "`n_shared_experts` is 2"),
    "ernie-gate": ("ernie4_5_moe", {"moe_gate": "top2"}, '`moe_gate` is "top2"'),
    "deepseek-choice": (
        "deepseek_v2",
        {"num_experts_per_tok": 6, "topk_method": "noaux_tc"},
        '`topk_method` is "noaux_tc"',
    ),
    "deepseek-sum": (
        "deepseek_v2",
        {"num_experts_per_tok": 6, "norm_topk_prob": True},
        "`norm_topk_prob` is true",
    ),
    "deepseek-scores": ("deepseek_v3", {"scoring_func": "softmax"}, '`scoring_func` is "softmax"'),
    "deepseek-keys": ("deepseek_v3", {"num_key_value_heads": 8}, "`num_key_value_heads` is 8"),
    "t5-encoder": ("t5", {"architectures": ["T5EncoderModel"]}, '`architectures` is ["T5Enc'),
    "t5-gate": ("t5", {"feed_forward_proj": "glu-relu"}, '`feed_forward_proj` is "glu-relu"'),
    "t5-activation": ("t5", {"dense_act_fn": "mish"}, '`dense_act_fn` is "mish"'),
    "t5-decoder": ("t5", {"is_decoder": True}, "`is_decoder` is true"),
    "t5-layers": ("t5", {"num_decoder_layers": 0}, "`num_decoder_layers` is 0"),
    "bart-decoder": ("bart", {"architectures": ["BartForCausalLM"]}, '["BartForCausalLM"]'),
    "bart-before": ("bart", {"normalize_before": True}, "`normalize_before` is true"),
    "bart-fixed": ("bart", {"static_position_embeddings": True}, "`static_position_embeddings`"),
    "bart-heads": ("bart", {"decoder_attention_heads": 7}, "not a multiple of 7 decoder heads"),
    "layer-count": ("gpt_oss", {"layer_types": ["full_attention"]}, "1 entries for 36 layers"),
    "layer-kind": (
        "gpt_oss",
        {"layer_types": ["chunked_attention"] * 36},
        "'chunked_attention'",
    ),
}


@pytest.mark.parametrize("case", OPTIONS)
def test_an_option_beyond_the_language_is_named(case: str) -> None:
    model_type, options, expected = OPTIONS[case]
    assert expected in refusal({"model_type": model_type, **options})


ROPES: dict[str, tuple[dict[str, Any], str]] = {
    "longrope": (
        {"rope_type": "longrope", "short_factor": [1.0], "long_factor": 3},
        "`rope_scaling.long_factor` is 3",
    ),
    "mrope": ({"type": "mrope", "mrope_section": [16, 24, 24]}, '"mrope"'),
    "no-factor": ({"type": "linear"}, "`rope_scaling.factor` is null"),
    "odd-option": (
        {"type": "yarn", "factor": 2.0, "finetuned": True},
        "`rope_scaling.finetuned` is true",
    ),
    "part-of-a-head": (
        {"type": "linear", "factor": 2.0, "partial_rotary_factor": 0.5},
        "`rope_scaling.partial_rotary_factor` is 0.5",
    ),
    "not-a-name": ({"type": ["yarn"]}, "`rope_scaling.type` is"),
    "by-layer": ({"full_attention": {"rope_theta": 5.0}}, "`rope_scaling.full_attention` is"),
}


@pytest.mark.parametrize("case", ROPES)
def test_a_rotation_beyond_the_language_is_named(case: str) -> None:
    scaling, expected = ROPES[case]
    assert expected in refusal({"model_type": "llama", "rope_scaling": scaling})


def test_two_rotations_that_disagree_are_refused() -> None:
    old, new = {"type": "linear", "factor": 2.0}, {"rope_type": "linear", "factor": 4.0}
    message = refusal({"model_type": "llama", "rope_scaling": old, "rope_parameters": new})
    assert "disagree" in message


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("vocab_size", "many"),
        ("hidden_size", 0),
        ("hidden_size", 32.5),
        ("hidden_size", True),
        ("num_hidden_layers", -1),
        ("num_hidden_layers", 10**9),
        ("num_hidden_layers", 10**30),
        ("num_attention_heads", None),
        ("rms_norm_eps", "small"),
        ("rms_norm_eps", float("nan")),
        ("rope_theta", float("inf")),
        ("tie_word_embeddings", "yes"),
        ("rope_scaling", [1]),
        ("hidden_act", 3),
    ],
)
def test_a_value_of_the_wrong_kind_is_named(key: str, value: Any) -> None:
    assert f"`{key}` is" in refusal({"model_type": "llama", key: value})


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    assert "not a multiple of 7 heads" in refusal({"model_type": "llama", "num_attention_heads": 7})


def test_sizes_that_make_no_model_are_refused_in_the_words_of_the_language() -> None:
    message = refusal({"model_type": "llama", "num_key_value_heads": 5})
    assert "32 heads cannot share 5 key-value heads evenly" in message


def test_layers_without_a_rule_are_asked_for() -> None:
    assert "`layer_types` is null" in refusal({"model_type": "lfm2_moe"})


@pytest.mark.parametrize("key", ["mlp_alpha_factor", "linear_attn_beta_factor"])
def test_branches_that_are_scaled_differently_are_refused(key: str) -> None:
    message = refusal({"model_type": "minimax", key: 2.5})
    assert "archspec scales both branches alike" in message
    assert "_factor" in message


def test_a_branch_scaled_by_nothing_is_refused() -> None:
    message = refusal({"model_type": "minimax", "full_attn_alpha_factor": 0})
    assert "`full_attn_alpha_factor` is 0; expected a positive number" in message


@pytest.mark.parametrize("value", [0, -1, 1e-300, float("inf")])
def test_a_number_that_cannot_be_is_refused_in_words(value: float) -> None:
    broken: list[str] = []
    for model_type, family in FAMILIES.items():
        for key, usual in getattr(family, "defaults", {}).items():
            if isinstance(usual, (int, float)) and not isinstance(usual, bool):
                try:
                    import_config({"model_type": model_type, key: value})
                except ConfigError:
                    continue
                except Exception as error:
                    broken.append(f"{model_type}.{key}: {error!r}")
    assert broken == []
