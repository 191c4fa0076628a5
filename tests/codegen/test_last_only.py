"""Writing on computes the logits of the last place and of no other."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from conftest import ROOT, Builder, Case
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode


class Rows(TorchDispatchMode):
    """How many rows each product has whose result is as wide as the vocabulary."""

    def __init__(self, vocabulary: int):
        super().__init__()
        self.vocabulary, self.found = vocabulary, []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        product = func.overloadpacket.__name__ in ("mm", "addmm", "bmm", "linear")
        if product and out.shape[-1] == self.vocabulary:
            self.found.append(out.numel() // self.vocabulary)
        return out


@pytest.fixture(params=["local-global", "encoder-decoder", "looking-ahead", "given-states"])
def case(request: pytest.FixtureRequest, builder: Builder) -> Case:
    return Case(ROOT / f"examples/{request.param}.yaml", builder)


@torch.no_grad()
def test_the_head_sees_one_row_of_each_text(case: Case) -> None:
    model, vocabulary = case.package.Model().eval(), case.architecture.vocab_size
    ids = torch.randint(vocabulary, (2, 9))
    given = case.inputs(ids)
    whole = model(**given)
    last = model(**given, last_only=True)
    assert last.shape == (2, 1, vocabulary)
    torch.testing.assert_close(last, whole[:, -1:])
    with Rows(vocabulary) as rows:
        model.generate(**given, max_new_tokens=3)
    assert rows.found == [2, 2, 2]


@torch.no_grad()
def test_padding_on_the_right_has_its_last_place_too(builder: Builder) -> None:
    """It is the last place of a row, as in the whole logits, whatever stands there."""
    case = Case(ROOT / "examples/local-global.yaml", builder)
    model: nn.Module = case.package.Model().eval()
    ids, mask = torch.randint(512, (2, 9)), torch.ones(2, 9, dtype=torch.long)
    mask[0, :3] = 0
    whole = model(ids, attention_mask=mask)
    torch.testing.assert_close(model(ids, attention_mask=mask, last_only=True), whole[:, -1:])
