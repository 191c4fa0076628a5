"""Routers are imported as computed in float32 where transformers does that, and nowhere else."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode
from transformers import AutoModelForCausalLM

import archspec
from archspec.architecture.model import Architecture
from archspec.importers import import_config
from archspec.mechanisms.feedforward.moe.spec import MixtureOfExperts
from archspec.mechanisms.mixers.kimi_delta.spec import KimiDelta

from .oracle import TINY, as_file, configuration
from .test_import_parity import CASES, VARIANTS


class Products(TorchFunctionMode):
    """The types in which linear maps of one shape are computed."""

    def __init__(self, shape: tuple[int, int]):
        super().__init__()
        self.shape, self.types = shape, set[torch.dtype]()

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if getattr(func, "__name__", "") == "linear" and tuple(args[1].shape) == self.shape:
            self.types.add(args[1].dtype)
        return func(*args, **(kwargs or {}))


def mixtures(architecture: Architecture) -> list[MixtureOfExperts]:
    return [m for m in architecture.mechanisms if isinstance(m, MixtureOfExperts)]


@cache
def families() -> dict[str, tuple[Any, Architecture]]:
    """One configuration of each family with experts, and the imported architecture."""
    found: dict[str, tuple[Any, Architecture]] = {}
    sized = {name: (kind, {**TINY, **changes}) for name, (kind, changes) in CASES.items()}
    for model_type, options in (VARIANTS | sized).values():
        if model_type not in found:
            config = configuration(model_type, **options)
            architecture = archspec.loads(import_config(as_file(config)))
            if mixtures(architecture):
                found[model_type] = config, architecture
    return found


@cache
def published(model_type: str) -> tuple[torch.nn.Module, set[torch.dtype]]:
    """The family's model made in bfloat16, and the types in which it computes its router."""
    config, architecture = families()[model_type]
    options = {"attn_implementation": "eager", "experts_implementation": "eager"}
    torch.set_default_dtype(torch.bfloat16)
    try:
        model = AutoModelForCausalLM.from_config(config, **options).eval()
    finally:
        torch.set_default_dtype(torch.float32)
    shape = (mixtures(architecture)[0].experts, architecture.hidden_size)
    with Products(shape) as products, torch.no_grad():
        model(torch.arange(6)[None], use_cache=False)
    return model, products.types


FLOAT32 = [
    "bailing_hybrid",
    "deepseek_v2",
    "deepseek_v3",
    "deepseek_v32",
    "ernie4_5_moe",
    "glm4_moe",
    "glm_moe_dsa",
    "hunyuan_v1_moe",
    "kimi_linear",
    "nemotron_h",
]
IN_THE_MODEL_S_TYPE = [
    "afmoe",
    "dbrx",
    "gemma4_text",
    "gpt_oss",
    "granitemoe",
    "granitemoehybrid",
    "jamba",
    "laguna",
    "lfm2_moe",
    "llama4_text",
    "minimax",
    "minimax_m2",
    "mixtral",
    "olmoe",
    "phimoe",
    "qwen2_moe",
    "qwen3_5_moe_text",
    "qwen3_moe",
    "qwen3_next",
]


def test_every_family_with_experts_is_looked_at() -> None:
    assert sorted(families()) == sorted(FLOAT32 + IN_THE_MODEL_S_TYPE)


@pytest.mark.parametrize("model_type", FLOAT32 + IN_THE_MODEL_S_TYPE)
def test_a_router_is_computed_in_the_type_that_transformers_takes(model_type: str) -> None:
    exact = {mixture.router.exact for mixture in mixtures(families()[model_type][1])}
    types = {torch.float32 if model_type in FLOAT32 else torch.bfloat16}
    assert exact == {model_type in FLOAT32}
    assert published(model_type)[1] == types


@pytest.mark.parametrize("model_type", FLOAT32)
def test_what_transformers_keeps_in_float32_is_kept(model_type: str) -> None:
    """By `_keep_in_fp32_modules_strict`, or since a layer is made in that type."""
    model, architecture = published(model_type)[0], families()[model_type][1]
    strict = set(getattr(model, "_keep_in_fp32_modules_strict", None) or ())
    made = {name for name, p in model.named_parameters() if p.dtype == torch.float32}
    router = "gate.weight" in strict or any(name.endswith("gate.wg.weight") for name in made)
    assert {m.router.float32_weights for m in mixtures(architecture)} == {router}
    deltas = [m for m in architecture.mechanisms if isinstance(m, KimiDelta)]
    assert all(m.float32 == ({"A_log", "dt_bias", "conv1d"} <= strict) for m in deltas)
    named = {"e_score_correction_bias", "moe_statics", "gate.weight", "A_log", "dt_bias", "conv1d"}
    assert strict <= named, "transformers keeps something that archspec knows nothing of"
