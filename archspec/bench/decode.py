"""One new token over a cache: what is read of it in a second, beside a copy."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from . import definition
from .attention import Inputs, about, contenders, entry, gated, inputs
from .definition import Facts
from .device import Call
from .package import Package
from .race import Bench, Row

BYTES = (256 << 20, 64 << 20)
"""Of a cache, in bfloat16."""

LENGTHS = (8192, 65536)
"""Keys of a text; a window or chunk has no more than its own."""


def run(package: Package, bench: Bench) -> None:
    """Caches of each size, of texts of each length."""
    cases: list[tuple[Row, Call]] = []
    for size in BYTES[:1] if package.facts.get("brief") else BYTES:
        for length in LENGTHS:
            for facts in package.facts["attention"]:
                if not (facts["causal"] and facts["decodes"]):
                    continue
                keys = min(length, facts["window"] or facts["chunk"] or length)
                token = facts["kv_heads"] * (facts["head_dim"] + facts["value_dim"]) * 2
                batch = size // (keys * token)
                if (keys < length and length != LENGTHS[0]) or batch == 0:
                    continue
                row = about(facts, batch, 1, keys) | {"operation": "decode"}
                row["group"] = facts["heads"] // facts["kv_heads"]
                cases.append((row, _case(package, bench, facts, batch, keys, row)))
    bench.each(cases)


def _case(package: Package, bench: Bench, facts: Facts, batch: int, keys: int, row: Row) -> Call:
    def work() -> None:
        given = inputs(facts, batch, 1, keys, bench.dtype)
        calls, skipped = contenders(facts, given)
        calls = {"ours": entry(package, facts, given)} | calls
        if "sdpa" in calls:
            calls["sdpa, heads as rows"] = gated(facts, given, partial(_rows, facts))
        group, beside = row["group"], given.beside
        gate = None if given.gate is None else given.gate[:1].double()
        with torch.no_grad():
            q = given.q[:1, :group].double()
            truth = definition.opened(facts, gate, q)[:, :group] * definition.attention(
                facts,
                given.start,
                q,
                given.k[:1, :1].double(),
                given.v[:1, :1].double(),
                None if beside is None else beside[:group].double(),
            )
        eager = [name for name in calls if name.endswith("and mask")]
        bench.race(
            row,
            {name: _call(function, given) for name, function in calls.items()},
            [truth],
            lambda found: [found[:1, :group]],
            skipped=skipped,
            eager=eager,
            moved=int((given.k.nbytes + given.v.nbytes) * share(facts, keys)),
        )

    return work


def share(facts: Facts, keys: int) -> float:
    """How much of the keys the last token reads."""
    if not facts["blocks"]:
        return 1.0
    seen = definition.in_blocks(facts, 1, torch.tensor([[keys - 1]]), torch.arange(keys))
    return seen.double().mean().item()


def _call(function: Callable[..., Tensor], given: Inputs) -> Call:
    def forward() -> Tensor:
        with torch.no_grad():
            return function(*(x.detach() for x in given.tensors))

    return forward


def _rows(facts: Facts, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """SDPA where the heads of a group are the rows of one product."""
    grouped = q.view(q.shape[0], k.shape[1], -1, q.shape[3])
    out = F.scaled_dot_product_attention(grouped, k, v, scale=facts["scale"])
    return out.view(*q.shape[:3], -1)
