"""Latent attention beside transformers on a CPU, in turns: medians and ratios.

.venv/bin/python bench/latent.py [--rounds 7] [--threads 1]

Two layers with narrow feed-forwards and a small vocabulary, so that the mixer is what is timed; the
peer is transformers with sdpa. A ratio above 1 means that the package is faster.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from timing import Prepare, take_turns
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, DynamicCache
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

import archspec
from archspec.codegen import build
from archspec.importers import import_config

SIZES: dict[str, Any] = {
    "vocab_size": 256,
    "hidden_size": 512,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "first_k_dense_replace": 2,
    "num_attention_heads": 8,
    "num_key_value_heads": 8,
    "q_lora_rank": 256,
    "kv_lora_rank": 128,
    "qk_nope_head_dim": 64,
    "qk_rope_head_dim": 32,
    "v_head_dim": 64,
    "max_position_embeddings": 8192,
    "pad_token_id": 0,
}
INDEX = {"index_n_heads": 16, "index_head_dim": 32, "index_topk": 256}
SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "latent": ("deepseek_v3", SIZES),
    "latent, best 256": ("deepseek_v32", SIZES | INDEX),
}
STRIDE = 4


def pair(kind: str, options: dict[str, Any], folder: Path) -> tuple[Any, nn.Module]:
    """The built model and transformers' with the same weights."""
    config = CONFIG_MAPPING[kind](**options)
    theirs = AutoModelForCausalLM.from_config(config, attn_implementation="sdpa").eval()
    text = import_config(json.loads(config.to_json_string(use_diff=False)))
    place = folder / f"built_{kind}"
    place.mkdir()
    for path, content in build(archspec.loads(text), text, "spec.yaml").items():
        (place / path).write_text(content, encoding="utf-8")
    package = importlib.import_module(place.name)
    ours = package.Model().eval()
    package.load_checkpoint(ours, theirs.state_dict())
    return ours, theirs


def prefill(ours: Any, theirs: nn.Module, tokens: int) -> dict[str, Prepare]:
    """Read a text at once."""
    text = torch.randint(3, 250, (1, tokens))
    return {
        "ours": lambda: lambda: void(ours(text)),
        "theirs": lambda: lambda: void(theirs(text, use_cache=False)),
    }


def train(ours: Any, theirs: nn.Module, tokens: int) -> dict[str, Prepare]:
    """Loss and gradients of a text."""
    text = torch.randint(3, 250, (1, tokens))
    return {
        "ours": lambda: lambda: ours(text, labels=text).backward(),
        "theirs": lambda: lambda: theirs(text, labels=text, use_cache=False).loss.backward(),
    }


def decode(ours: Any, theirs: nn.Module, tokens: int) -> dict[str, Prepare]:
    """Read single tokens after a text of `tokens`."""
    text, token = torch.randint(3, 250, (1, tokens)), torch.randint(3, 250, (1, 1))
    own, other = ours.new_cache(1, tokens + 100), DynamicCache(config=theirs.config)
    ours(text, cache=own)
    theirs(text, past_key_values=other)

    def stride(call: Callable[[], Tensor]) -> None:
        for _ in range(STRIDE):
            call()

    return {
        "ours": lambda: lambda: stride(lambda: ours(token, cache=own)),
        "theirs": lambda: lambda: stride(lambda: theirs(token, past_key_values=other).logits),
    }


def void(_: object) -> None:
    """Forget a result."""


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--clock", default="cpu", choices=["cpu", "wall"])
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        sys.path.insert(0, folder)
        for name, (kind, options) in SHAPES.items():
            ours, theirs = pair(kind, options, Path(folder))
            works = [
                (prefill, 1024),
                (prefill, 2048),
                (train, 1024),
                (decode, 1024),
                (decode, 2048),
            ]
            for work, tokens in works:
                with torch.set_grad_enabled(work is train):
                    contenders = work(ours, theirs, tokens)
                    times = take_turns(contenders, arguments.rounds, arguments.clock)
                low, high = times.spread()
                print(
                    f"{name:18} {work.__name__:8} {tokens:5} tokens: "
                    f"{1000 * times.median('ours'):8.1f} ms, {times.ratio():5.2f} times as fast "
                    f"({low:.2f} to {high:.2f})",
                    flush=True,
                )


if __name__ == "__main__":
    main()
