"""A model held to what its definition says of three texts, in every way to read them."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from defined import Defined, padded
from torch import Tensor

PREFIX = 5


@dataclass
class Said:
    """What the definition of a model says of three texts."""

    by: Defined
    ids: Tensor
    prefix: int
    given: dict[str, Tensor]
    logits: Tensor
    mtp: list[Tensor]
    cotangent: Tensor
    gradients: dict[str, Tensor]


def say(by: Defined, prefix: int = 0) -> Said:
    """Values, and gradients of a random sum of them."""
    ids = by.ids(3)
    logits = by.logits(ids, prefix)
    given, mtp = by.given, by.mtp(ids)
    generator = torch.Generator().manual_seed(2)
    cotangent = torch.randn(logits.shape, generator=generator, dtype=logits.dtype)
    total = (logits * cotangent).sum() + sum(x.square().sum() for x in mtp)
    return Said(by, ids, prefix, given, logits.detach(), mtp, cotangent, by.gradients(total))


def same_gradients(said: Said, total: Tensor) -> None:
    """Those of `total`, for every trained tensor."""
    said.by.model.zero_grad()
    total.backward()
    for name, parameter in said.by.model.named_parameters():
        if parameter.grad is None:
            assert name not in said.gradients, f"{name} has no gradient"
        else:
            said.by.close(parameter.grad, said.gradients[name], f"the gradient of {name}")


def whole(said: Said) -> None:
    """At once, module by module: values, gradients, tokens further on, and float32."""
    by = said.by
    by.given = said.given
    with by.heard() as heard:
        found = by.model(**by.inputs(said.ids, prefix=said.prefix))
    assert heard.keys() == said.given.keys()
    for name, given in said.given.items():
        by.close(heard[name], given, name)
    by.close(found, said.logits, "logits")
    with torch.no_grad():  # norms have a form of their own in it
        given = by.short(by.inputs(said.ids, prefix=said.prefix))
        by.close(copy.deepcopy(by.model).float()(**given), said.logits, "float32", share=4e-4)
    mtp = by.model.mtp_logits(said.ids) if said.mtp else []  # type: ignore[operator]
    for ahead, (ours, theirs) in enumerate(zip(mtp, said.mtp, strict=True), start=2):
        by.close(ours, theirs, f"logits {ahead} tokens on")
    same_gradients(said, (found * said.cotangent).sum() + sum(x.square().sum() for x in mtp))


def padded_whole(said: Said) -> None:
    """At once, with padding in places that differ: values and gradients."""
    by, (ids, mask) = said.by, padded(said.ids)
    out = by.model(**by.inputs(ids, mask))
    found = out[mask.bool()].view_as(said.logits)
    by.close(found, said.logits, "logits")
    if not said.mtp:
        same_gradients(said, (found * said.cotangent).sum())


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
