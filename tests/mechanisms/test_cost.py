"""What recurrences cost, in matrix products: prefill grows with the text, decoding does not.

That a step of latent attention allocates nothing as large as heads × context × width is tested in
mixers/test_mla.py, what a selection multiplies in mixers/test_selection.py.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
import torch
from conftest import EXAMPLES, Builder, spec_id
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import archspec
from archspec.architecture.block import Block
from archspec.language.emit import to_yaml
from archspec.language.source import parse

LENGTH = 2048
EARLY, LATE = 16, 1024


def recurs(block: Block) -> bool:
    """Whether the block keeps something, and nothing that grows with the text."""
    states = [branch.body.state() for branch in block.branches]
    grows = any(state.per_token or state.per_source for state in states)
    return not grows and any(state.exact or state.fixed for state in states)


def recurrent_layers(path: Path) -> str:
    """The example with those layers alone that recur; empty where there are none."""
    text = path.read_text(encoding="utf-8")
    architecture = archspec.loads(text)
    names = [block.name for block in architecture.blocks if recurs(block)]
    if not names or architecture.encoder or architecture.mtp:
        return ""
    data = {**parse(text).data, "context_length": 2 * LENGTH}  # type: ignore[dict-item]
    return to_yaml({**data, "layers": ", ".join(names)})


TEXTS = {spec_id(path): text for path in EXAMPLES if (text := recurrent_layers(path))}


@pytest.fixture(scope="module", params=TEXTS)
def package(request: pytest.FixtureRequest, builder: Builder) -> ModuleType:
    return builder.load(TEXTS[request.param])


@torch.no_grad()
def products(model: nn.Module, tokens: int, cache: object = None) -> int:
    """FLOPs of the matrix products that reading `tokens` tokens takes."""
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, tokens, dtype=torch.long), cache=cache)
    return counter.get_total_flops()


def test_recurrences_are_found() -> None:
    assert len(TEXTS) > 3


def test_reading_twice_as_much_costs_at_most_2_2_times_as_much(package: ModuleType) -> None:
    model = package.Model()
    assert 0 < products(model, 2 * LENGTH) <= 2.2 * products(model, LENGTH)


@torch.no_grad()
def test_a_step_costs_the_same_after_any_text(package: ModuleType) -> None:
    model = package.Model()
    costs: list[int] = []
    for read in (EARLY, LATE):
        cache = model.new_cache(1, read + 1)
        model(torch.zeros(1, read, dtype=torch.long), cache=cache)
        costs.append(products(model, 1, cache))
    assert costs[0] == costs[1] > 0
