"""Mixers of built packages beside those of transformers on a CPU, in turns: medians and ratios.

.venv/bin/python bench/mixers.py [--rounds 7] [--tokens 1024] [--clock cpu] [--only mamba2]

One mixer at a time, in float32 on one thread, with the same weights and first asserted to give the
same. A ratio above 1 means that ours is faster; its quartiles stand beside it.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from mixer_cases import CASES, Case
from torch import Tensor, nn
from transformers import AutoModelForCausalLM
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.utils import logging

import archspec
from archspec.bench.timing import CLOCKS, Prepare, take_turns
from archspec.codegen import build
from archspec.importers import import_config
from archspec.output.place import put_files

DECODED = 16

Mixer = Callable[[Tensor, int, Any], Tensor]
"""Reads x (1, T, C) after so many tokens, with a cache or without one."""


class Pair:
    """The first layer's mixer on both sides, with the same weights."""

    def __init__(self, case: Case, folder: Path):
        self.case = case
        self.config = CONFIG_MAPPING[case.family](**case.options)
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(self.config).eval()
        text = import_config(json.loads(self.config.to_json_string(use_diff=False)), name="bench")
        put_files(build(archspec.loads(text), text, "spec.yaml"), folder)
        package = importlib.import_module(folder.name)
        made = package.load_checkpoint(package.Model().eval(), model.state_dict())
        parts = made.layers[0].children()
        self.own: nn.Module = next(part for part in parts if hasattr(part, "new_cache"))
        mixer, make_step = model.get_submodule(case.theirs), package.model.make_step

        def ours(x: Tensor, start: int, cache: Any) -> Tensor:
            step = make_step(start, x.shape[1], None, x)
            out = self.own(x, step, cache)
            if hasattr(step, "settle"):  # what is kept is written behind the last layer
                step.settle()
            return out

        def theirs(x: Tensor, start: int, cache: Any) -> Tensor:
            return case.call(model, mixer, x, start, cache)

        self.sides: dict[str, Mixer] = {"ours": ours, "theirs": theirs}

    def cache(self, side: str, length: int, like: Tensor) -> Any:
        """An empty cache of one side."""
        if side == "theirs":
            return self.case.cache(self.config)
        return self.own.new_cache(1, length, like)  # type: ignore[operator]

    @torch.no_grad()
    def agree(self, x: Tensor) -> None:
        """Raises AssertionError unless both give the same."""
        ours, theirs = (mixer(x, 0, None) for mixer in self.sides.values())
        torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-3)

    def prefill(self, side: str, x: Tensor) -> Prepare:
        """Reads `x` (1, T, C) without gradients."""

        @torch.no_grad()
        def work() -> None:
            self.sides[side](x, 0, None)

        return lambda: work

    def training(self, side: str, x: Tensor) -> Prepare:
        """Reads `x` (1, T, C) forwards and backwards."""

        def work() -> None:
            self.sides[side](x.detach().requires_grad_(), 0, None).square().mean().backward()

        return lambda: work

    def decoding(self, side: str, x: Tensor) -> Prepare:
        """Reads the last tokens of `x` (1, T, C) one by one; those before them are not timed."""
        mixer, before = self.sides[side], x.shape[1] - DECODED

        @torch.no_grad()
        def prepare() -> Callable[[], None]:
            cache = self.cache(side, x.shape[1], x)
            mixer(x[:, :before], 0, cache)

            @torch.no_grad()
            def work() -> None:
                for t in range(before, x.shape[1]):
                    mixer(x[:, t : t + 1], t, cache)

            return work

        return prepare


def compare(name: str, folder: Path, tokens: int, rounds: int, clock: str) -> None:
    """Print a line for each kind of work."""
    case = CASES[name]
    pair = Pair(case, folder)
    x = torch.randn(1, max(tokens, case.before + DECODED), case.options["hidden_size"])
    pair.agree(x[:, :tokens])
    works = (
        (pair.prefill, tokens),
        (pair.training, min(tokens, case.trained)),
        (pair.decoding, case.before + DECODED),
    )
    for work, length in works:
        contenders = {side: work(side, x[:, :length]) for side in pair.sides}
        times = take_turns(contenders, rounds, clock)
        low, high = times.spread()
        spent = "".join(f"{1e3 * times.median(side):9.1f} ms" for side in pair.sides)
        ratio = f"{times.ratio():6.2f} x ({low:.2f} to {high:.2f})"
        print(f"{name:16}{work.__name__:10}{length:5}{spent}{ratio}", flush=True)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--tokens", type=int, default=1024)
    parser.add_argument("--clock", default="cpu", choices=CLOCKS)
    parser.add_argument("--only", choices=CASES, nargs="*")
    given = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.set_verbosity_error()
    with tempfile.TemporaryDirectory() as folder:
        sys.path.insert(0, folder)
        for number, name in enumerate(given.only or CASES):
            place = Path(folder) / f"bench_{number}"
            compare(name, place, given.tokens, given.rounds, given.clock)


if __name__ == "__main__":
    main()
