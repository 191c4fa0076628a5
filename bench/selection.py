"""Two ways to attend to chosen tokens, on one thread of a CPU: medians, and where they meet.

.venv/bin/python bench/selection.py [--over latents heads] [--tokens 2048 4096] [--top-k 64 256]

Hiding scores all pairs of a text, gathering reads for each query the tokens chosen for it and
no others. The table gives the time of hiding and what gathering takes of it, for attention alone
and a choice drawn at random: above 1, hiding is faster. `NEAR` in the mechanism's view.py is taken
from it.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from timing import Prepare, take_turns
from torch import Tensor

import archspec
from archspec.codegen import build
from archspec.output.place import put_files

SPEC = """archspec: 1
name: selecting
vocab_size: 16
hidden_size: 512
context_length: 65536
blocks:
  only:
    mixer:
      {{{mixer}, select: {{type: lightning_indexer, heads: 1, head_dim: 8, top_k: 8}}}}
layers: only
head: {{tied: true}}
"""
MIXERS = {
    "latents": "type: mla, heads: 8, kv_rank: 128, nope_dim: 64, rope_dim: 32, value_head_dim: 64",
    "latents-wide": "type: mla, heads: 16, kv_rank: 512, nope_dim: 128, rope_dim: 64, "
    "value_head_dim: 128",
    "heads": "type: attention, heads: 8, kv_heads: 2, head_dim: 64",
    "heads-wide": "type: attention, heads: 32, kv_heads: 8, head_dim: 128",
}

Way = Callable[..., Tensor]


def draw(tokens: int, top_k: int) -> tuple[Tensor, Tensor]:
    """For each token after `top_k` so many of those up to it, (1, T', N), and that all are seen."""
    blocks: list[Tensor] = []
    for first in range(top_k, tokens, 256):
        last = min(first + 256, tokens)
        later = torch.arange(last) > torch.arange(first, last)[:, None]
        drawn = torch.rand(last - first, last).masked_fill(later, -1.0)
        blocks.append(drawn.topk(top_k, sorted=False).indices)
    positions = torch.cat(blocks)[None]
    return positions, torch.ones_like(positions, dtype=torch.bool)


def ways(layer: Any, parts: dict[str, Any], tokens: int, top_k: int) -> dict[str, Way]:
    """Both ways of one layer, and what they read."""
    chosen, step = draw(tokens, top_k), parts["step"].make_step(0, tokens, None, torch.zeros(()))
    if hasattr(layer, "expanded"):
        return {
            "ours": lambda q, entries: layer.expanded(q, entries, chosen, step),
            "gathering": lambda q, entries: layer.absorbed(q, entries, chosen, step),
        }
    s, scale = parts["selection"], 0.1
    return {
        "ours": lambda q, k, v: s.attend_masked(q, k, v, chosen, 0, None, scale),
        "gathering": lambda q, k, v: s.attend_selected(q, k, v, chosen, 0, None, scale),
    }


def given(mixer: Any, tokens: int) -> tuple[Tensor, ...]:
    """Queries, and latents or keys and values."""
    q = torch.randn(1, mixer.heads, tokens, mixer.head_dim)
    if hasattr(mixer, "kept_dim"):
        return q, torch.randn(1, 1, tokens, mixer.kept_dim)
    shape = (1, mixer.kv_heads, tokens, mixer.head_dim)
    return q, torch.randn(shape), torch.randn(shape)


def works(way: Way, inputs: tuple[Tensor, ...]) -> dict[str, Prepare]:
    """Without gradients, and with them."""

    @torch.no_grad()
    def prefill() -> None:
        way(*inputs)

    def training() -> None:
        way(*(x.detach().requires_grad_() for x in inputs)).square().mean().backward()

    return {"prefill": lambda: prefill, "training": lambda: training}


def compare(name: str, tokens: int, top_k: int, rounds: int) -> None:
    """Print the ratios of one shape."""
    text = SPEC.format(mixer=MIXERS[name])
    architecture = archspec.loads(text)
    package = "select_" + name.replace("-", "_")
    folder = Path(sys.path[0]) / package
    if not folder.exists():
        put_files(build(architecture, text, "spec.yaml"), folder)
    layer = importlib.import_module(package).Model().layers[0].self_attn
    parts = {part: importlib.import_module(f"{package}.{part}") for part in ("step", "selection")}
    inputs = given(architecture.mechanisms[0], tokens)
    sides = ways(layer, parts, tokens, top_k)
    with torch.no_grad():
        found = [way(*inputs) for way in sides.values()]
        torch.testing.assert_close(*found, atol=1e-3, rtol=1e-3)
    line = f"{name:13}{tokens:6} of which {top_k:5} ({tokens / top_k:3.0f} x)"
    for work in ("prefill", "training"):
        contenders = {side: works(way, inputs)[work] for side, way in sides.items()}
        times = take_turns(contenders, rounds, "cpu")
        line += f"{work:>10} {1e3 * times.median('ours'):7.0f} ms {times.ratio():5.2f} x"
    print(line, flush=True)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--over", choices=MIXERS, nargs="*", default=["latents", "heads"])
    parser.add_argument("--tokens", type=int, nargs="*", default=[1024, 2048, 4096])
    parser.add_argument("--top-k", type=int, nargs="*", default=[64, 256])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        sys.path.insert(0, folder)
        for name in options.over:
            for top_k in options.top_k:
                for tokens in options.tokens:
                    if tokens > top_k:
                        compare(name, tokens, top_k, options.rounds)


if __name__ == "__main__":
    main()
