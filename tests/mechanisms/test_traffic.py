"""What training moves through memory grows with the text, where a mixer keeps a fixed state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import EXAMPLES, Builder, Case, spec_id
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import archspec

VIEWS = ("view", "transpose", "permute", "unbind", "split", "slice", "select", "expand", "detach")


class Traffic(TorchDispatchMode):
    """Counts the numbers that operators read and write; views of a tensor move none."""

    def __init__(self) -> None:
        super().__init__()
        self.moved = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if not (func.is_view or name.removeprefix("_") in VIEWS):
            given = tree_leaves((args, kwargs, out))
            self.moved += sum(x.numel() for x in given if isinstance(x, Tensor))
        return out


def keeps_a_fixed_state(path: Path) -> bool:
    """Whether a mixer of the spec is one that keeps as much of a long text as of a short one."""
    mixers = [branch.body for block in archspec.load(path).blocks for branch in block.branches]
    return any(mixer.state().fixed_bytes(4) for mixer in mixers)


FIXED = [path for path in EXAMPLES if "mixers" in path.parts and keeps_a_fixed_state(path)]


def test_linear_mixers_are_among_them() -> None:
    named = {spec_id(path) for path in FIXED}
    assert {"linear_attention", "gated_deltanet", "kimi_delta", "mamba", "mamba2"} <= named


@pytest.mark.parametrize("path", FIXED, ids=spec_id)
def test_training_moves_twice_as_much_for_twice_the_text(builder: Builder, path: Path) -> None:
    case = Case(path, builder)
    model = case.package.Model()
    moved: list[int] = []
    for tokens in (512, 1024):
        ids = torch.zeros(1, tokens, dtype=torch.long)
        with Traffic() as traffic:
            model(**case.inputs(ids)).sum().backward()
        moved.append(traffic.moved)
    # What lies between two chunks is there once less often than there are chunks.
    assert moved[1] <= 2.01 * moved[0]
