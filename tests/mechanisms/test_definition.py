"""Every form of every mechanism gives what its definition says, values and gradients."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import pytest
import torch
from conftest import EXAMPLES, ROOT, Builder, Case, spec_id
from defined import Defined, padded, roughened
from torch import Tensor

SPECS = [*EXAMPLES, *sorted((ROOT / "examples").glob("*.yaml"))]
PREFIX = 5


@dataclass
class Said:
    """What the definition of a model says of three texts."""

    by: Defined
    ids: Tensor
    prefix: int
    given: dict[str, Tensor]
    logits: Tensor
    further: list[Tensor]
    cotangent: Tensor
    gradients: dict[str, Tensor]


def say(by: Defined, prefix: int = 0) -> Said:
    ids = by.ids(3)
    logits = by.logits(ids, prefix)
    given, further = by.given, by.further(ids)
    cotangent = torch.randn_like(logits)
    total = (logits * cotangent).sum() + sum(x.square().sum() for x in further)
    return Said(
        by, ids, prefix, given, logits.detach(), further, cotangent, by.gradients(total)
    )


@pytest.fixture(scope="module", params=SPECS, ids=spec_id)
def said(request: pytest.FixtureRequest, builder: Builder) -> Said:
    case = Case(request.param, builder)
    return say(Defined(case, roughened(case.package.Model())))


def same_gradients(said: Said, total: Tensor) -> None:
    said.by.model.zero_grad()
    total.backward()
    for name, parameter in said.by.model.named_parameters():
        if parameter.grad is None:
            assert name not in said.gradients, f"{name} has no gradient"
        else:
            said.by.close(parameter.grad, said.gradients[name], f"the gradient of {name}")


def whole(said: Said) -> None:
    by = said.by
    by.given = said.given
    with by.heard() as heard:
        found = by.model(**by.inputs(said.ids, prefix=said.prefix))
    assert heard.keys() == said.given.keys()
    for name, given in said.given.items():
        by.close(heard[name], given, name)
    by.close(found, said.logits, "logits")
    short = copy.deepcopy(by.model).float()
    with torch.no_grad():  # where norms have a form of their own
        by.close(short(**by.short(by.inputs(said.ids, prefix=said.prefix))), said.logits, "float32", 1e-4)
    further = by.model.further_logits(said.ids) if said.further else []  # type: ignore[operator]
    for ahead, (ours, theirs) in enumerate(zip(further, said.further, strict=True), start=2):
        by.close(ours, theirs, f"logits {ahead} tokens on")
    same_gradients(said, (found * said.cotangent).sum() + sum(x.square().sum() for x in further))


@torch.no_grad()
def parts(said: Said) -> None:
    """Several tokens from the start, several that go on, and single ones, with padding and not."""
    by, tokens = said.by, said.ids.shape[1]
    ids, mask = padded(said.ids)
    for read, real in ((said.ids, torch.ones_like(said.ids)), (ids, mask)):
        sizes = [8, 5, 1, 12, *[1] * 3]
        sizes = [*sizes, read.shape[1] - sum(sizes) - 5, *[1] * 5]
        out = torch.cat(by.in_parts(read, real, sizes, said.prefix), dim=1)
        found = torch.stack([row[there] for row, there in zip(out, real.bool(), strict=True)])
        assert found.shape[1] == tokens
        by.close(found, said.logits, "in parts, " + ("padded" if read is ids else "alone"))


def test_a_whole_text(said: Said) -> None:
    whole(said)


def test_a_whole_text_with_padding(said: Said) -> None:
    by, (ids, mask) = said.by, padded(said.ids)
    out = by.model(**by.inputs(ids, mask))
    found = out[mask.bool()].view_as(said.logits)
    by.close(found, said.logits, "logits")
    if not said.further:
        same_gradients(said, (found * said.cotangent).sum())


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
