"""Imported specs have the names and shapes, windows and scales of transformers' models."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

import archspec
from archspec.architecture.model import Architecture
from archspec.importers import FAMILIES, import_config
from archspec.importers.family import Family

from .oracle import (
    GROUPED,
    TINY,
    WIDE,
    as_file,
    configuration,
    model,
    shapes,
)
from .shapes import mapped
from .variants.acceptance import ACCEPTANCE
from .variants.delta import DELTA
from .variants.families import FAMILIES as VARIED
from .variants.hybrids import HYBRIDS
from .variants.latent import LATENT

YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}
MIXED = ["full_attention", "sliding_attention", "sliding_attention", "full_attention"]
EXPERTS = {"num_local_experts": 4, "num_experts_per_tok": 2, "head_dim": 8}

VARIANTS = ACCEPTANCE | VARIED | LATENT | DELTA | HYBRIDS

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("bert", WIDE),
    "bert-relu-one-type": ("bert", {**WIDE, "hidden_act": "relu", "type_vocab_size": 1}),
    "bert-eps": ("bert", {**WIDE, "layer_norm_eps": 1e-5, "num_hidden_layers": 1}),
    "gpt2": ("gpt2", {}),
    "gpt2-inner": ("gpt2", {"n_inner": 80, "activation_function": "gelu"}),
    "gpt2-unscaled": ("gpt2", {"scale_attn_weights": False}),
    "gpt2-untied": ("gpt2", {"tie_word_embeddings": False}),
    "llama": ("llama", WIDE),
    "llama-grouped": ("llama", GROUPED),
    "llama-one-key-head": ("llama", {**WIDE, "num_key_value_heads": 1}),
    "llama-biases": ("llama", {**GROUPED, "attention_bias": True, "mlp_bias": True}),
    "llama-wide-heads": ("llama", {**GROUPED, "head_dim": 16, "tie_word_embeddings": True}),
    "llama-linear": ("llama", {**WIDE, "rope_scaling": {"type": "linear", "factor": 2.0}}),
    "llama-llama3": ("llama", {**WIDE, "rope_parameters": {**LLAMA3, "rope_theta": 5e5}}),
    "llama-yarn": ("llama", {**WIDE, "rope_parameters": {**YARN, "beta_fast": 16}}),
    "mistral": ("mistral", GROUPED),
    "mistral-window": ("mistral", {**GROUPED, "sliding_window": 8}),
    "mistral-no-window": ("mistral", {**GROUPED, "sliding_window": None, "head_dim": 16}),
    "qwen2": ("qwen2", GROUPED),
    "qwen2-late-windows": (
        "qwen2",
        {**GROUPED, "use_sliding_window": True, "sliding_window": 8, "max_window_layers": 2},
    ),
    "qwen2-all-windows": (
        "qwen2",
        {**GROUPED, "use_sliding_window": True, "sliding_window": 8, "max_window_layers": 0},
    ),
    "qwen2-tied": ("qwen2", {**GROUPED, "tie_word_embeddings": True}),
    "qwen3": ("qwen3", {**GROUPED, "head_dim": 16}),
    "qwen3-biases": ("qwen3", {**GROUPED, "attention_bias": True}),
    "qwen3-mixed": (
        "qwen3",
        {**GROUPED, "use_sliding_window": True, "sliding_window": 8, "layer_types": MIXED},
    ),
    "gemma3_text": ("gemma3_text", {**GROUPED, "num_hidden_layers": 8, "head_dim": 16}),
    "gemma3_text-mixed": ("gemma3_text", {**GROUPED, "layer_types": MIXED, "sliding_window": 8}),
    "gemma3_text-biases": ("gemma3_text", {**GROUPED, "attention_bias": True}),
    "gemma3_text-scale": ("gemma3_text", {**GROUPED, "query_pre_attn_scalar": 24}),
    "gemma3_text-untied": ("gemma3_text", {**GROUPED, "tie_word_embeddings": False}),
    "gemma3_text-linear": (
        "gemma3_text",
        {**GROUPED, "rope_scaling": {"rope_type": "linear", "factor": 8.0}},
    ),
    "gpt_oss": ("gpt_oss", {**GROUPED, **EXPERTS}),
    "gpt_oss-no-bias": ("gpt_oss", {**GROUPED, **EXPERTS, "attention_bias": False}),
    "gpt_oss-mixed": ("gpt_oss", {**GROUPED, **EXPERTS, "layer_types": MIXED}),
    "gpt_oss-limit": ("gpt_oss", {**GROUPED, **EXPERTS, "swiglu_limit": 5.0}),
    "gpt_oss-default-rope": (
        "gpt_oss",
        {**GROUPED, **EXPERTS, "rope_parameters": {"rope_type": "default", "rope_theta": 1e4}},
    ),
}
# transformers has no class of these names: `test_import_context` says which they are as.
RENAMED = ("kimi_k2",)
TYPES = [n for n, f in FAMILIES.items() if isinstance(f, Family) and n not in RENAMED]
# Of these the configuration classes' own defaults make no model that runs.
PARTIAL = ("dbrx", "deepseek_v2", "glm4_moe", "hunyuan_v1_moe", "lfm2_moe")
WHOLE = [name for name in TYPES if name not in PARTIAL]
TYPES_WITH_ROPE = ["gemma3_text", "gpt_oss", "llama", "mistral", "qwen2", "qwen3"]


def tiny(case: str) -> Any:
    model_type, changes = CASES[case]
    return configuration(model_type, **{**TINY, **changes})


def imported(config: Any) -> Architecture:
    return archspec.loads(import_config(as_file(config)))


def names_and_shapes(architecture: Architecture) -> dict[str, tuple[int, ...]]:
    return {parameter.name: parameter.shape for parameter in architecture.parameters()}


@pytest.mark.parametrize("case", CASES)
def test_names_and_shapes_are_those_of_transformers(case: str) -> None:
    config = tiny(case)
    architecture = imported(config)
    theirs = mapped(architecture, shapes(model(config)))
    assert names_and_shapes(architecture) == theirs


@pytest.mark.parametrize("case", VARIANTS)
def test_names_and_shapes_of_every_variant_are_those_of_transformers(case: str) -> None:
    kind, options = VARIANTS[case]
    config = configuration(kind, **options)
    architecture = imported(config)
    assert names_and_shapes(architecture) == mapped(architecture, shapes(model(config)))


@pytest.mark.parametrize("model_type", WHOLE)
def test_the_configuration_classes_defaults_import(model_type: str) -> None:
    config = configuration(model_type)
    architecture = imported(config)
    if not getattr(config, "hidden_size_per_layer_input", 0):  # a table that counts layers
        config.num_hidden_layers = 2  # equal layers need not all be built
        if hasattr(config, "layer_types"):
            with suppress(AttributeError):  # some derive it
                config.layer_types = config.layer_types[:2]
    theirs = mapped(architecture, shapes(model(config)))
    ours = names_and_shapes(architecture)
    assert theirs.items() <= ours.items()


@pytest.mark.parametrize("model_type", TYPES)
def test_transcribed_defaults_are_the_configuration_classes(model_type: str) -> None:
    family = FAMILIES[model_type]
    assert isinstance(family, Family)
    config = configuration(model_type)
    config.allow_global_per_layer_attribute_access = True
    # The class itself turns this one off, because `use_sliding_window` is.
    skipped = {"sliding_window"} if model_type.startswith("qwen") else set()
    theirs = {key: getattr(config, key) for key in family.defaults if key not in skipped}
    ours = {key: value for key, value in family.defaults.items() if key not in skipped}
    assert ours == theirs


@pytest.mark.parametrize("model_type", WHOLE)
def test_a_file_of_nothing_but_its_type_is_the_default_model(model_type: str) -> None:
    alone = archspec.loads(import_config({"model_type": model_type}))
    whole = imported(configuration(model_type))
    assert alone == whole


DERIVED = ["qwen2-late-windows", "qwen2-all-windows", "qwen2", "gemma3_text", "gpt_oss"]


@pytest.mark.parametrize("case", DERIVED)
def test_kinds_of_layers_are_derived_where_the_file_has_none(case: str) -> None:
    config = tiny(case)
    file = as_file(config)
    del file["layer_types"]
    assert archspec.loads(import_config(file)) == imported(config)


def attentions(module: Any) -> list[Any]:
    return [layer.self_attn for layer in module.model.layers]


@pytest.mark.parametrize("case", [c for c in CASES if CASES[c][0] in TYPES_WITH_ROPE])
def test_windows_are_those_of_transformers(case: str) -> None:
    config = tiny(case)
    whole = getattr(config, "sliding_window", None) if config.model_type == "mistral" else None
    theirs = [getattr(a, "sliding_window", whole) for a in attentions(model(config))]
    ours = [layer.block.branches[0].body.window for layer in imported(config).layers]
    assert ours == theirs


@pytest.mark.parametrize("case", [c for c in CASES if CASES[c][0] in TYPES_WITH_ROPE])
def test_score_scales_are_those_of_transformers(case: str) -> None:
    config = tiny(case)
    theirs = [a.scaling for a in attentions(model(config))]
    ours = [layer.block.branches[0].body.score_scale for layer in imported(config).layers]
    assert ours == theirs


YARNS: dict[str, dict[str, Any]] = {
    "plain": {},
    "attention_factor": {"attention_factor": 1.25},
    "mscale": {"mscale": 0.7, "mscale_all_dim": 1.3},
    "equal-mscales": {"mscale": 1.0, "mscale_all_dim": 1.0},
    "one-mscale": {"mscale": 0.7},
}


@pytest.mark.parametrize("options", YARNS.values(), ids=YARNS)
def test_yarn_has_the_temperature_of_transformers(options: dict[str, Any]) -> None:
    config = configuration("llama", **TINY, **WIDE, rope_parameters={**YARN, **options})
    theirs = model(config).model.rotary_emb.attention_scaling  # type: ignore[union-attr]
    rope = imported(config).layers[0].block.branches[0].body.rope
    assert rope.scaling.temperature() == pytest.approx(theirs, rel=1e-12)


def test_a_masked_language_model_keeps_its_body() -> None:
    from transformers import BertForMaskedLM

    config = configuration("bert", **TINY, **WIDE, architectures=["BertForMaskedLM"])
    architecture = imported(config)
    theirs = mapped(architecture, shapes(BertForMaskedLM(config)))
    assert names_and_shapes(architecture) == theirs


def test_the_decoder_of_a_classifier_keeps_its_body() -> None:
    from transformers import LlamaForSequenceClassification as Classifier

    config = configuration("llama", **TINY, **WIDE, architectures=[Classifier.__name__])
    architecture = imported(config)
    theirs = mapped(architecture, shapes(Classifier(config)))
    assert names_and_shapes(architecture) == theirs
