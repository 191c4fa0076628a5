"""The two sides of a comparison: a package built here, and transformers with either cache."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from shapes import Shape
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, DynamicCache, StaticCache
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

import archspec
from archspec.codegen import build
from archspec.importers import import_config
from archspec.output.place import put_files

Call = Callable[[Tensor], Tensor]
"""Reads tokens (1, T) into a cache and gives logits."""


def transformers_model(shape: Shape) -> nn.Module:
    """The model in transformers with sdpa, its weights drawn at random."""
    config = CONFIG_MAPPING[shape.family](**shape.options())
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(config, attn_implementation="sdpa").eval()


def write_package(shape: Shape, config: Any, folder: Path) -> str:
    """Import the configuration, build its package into `folder`; returns the package's name."""
    text = import_config(json.loads(config.to_json_string(use_diff=False)), name=shape.name)
    name = "built_" + shape.name.replace("-", "_")
    files = build(archspec.loads(text), text, "spec.yaml")
    put_files(files, folder / name)
    return name


class Pair:
    """The same weights on both sides."""

    def __init__(self, shape: Shape, folder: Path):
        self.theirs = transformers_model(shape)
        name = write_package(shape, self.theirs.config, folder)
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
        package = importlib.import_module(name)
        self.ours: nn.Module = package.Model().eval()
        package.load_checkpoint(self.ours, self.theirs.state_dict())
        self.agree()

    @torch.no_grad()
    def agree(self) -> None:
        """Raises AssertionError unless both give the same logits."""
        tokens = ids(300)
        found, expected = self.ours(tokens), self.theirs(tokens).logits
        torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)

    def readers(self, length: int) -> dict[str, Callable[[], Call]]:
        """For each contender, what makes a call with a fresh cache for `length` tokens."""

        def ours() -> Call:
            cache = self.ours.new_cache(1, length)
            return lambda tokens: self.ours(tokens, cache=cache)

        def theirs(cache: Any) -> Call:
            return lambda tokens: self.theirs(tokens, past_key_values=cache, use_cache=True).logits

        config = self.theirs.config
        return {
            "ours": ours,
            "dynamic": lambda: theirs(DynamicCache(config=config)),
            "static": lambda: theirs(StaticCache(config=config, max_cache_len=length)),
        }

    def trainers(self) -> dict[str, Callable[[Tensor], None]]:
        """For each contender, forward and backward of a text."""

        def ours(tokens: Tensor) -> None:
            self.ours(tokens, labels=tokens).backward()
            self.ours.zero_grad()

        def theirs(tokens: Tensor) -> None:
            self.theirs(tokens, labels=tokens, use_cache=False).loss.backward()
            self.theirs.zero_grad()

        return {"ours": ours, "transformers": theirs}


def ids(tokens: int) -> Tensor:
    """Token ids (1, T), always the same."""
    return torch.randint(3, 32_000, (1, tokens), generator=torch.Generator().manual_seed(1))
