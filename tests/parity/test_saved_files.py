"""The files that transformers writes, with its published names, fill the built packages."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from cases import CASES
from conftest import Builder
from oracle import oracle

from archspec.importers import import_config

pytestmark = pytest.mark.filterwarnings("ignore")

# Experts in files stand one by one, in memory stacked; the others have layouts of their own.
SAVED = [
    "afmoe",
    "bailing_hybrid@acceptance",
    "bart-scaled",
    "cohere@acceptance",
    "dbrx",
    "ernie4_5_moe",
    "falcon-40b",
    "falcon-rw",
    "glm4_moe",
    "granitemoe",
    "hunyuan_v1_moe",
    "kimi_linear",
    "laguna",
    "llama4_text@acceptance",
    "minimax_m2",
    "mixtral",
    "olmoe",
    "opt@350m",
    "phimoe",
    "qwen2_moe",
    "qwen3_5_moe_text",
    "qwen3_5_text",
    "qwen3_moe",
    "qwen3_next",
    "stablelm-normed",
    "t5",
    "t5-gated",
]


@pytest.mark.parametrize("case", SAVED)
def test_a_saved_file_is_the_model_in_memory(case: str, builder: Builder, tmp_path: Path) -> None:
    assert case in CASES
    theirs, config = oracle(case)
    package = builder.load(import_config(config, name=case))
    memory = package.load_checkpoint(package.Model(), theirs.state_dict())
    theirs.save_pretrained(tmp_path)
    with torch.device("meta"):
        born = package.Model()
    for model in (package.Model(), born):
        package.load_checkpoint(model, tmp_path)
        for name, tensor in memory.state_dict().items():
            assert torch.equal(model.state_dict()[name], tensor), name
