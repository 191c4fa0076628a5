"""A shrunken spec keeps the structure and is small, whatever the spec."""

from __future__ import annotations

from pathlib import Path

import pytest

import archspec
from archspec.architecture.model import Architecture
from archspec.language.source import parse
from archspec.language.starters import KINDS, new
from archspec.numbers.analysis import feedforwards, mixers, type_of
from archspec.numbers.shrink import shrink

ROOT = Path(__file__).parents[2]
FILES = sorted([*ROOT.glob("gallery/*.yaml"), *ROOT.glob("archspec/mechanisms/*/*/example.yaml")])

TEXT = """archspec: 1
name: m
title: Large
about: {organization: Me}
vocab_size: 100_000
hidden_size: 4096
context_length: 131_072
defaults:
  mixer:
    type: attention
    heads: 32
    kv_heads: 8
    head_dim: 128
    rope: {theta: 500_000, scaling: SCALING}
  feedforward: {type: dense, intermediate_size: 14_336, activation: silu, gated: true}
blocks:
  near: {mixer: {window: 4096}}
  far: {mixer: {window: 8192, head_dim: 256}}
  sparse:
    feedforward: &moe
      type: moe
      experts: 128
      top_k: 8
      intermediate_size: 768
      activation: silu
      renormalize: true
layers: 2 x near, 20 x (5 x near, far), 3 x sparse
overrides:
  -1: {mixer: {kv_heads: 1}}
checkpoint: {tensors: {"h.{layer}.": "layers.{layer}."}}
head: {tied: true}
"""
LLAMA3 = (
    "{type: llama3, factor: 8, low_frequency_factor: 1, high_frequency_factor: 4, "
    "original_context: 8192}"
)


def small(text: str) -> Architecture:
    return archspec.loads(shrink(parse(text)))


@pytest.fixture(scope="module")
def tiny() -> Architecture:
    return small(TEXT.replace("SCALING", LLAMA3))


def body(architecture: Architecture, block: str) -> dict[str, object]:
    found = next(b for b in architecture.blocks if b.name == block)
    return mixers(found)[0].model_dump()


def kinds(architecture: Architecture) -> list[tuple[str, list[str], list[str]]]:
    return [
        (b.name, [type_of(m) for m in mixers(b)], [type_of(f) for f in feedforwards(b)])
        for b in architecture.blocks
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_files_keep_their_structure(path: Path) -> None:
    before = archspec.load(path)
    after = small(path.read_text(encoding="utf-8"))
    assert kinds(after) == kinds(before)
    assert [role(b) for b in after.blocks] == [role(b) for b in before.blocks]
    assert after.hidden_size <= 64 and after.vocab_size <= 256 and after.context_length <= 256
    assert sum(p.size for p in after.parameters()) < 5_000_000


def role(block: object) -> list[str]:
    return [branch.body.role() for branch in block.branches]  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_small_stays_small(kind: str) -> None:
    once = shrink(parse(new("m", kind)))  # type: ignore[arg-type]
    assert archspec.loads(once).blocks == archspec.loads(shrink(parse(once))).blocks


def test_the_order_of_blocks_stays(tiny: Architecture) -> None:
    assert str(tiny.schedule) == "2 x (2 x near, far), 2 x sparse, sparse_124"


def test_repeated_remainders_fold_as_well() -> None:
    text = new("m").replace("3 x (2 x local, global)", "5 x local, global, 6 x local, global")
    assert str(small(text).schedule) == "2 x (2 x local, global)"


def test_grouping_of_heads_stays(tiny: Architecture) -> None:
    near, last = body(tiny, "near"), body(tiny, "sparse_124")
    assert (near["heads"], near["kv_heads"]) == (4, 2)
    assert (last["heads"], last["kv_heads"]) == (4, 1)


def test_what_differs_between_blocks_still_differs(tiny: Architecture) -> None:
    near, far = body(tiny, "near"), body(tiny, "far")
    assert (near["window"], far["window"]) == (6, 8)
    assert (near["head_dim"], far["head_dim"]) == (12, 16)


def test_stretched_positions_are_still_stretched(tiny: Architecture) -> None:
    scaling = body(tiny, "near")["rope"]["scaling"]  # type: ignore[index]
    assert scaling["factor"] * scaling["original_context"] <= tiny.context_length
    assert scaling["original_context"] < tiny.context_length


def test_experts(tiny: Architecture) -> None:
    sparse = next(b for b in tiny.blocks if b.name == "sparse")
    moe = feedforwards(sparse)[0].model_dump()
    assert (moe["experts"], moe["top_k"]) == (8, 2)
    assert moe["intermediate_size"] <= 96


def test_name_title_and_checkpoint(tiny: Architecture) -> None:
    assert (tiny.name, tiny.title, tiny.about.organization) == ("m-tiny", "Large (tiny)", None)
    assert tiny.checkpoint.tensors["h.{layer}."].to == ("layers.{layer}.",)


@pytest.mark.parametrize("fraction", [0.25, 0.3, 0.4, 0.75])
def test_a_partial_rotation_stays_valid(fraction: float) -> None:
    text = new("m").replace("theta: 10_000", f"theta: 10_000, fraction: {fraction}")
    text = text.replace("head_dim: 32", "head_dim: 80").replace("theta: 1_000_000", "theta: 9")
    tiny = small(text)
    rope, width = mixers(tiny.blocks[0])[0].rotary() or pytest.fail("no rotation")
    assert rope.fraction == fraction and rope.width(width) % 2 == 0


def test_learned_positions_end_with_the_context() -> None:
    assert small(new("m", "encoder")).embedding.positions.length == 256


def test_the_same_spec_gives_the_same_text() -> None:
    assert shrink(parse(new("m"))) == shrink(parse(new("m")))
