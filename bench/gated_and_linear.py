"""One mixer of the built package beside the same one of transformers, in float32 on a CPU thread.

.venv/bin/python bench/gated_and_linear.py [--rounds 9] [--only short_conv]
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import torch
from timing import Prepare, take_turns
from torch import Tensor, nn
from transformers import Lfm2Config, MiniMaxConfig
from transformers.models.lfm2.modeling_lfm2 import Lfm2ShortConv
from transformers.models.minimax.modeling_minimax import MiniMaxLightningAttention

import archspec
from archspec.codegen import build

TOKENS = 1024
SPEC = """archspec: 1
name: {name}
vocab_size: 16
hidden_size: {width}
context_length: 4096
blocks:
  only: {{mixer: {{{fields}}}}}
layers: only
head: {{tied: true}}
"""


@dataclass(frozen=True)
class Side:
    """A mixer: what is written in a spec, its peer, and the peer's weights under our names."""

    width: int
    fields: str
    peer: Callable[[], nn.Module]
    renamed: Callable[[dict[str, Tensor]], dict[str, Tensor]]
    called: Callable[[nn.Module], Callable[[Tensor], Tensor]]


def lightning() -> nn.Module:
    """Lightning attention of 16 heads."""
    sizes = {"hidden_size": 1024, "num_attention_heads": 16, "head_dim": 64}
    kinds = ["linear_attention"] * 2
    return MiniMaxLightningAttention(
        MiniMaxConfig(**sizes, num_hidden_layers=2, layer_types=kinds), 0
    )


def lightning_names(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Queries, keys and values are stored head by head."""
    parts = weights["qkv_proj.weight"].unflatten(0, (16, 3, 64)).unbind(1)
    ours = {f"{n}_proj.weight": part.flatten(0, 1) for n, part in zip("qkv", parts, strict=True)}
    names = {"out_proj": "o_proj", "output_gate": "gate_proj", "norm": "o_norm"}
    return ours | {f"{our}.weight": weights[f"{their}.weight"] for their, our in names.items()}


SIDES = {
    "short_conv": Side(
        1024,
        "type: short_conv, channels: 1024, conv: 3",
        lambda: Lfm2ShortConv(
            Lfm2Config(hidden_size=1024, num_hidden_layers=1, layer_types=["conv"]), 0
        ),
        lambda weights: weights,
        lambda peer: peer,
    ),
    "lightning": Side(
        1024,
        "type: linear_attention, heads: 16, key_dim: 64, activation: silu, scale: 1, "
        "decay: {type: slopes, factor: 1.00001}, output_norm: {scope: width}, gate: true",
        lightning,
        lightning_names,
        lambda peer: lambda x: peer(x, None, None)[0],
    ),
}


def built(name: str, side: Side, folder: Path) -> tuple[ModuleType, nn.Module]:
    """The package of a model of one such mixer, and that mixer."""
    text = SPEC.format(name=name, width=side.width, fields=side.fields)
    (folder / name).mkdir()
    for path, content in build(archspec.loads(text), text, "spec.yaml").items():
        (folder / name / path).write_text(content, encoding="utf-8")
    package = importlib.import_module(name)
    layer = package.Model().layers[0]
    return package, next(module for key, module in layer.named_children() if "norm" not in key)


def reading(call: Callable[[Tensor], Tensor], x: Tensor) -> Prepare:
    """One forward pass without gradients."""

    def work() -> None:
        with torch.no_grad():
            call(x)

    return lambda: work


def training(call: Callable[[Tensor], Tensor], x: Tensor) -> Prepare:
    """One forward and one backward pass."""
    return lambda: lambda: call(x.clone().requires_grad_()).square().mean().backward()


def main() -> None:
    """Print a line for each mixer and task."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=9)
    arguments.add_argument("--only", choices=SIDES)
    given = arguments.parse_args()
    torch.set_num_threads(1)
    folder = Path(tempfile.mkdtemp())
    sys.path.insert(0, str(folder))
    for name, side in SIDES.items():
        if given.only not in (None, name):
            continue
        torch.manual_seed(0)
        peer = side.peer()
        for parameter in peer.parameters():
            nn.init.normal_(parameter, std=0.05)
        package, ours = built(name, side, folder)
        wanted = ours.state_dict().keys()
        renamed = side.renamed(peer.state_dict())
        ours.load_state_dict({key: renamed[key] for key in wanted})
        x = torch.randn(1, TOKENS, side.width)
        step = package.step.make_step(0, TOKENS, None, x)
        calls = {"ours": lambda x: ours(x, step, None), "transformers": side.called(peer)}  # noqa: B023
        torch.testing.assert_close(calls["ours"](x), calls["transformers"](x), atol=1e-3, rtol=1e-3)
        for task, timed in (("prefill", reading), ("training", training)):
            times = take_turns({n: timed(c, x) for n, c in calls.items()}, given.rounds, "cpu")
            low, high = times.spread()
            medians = " ".join(f"{n} {1e3 * times.median(n):.1f} ms" for n in calls)
            print(f"{name:12}{task:10}{times.ratio():.2f} ({low:.2f} to {high:.2f})  {medians}")


if __name__ == "__main__":
    main()
