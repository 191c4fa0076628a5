"""Qwen3 0.6B at its true size: a sharded checkpoint that transformers wrote, read and generated."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from conftest import ROOT, Builder
from transformers import Qwen3Config, Qwen3ForCausalLM

pytestmark = pytest.mark.filterwarnings("ignore")

CONFIG = Qwen3Config(
    vocab_size=151_936,
    hidden_size=1024,
    num_hidden_layers=28,
    intermediate_size=3072,
    num_attention_heads=16,
    num_key_value_heads=8,
    head_dim=128,
    max_position_embeddings=32_768,
    rope_parameters={"rope_type": "default", "rope_theta": 1_000_000.0},
    tie_word_embeddings=True,
    initializer_range=0.05,
)


@torch.no_grad()
def test_greedy_generation_gives_the_same_tokens(builder: Builder, tmp_path: Path) -> None:
    torch.manual_seed(0)
    theirs = Qwen3ForCausalLM(CONFIG).eval()
    theirs.save_pretrained(tmp_path, max_shard_size="600MB")
    assert (tmp_path / "model.safetensors.index.json").exists()
    prompt = torch.randint(CONFIG.vocab_size, (1, 16), generator=torch.Generator().manual_seed(3))
    expected = theirs.generate(prompt, max_new_tokens=32, do_sample=False, eos_token_id=None)
    del theirs

    package = builder.load((ROOT / "gallery/qwen3-0.6b.yaml").read_text(encoding="utf-8"))
    with torch.device("meta"):
        ours = package.Model()
    package.load_checkpoint(ours, tmp_path)
    found = ours.eval().generate(prompt, max_new_tokens=32)
    assert found.tolist() == expected.tolist()
    assert len(set(found[0, 16:].tolist())) > 8
