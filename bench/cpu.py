"""The built package beside transformers on a CPU, in turns: medians and ratios.

.venv/bin/python bench/cpu.py [--rounds 9] [--only llama-wide] [--record --date 2026-01-31]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import transformers
from memory import peak_memory
from shapes import SHAPES, Shape
from sides import Call, Pair, ids

from archspec.bench import device
from archspec.bench.timing import Prepare, Times, take_turns

HERE = Path(__file__).parent
PREFILL, LONG, TRAINED, STRIDE = 1024, 4096, 512, 8


def prefill(pair: Pair, tokens: int, rounds: int, clock: str) -> Times:
    """Read `tokens` tokens into a fresh cache."""
    text = ids(tokens)

    def prepared(reader: Callable[[], Call]) -> Prepare:
        def prepare() -> Callable[[], None]:
            call = reader()
            return lambda: void(call(text))

        return prepare

    readers = pair.readers(tokens)
    with torch.no_grad():
        return take_turns({n: prepared(r) for n, r in readers.items()}, rounds, clock)


def decode(pair: Pair, rounds: int, clock: str) -> Times:
    """Read one token after another, `STRIDE` of them a round, from a text of `PREFILL` on."""
    text, token = ids(PREFILL), ids(1)
    with torch.no_grad():
        calls = {n: r() for n, r in pair.readers(PREFILL + (rounds + 1) * STRIDE).items()}
        for call in calls.values():
            call(text)

        def stride(call: Call) -> None:
            for _ in range(STRIDE):
                call(token)

        contenders: dict[str, Prepare] = {
            name: (lambda call=call: lambda: stride(call)) for name, call in calls.items()
        }
        times = take_turns(contenders, rounds, clock)
    return Times({n: [t / STRIDE for t in taken] for n, taken in times.rounds.items()})


def train(pair: Pair, rounds: int, clock: str) -> Times:
    """Forward and backward of one text."""
    text = ids(TRAINED)
    contenders: dict[str, Prepare] = {
        name: (lambda step=step: lambda: step(text)) for name, step in pair.trainers().items()
    }
    return take_turns(contenders, rounds, clock)


def void(_: object) -> None:
    """Let go of a result."""


def measure(shape: Shape, folder: Path, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Every time of one shape as a row."""
    pair = Pair(shape, folder)
    many, few, clock = options.rounds * 3, options.rounds, options.clock
    yield row(shape, f"prefill {PREFILL:,}", prefill(pair, PREFILL, few, clock))
    yield row(shape, "decode a token", decode(pair, many, clock))
    yield row(shape, f"train {TRAINED}", train(pair, few, clock))
    if "sliding_window" in shape.options():
        yield row(shape, f"prefill {LONG:,}", prefill(pair, LONG, max(3, few // 2), clock))


def row(shape: Shape, measured: str, times: Times) -> dict[str, Any]:
    """Medians in milliseconds, the ratio and its quartiles."""
    low, high = times.spread()
    made = {
        "shape": shape.name,
        "measure": measured,
        "milliseconds": {n: round(1000 * times.median(n), 3) for n in times.rounds},
        "peer": times.peer(),
        "ratio": round(times.ratio(), 3),
        "quartiles": [round(low, 3), round(high, 3)],
    }
    own, peer = made["milliseconds"]["ours"], made["milliseconds"][made["peer"]]
    others = ", ".join(f"{n} {t:.2f}" for n, t in made["milliseconds"].items() if n != "ours")
    print(
        f"{shape.name:18}{measured:16}{own:10.2f}{peer:10.2f} ms{made['ratio']:8.2f}x"
        f"  [{low:.2f}, {high:.2f}]  {others}",
        flush=True,
    )
    return made


def machine(options: argparse.Namespace) -> dict[str, Any]:
    """What the numbers were measured on."""
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=HERE, capture_output=True, text=True, check=True
    )
    return {
        **device.machine(),
        "clock": options.clock,
        "transformers": transformers.__version__,
        "commit": commit.stdout.strip(),
    }


def main() -> None:
    """Measure every shape, print a table, and write it down where asked to."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall")
    parser.add_argument("--only", nargs="+", metavar="SHAPE", help="e.g. llama-wide")
    parser.add_argument("--no-memory", action="store_true", help="leave out the peak memory")
    parser.add_argument("--record", action="store_true", help="write bench/results/cpu-DATE.json")
    parser.add_argument("--date", help="of the record, e.g. 2026-01-31")
    options = parser.parse_args()
    if options.record and not options.date:
        parser.error("--record needs --date")
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(options.threads)
    shapes = [s for s in SHAPES if not options.only or s.name in options.only]
    facts = machine(options)
    print(", ".join(f"{key} {value}" for key, value in facts.items()))
    for shape in shapes:
        print(f"{shape.name}: {shape}")
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        print(f"\n{'shape':18}{'measure':16}{'ours':>10}{'peer':>10}   {'ratio':>8}  [quartiles]")
        for shape in shapes:
            rows += measure(shape, Path(folder), options)
        memory = [] if options.no_memory else [peak_memory(s, Path(folder)) for s in shapes]
    if options.record:
        path = HERE / "results" / f"cpu-{options.date}.json"
        path.parent.mkdir(exist_ok=True)
        made = {
            "machine": facts,
            "shapes": {shape.name: shape.options() for shape in shapes},
            "times": rows,
            "memory": memory,
        }
        path.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
        print(f"wrote {path}", file=sys.stderr)


if __name__ == "__main__":
    main()
