"""Attention to some blocks of a text: PyTorch's path beside the pattern written out; its cost."""

from __future__ import annotations

import importlib
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from conftest import Builder
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

import archspec
from archspec.numbers.analysis import analyse

SPEC = """
archspec: 1
name: striped
vocab_size: 64
hidden_size: 48
context_length: 4096
defaults: {{feedforward: {{type: dense, intermediate_size: 16, activation: silu, gated: false}}}}
blocks:
{blocks}
layers: {layers}
head: {{tied: true}}
"""
MIXER = (
    "{{mixer: {{type: attention, heads: 6, kv_heads: 2, head_dim: 8, {more}block_sparse: {own}}}}}"
)
OWN = "{size: 16, local: 1, stride: 3, first: 1, shifted: true}"
KINDS = {
    "plain": "",
    "sinking": "sinks: true, ",
    "capped": "softcap: 2, ",
    "both": "softcap: 2, sinks: true, ",
    "sloping": "alibi: true, ",
}
PATTERNS = [  # size, local, first, stride, shift
    (16, 1, 0, 2, 0),
    (16, 1, 1, 3, 1),
    (16, 2, 2, None, 0),
    (16, 3, 2, 4, 2),
    (32, 1, 0, 4, 2),
    (48, 2, 1, 2, 1),
]


@pytest.fixture(scope="module")
def attend(builder: Builder) -> ModuleType:
    made = [f"  {name}: {MIXER.format(more=more, own=OWN)}" for name, more in KINDS.items()]
    text = SPEC.format(blocks="\n".join(made), layers=", ".join(KINDS))
    return importlib.import_module(f"{builder.load(text).__name__}.attend")


