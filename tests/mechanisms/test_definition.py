"""Every form of every mechanism gives what its definition says, values and gradients."""

from __future__ import annotations

import pytest
import torch
from conftest import EXAMPLES, ROOT, Builder, Case, spec_id
from defined import Defined, roughened
from held import PREFIX, Said, padded_whole, parts, say, whole

SPECS = [*EXAMPLES, *sorted((ROOT / "examples").glob("*.yaml"))]


@pytest.fixture(scope="module", params=SPECS, ids=spec_id)
def said(request: pytest.FixtureRequest, builder: Builder) -> Said:
    case = Case(request.param, builder)
    longest = 133 if request.param in EXAMPLES else 70
    return say(Defined(case, roughened(case.package.Model()), longest))


def test_a_whole_text_with_padding(said: Said) -> None:
    padded_whole(said)


def test_a_whole_text(said: Said) -> None:
    whole(said)


def test_a_text_in_parts(said: Said) -> None:
    by = said.by
    if not by.architecture.is_causal:
        pytest.skip("an encoder keeps nothing between calls")
    if by.turns_by_length:
        ends, sizes = (20, 21, 37), (20, 1, 16)
        found = by.in_parts(said.ids, torch.ones_like(said.ids), sizes)
        for part, end in zip(found, ends, strict=True):
            expected = by.logits(said.ids[:, :end])[:, -part.shape[1] :]
            by.close(part, expected, f"up to token {end}")
    else:
        parts(said)


def test_tokens_that_see_each_other_both_ways(said: Said) -> None:
    if not said.by.takes_prefix:
        pytest.skip("no call says how many do")
    introduced = say(said.by, PREFIX)
    whole(introduced)
    parts(introduced)
