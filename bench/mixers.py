"""A built mixer beside the same one of transformers on a CPU, in turns: medians and ratios.

.venv/bin/python bench/mixers.py [--rounds 7] [--tokens 1024] [--trained 256] [--only mamba2]
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from timing import Prepare, take_turns
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM

import archspec
from archspec.codegen import build
from archspec.importers import import_config

HIDDEN = 768
COMMON: dict[str, Any] = {"vocab_size": 256, "hidden_size": HIDDEN, "num_hidden_layers": 1}
CASES: dict[str, tuple[dict[str, Any], str]] = {
    "mamba2": ({**COMMON, "num_heads": 24, "state_size": 128, "n_groups": 1}, "mamba"),
    "mamba2-groups": ({**COMMON, "num_heads": 24, "state_size": 64, "n_groups": 8}, "mamba"),
    "mamba": (COMMON, "mamba"),
    "falcon_mamba": (COMMON, "mamba"),
}

Timed = Callable[[], None]


def pair(name: str, folder: Path) -> tuple[nn.Module, nn.Module]:
    """The mixer of the built package and that of transformers, with the same weights."""
    options, attribute = CASES[name]
    config = AutoConfig.for_model(name.partition("-")[0], **options)
    theirs = AutoModelForCausalLM.from_config(config)
    text = import_config(config.to_dict(), name="bench")
    package = folder / f"bench_{name.replace('-', '_')}"
    package.mkdir()
    for path, content in build(archspec.loads(text), text, "spec.yaml").items():
        (package / path).write_text(content, encoding="utf-8")
    module = importlib.import_module(package.name)
    ours = module.Model()
    module.load_checkpoint(ours, theirs.state_dict())
    return getattr(ours.layers[0], attribute), theirs.backbone.layers[0].mixer


def step_of(mixer: nn.Module, tokens: int, like: Tensor) -> Any:
    """What a layer of the built package is told about `tokens` tokens."""
    package = type(mixer).__module__.rpartition(".")[0]
    return importlib.import_module(f"{package}.step").make_step(0, tokens, None, like)


def actions(ours: nn.Module, theirs: nn.Module, tokens: int) -> dict[str, tuple[Timed, Timed]]:
    """What is timed: reading a text, and reading it with gradients."""
    x = torch.randn(1, tokens, HIDDEN)
    step = step_of(ours, tokens, x)
    with torch.no_grad():
        difference = (ours(x, step, None) - theirs(x)).abs().max().item()
    assert difference < 1e-3, f"they differ by {difference}"

    def read(call: Callable[[Tensor], Tensor]) -> Timed:
        def timed() -> None:
            with torch.no_grad():
                call(x)

        return timed

    def train(call: Callable[[Tensor], Tensor]) -> Timed:
        def timed() -> None:
            call(x.requires_grad_()).square().mean().backward()

        return timed

    def our_call(x: Tensor) -> Tensor:
        return ours(x, step, None)

    return {
        "prefill": (read(our_call), read(theirs)),
        "training step": (train(our_call), train(theirs)),
    }


def main() -> None:
    """Print the medians in milliseconds and how many times faster ours are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--tokens", type=int, default=1024)
    # The loop of transformers over the text makes a training step quadratic, so it is shorter.
    parser.add_argument("--trained", type=int, default=256)
    parser.add_argument("--only", choices=CASES)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        sys.path.insert(0, folder)
        for name in [options.only] if options.only else CASES:
            compare(name, Path(folder), options)


def compare(name: str, folder: Path, options: argparse.Namespace) -> None:
    """Time both in turns."""
    ours, theirs = pair(name, folder)
    for action, tokens in (("prefill", options.tokens), ("training step", options.trained)):
        contenders: dict[str, Prepare] = {}
        sides = actions(ours, theirs, tokens)[action]
        for side, timed in zip(("ours", "theirs"), sides, strict=True):
            contenders[side] = lambda timed=timed: timed
        times = take_turns(contenders, options.rounds, "cpu")
        both = f"{1e3 * times.median('ours'):8.1f} ms  {1e3 * times.median('theirs'):8.1f} ms"
        print(f"{name:14} {action:14} {tokens:5} {both}  {times.ratio():5.2f} x", flush=True)


if __name__ == "__main__":
    main()