def written_out(
    q: Tensor, k: Tensor, v: Tensor, real: Tensor, numbers: tuple[Any, ...], **beside: Tensor
) -> Tensor:
    """Softmax in float64 over the keys that each query sees, found one by one."""
    size, local, first, stride, shift = numbers
    q, k, v = q.double(), k.double(), v.double()
    batch, heads, tokens, _ = q.shape
    group, start = heads // k.shape[1], k.shape[2] - tokens
    out = torch.zeros(batch, heads, tokens, v.shape[3], dtype=torch.float64)
    for b in range(batch):
        texts = [s for s in range(k.shape[2]) if real[b, s]]
        block = {s: number // size for number, s in enumerate(texts)}
        for h in range(heads):
            turn = 1 + shift * (h // group)
            for t in range(tokens):
                own = start + t
                if not real[b, own]:
                    continue
                seen = [
                    s
                    for s in texts
                    if s <= own
                    and (
                        block[own] - block[s] < local
                        or block[s] < first
                        or (stride is not None and (block[s] + turn) % stride == 0)
                    )
                ]
                scores = (k[b, h // group, seen] @ q[b, h, t]) * 0.3
                if "softcap" in beside:
                    scores = beside["softcap"] * torch.tanh(scores / beside["softcap"])
                if "slopes" in beside:
                    scores = scores - beside["slopes"][h] * torch.tensor([own - s for s in seen])
                if "sinks" in beside:
                    scores = torch.cat((scores, beside["sinks"][h : h + 1].double()))
                out[b, h, t] = scores.softmax(0)[: len(seen)] @ v[b, h // group, seen]
    return out


def drawn(tokens: int, keys: int) -> list[Tensor]:
    random = torch.Generator().manual_seed(tokens)
    return [
        torch.randn(2, heads, length, 8, generator=random)
        for heads, length in ((6, tokens), (2, keys), (2, keys))
    ]


def standing(start: int, starts: Tensor | None = None) -> Any:
    """What of a step says where tokens stand."""
    return SimpleNamespace(start=start, starts=starts)


def named(numbers: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip(("size", "local", "first", "stride", "shift"), numbers, strict=True))


@pytest.mark.parametrize("numbers", PATTERNS)
@pytest.mark.parametrize(("tokens", "keys"), [(7, 7), (101, 101), (9, 120), (40, 131), (1, 128)])
def test_it_is_the_pattern_written_out(
    attend: ModuleType, numbers: tuple[Any, ...], tokens: int, keys: int
) -> None:
    q, k, v = drawn(tokens, keys)
    given = named(numbers)
    out = attend.attend_block_sparse(q, k, v, standing(keys - tokens), **given, scale=0.3)
    want = written_out(q, k, v, torch.ones(2, keys, dtype=torch.bool), numbers)
    assert (out - want).abs().max() < 1e-5


@pytest.mark.parametrize("numbers", PATTERNS[1:4])
@pytest.mark.parametrize(("tokens", "keys"), [(20, 101), (1, 101)])
def test_texts_may_differ_in_length(
    attend: ModuleType, numbers: tuple[Any, ...], tokens: int, keys: int
) -> None:
    q, k, v = drawn(tokens, keys)
    starts, given = torch.tensor([keys - tokens, 37]), named(numbers)
    out = attend.attend_block_sparse(q, k, v, standing(keys - tokens, starts), **given, scale=0.3)
    for row, start in enumerate(starts.tolist()):
        own = [x[row : row + 1, :, : start + tokens] for x in (q, k, v)]
        real = torch.ones(1, start + tokens, dtype=torch.bool)
        want = written_out(*own, real, numbers)
        assert (out[row] - want[0]).abs().max() < 1e-5


@pytest.mark.parametrize("kind", list(KINDS)[1:])
@pytest.mark.parametrize("shift", [0, 1])
@pytest.mark.parametrize(("tokens", "keys"), [(60, 60), (1, 75)])
def test_what_joins_a_score(
    attend: ModuleType, kind: str, shift: int, tokens: int, keys: int
) -> None:
    q, k, v = drawn(tokens, keys)
    numbers = (16, 1, 0, 3, shift)
    fields = {
        "sinks": torch.linspace(-1.0, 1.0, 6),
        "slopes": 2.0 ** -torch.arange(1.0, 7.0),
        "softcap": torch.tensor(2.0),
    }
    names = {
        "sinking": ["sinks"],
        "capped": ["softcap"],
        "both": ["softcap", "sinks"],
        "sloping": ["slopes"],
    }
    suffix = {"sinking": "sink", "capped": "capped", "both": "capped_sink", "sloping": "alibi"}
    beside = {name: fields[name] for name in names[kind]}
    given = beside | ({"softcap": 2.0} if "softcap" in beside else {})
    function = getattr(attend, f"attend_block_sparse_{suffix[kind]}")
    out = function(q, k, v, standing(keys - tokens), **given, **named(numbers), scale=0.3)
    want = written_out(q, k, v, torch.ones(2, keys, dtype=torch.bool), numbers, **beside)
    assert (out - want).abs().max() < 1e-5


def test_the_cost_grows_with_what_is_seen(attend: ModuleType) -> None:
    """Twice as long a text costs twice as much where no stripes are; a token costs what it sees."""

    def products(tokens: int, keys: int, stride: int | None) -> int:
        q, k, v = drawn(tokens, keys)
        given = named((16, 2, 1, stride, 0))
        with FlopCounterMode(display=False) as counter:
            attend.attend_block_sparse(q, k, v, standing(keys - tokens), **given, scale=0.3)
        return counter.get_total_flops()

    assert products(2048, 2048, None) <= 2.1 * products(1024, 1024, None)
    pair = 2 * 6 * (8 + 8)
    assert products(1024, 1024, 8) <= 0.3 * pair * 1024 * 1024
    # Of 64 blocks the first, two local ones, and seven or eight stripes in front of these.
    assert products(1, 1024, 8) <= (1 + 2 + 8) * 16 * pair


@pytest.mark.parametrize("tokens", [5, 16, 100, 257])
def test_inspect_counts_the_keys_that_are_seen(tokens: int) -> None:
    text = SPEC.format(blocks=f"  only: {MIXER.format(more='', own=OWN)}", layers="only")
    dense = archspec.loads(text.replace(f"block_sparse: {OWN}", "causal: true"))
    found = analyse(archspec.loads(text), context=tokens).flops
    whole = analyse(dense, context=tokens).flops
    hidden = [0, 0]  # pairs of one query head that a dense layer has beside, in prefill and decode
    for turn in (1, 2):
        for query in range(tokens + 1):
            blocks = range(query // 16 + 1)
            far = [j for j in blocks if j >= 1 and (j + turn) % 3 and j < query // 16]
            hidden[query == tokens] += 16 * len(far)
    per_pair = 2 * 3 * (8 + 8)
    assert whole.prefill - found.prefill == per_pair * hidden[0]
    assert (whole.decode or 0) - (found.decode or 0) == per_pair * hidden[1]
