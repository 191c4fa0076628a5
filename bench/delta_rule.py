"""Mixers by the delta rule beside transformers' PyTorch path: one layer, float32, one thread.

`python bench/delta_rule.py [tokens [mixers]]` prints medians of processor time, and how many times
as long as ours theirs takes, from runs that take turns.
"""

from __future__ import annotations

import importlib
import json
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from timing import take_turns
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, DynamicCache
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

import archspec
from archspec.codegen import build
from archspec.importers import import_config

SMALL: dict[str, Any] = {
    "vocab_size": 64,
    "hidden_size": 512,
    "num_hidden_layers": 2,
    "pad_token_id": 0,
}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "gated_deltanet": (
        "qwen3_next",
        {
            "linear_num_key_heads": 4,
            "linear_num_value_heads": 8,
            "mlp_only_layers": [0, 1],
            "intermediate_size": 64,
        },
    ),
    "kimi_delta": (
        "kimi_linear",
        {"linear_num_heads": 4, "mlp_layer_types": ["dense"] * 2, "intermediate_size": 64},
    ),
}
DECODED = 16


class Pair:
    """The first layer's mixer on both sides, with the same weights."""

    def __init__(self, name: str, folder: Path):
        family, options = CASES[name]
        self.config = CONFIG_MAPPING[family](
            **SMALL, **options, layer_types=["linear_attention", "full_attention"]
        )
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(self.config).eval()
        text = import_config(json.loads(self.config.to_json_string(use_diff=False)), name="bench")
        (folder / name).mkdir()
        for path, content in build(archspec.loads(text), text, "spec.yaml").items():
            (folder / name / path).write_text(content, encoding="utf-8")
        self.package = importlib.import_module(name)
        made = self.package.load_checkpoint(self.package.Model().eval(), model.state_dict())
        attribute = "linear_attn" if hasattr(made.layers[0], "linear_attn") else "self_attn"
        self.ours: nn.Module = getattr(made.layers[0], attribute)
        self.theirs: nn.Module = getattr(model.model.layers[0], attribute)

    def our_mixer(self, x: Tensor, cache: Any = None, start: int = 0) -> Tensor:
        step = self.package.model.make_step(start, x.shape[1], None, x)
        return self.ours(x, step, cache)

    def their_mixer(self, x: Tensor, cache: Any = None) -> Tensor:
        return self.theirs(hidden_states=x, cache_params=cache)

    def prefill(self, x: Tensor) -> tuple[Callable[[], Any], Callable[[], Any]]:
        """Both sides read `x` (B, T, C) without gradients."""

        def run(mixer: Callable[[Tensor], Tensor]) -> None:
            with torch.no_grad():
                mixer(x)

        return lambda: run(self.our_mixer), lambda: run(self.their_mixer)

    def training(self, x: Tensor) -> tuple[Callable[[], Any], Callable[[], Any]]:
        """Both sides read `x` forwards and backwards."""

        def run(mixer: Callable[[Tensor], Tensor]) -> None:
            mixer(x.detach().requires_grad_()).square().sum().backward()

        return lambda: run(self.our_mixer), lambda: run(self.their_mixer)

    def decoding(self, x: Tensor) -> tuple[Callable[[], Any], Callable[[], Any]]:
        """Both sides go on for some tokens after the first 64 of `x`."""
        first, rest = x[:, :64], x[:, 64 : 64 + DECODED].split(1, dim=1)

        @torch.no_grad()
        def ours() -> None:
            cache = self.ours.new_cache(1, 64 + DECODED, x)  # type: ignore[operator]
            self.our_mixer(first, cache)
            for t, token in enumerate(rest):
                self.our_mixer(token, cache, 64 + t)

        @torch.no_grad()
        def theirs() -> None:
            cache = DynamicCache(config=self.config)
            self.their_mixer(first, cache)
            for token in rest:
                self.their_mixer(token, cache)

        return ours, theirs


def main(tokens: int, names: list[str], rounds: int = 7) -> None:
    """Print a line for each mixer and kind of work."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        sys.path.insert(0, folder)
        for name in names or CASES:
            pair = Pair(name, Path(folder))
            x = torch.randn(1, tokens, SMALL["hidden_size"])
            with torch.no_grad():
                difference = (pair.our_mixer(x) - pair.their_mixer(x)).abs().max().item()
            print(f"{name}: {tokens} tokens, largest difference {difference:.1e}")
            kinds = {"prefill": pair.prefill, "training": pair.training, "decoding": pair.decoding}
            for kind, make in kinds.items():
                ours, theirs = make(x)
                sides = {"ours": lambda ours=ours: ours, "theirs": lambda theirs=theirs: theirs}
                times = take_turns(sides, rounds, "cpu")
                spent = [1e3 * times.median(side) for side in sides]
                print(f"  {kind:10}{spent[0]:9.1f} ms{spent[1]:10.1f} ms{times.ratio():8.2f} times")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1024, sys.argv[2:])
