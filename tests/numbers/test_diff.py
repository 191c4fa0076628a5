"""What `diff` finds between two architectures, and what it does not count."""

from __future__ import annotations

import json

import archspec
from archspec.numbers.diff import Change, Difference, diff

BASE = """archspec: 1
name: m
vocab_size: 100
hidden_size: 32
context_length: 64
blocks:
  local:
    mixer: {type: attention, heads: 4, kv_heads: 2, head_dim: 8, window: 16, rope: {theta: 10_000}}
    feedforward: {type: dense, intermediate_size: 48, activation: silu, gated: true}
  global:
    extends: local
    mixer: {window: null}
layers: 2 x (2 x local, global)
head: {tied: true}
"""
MOE = (
    "{type: moe, experts: 4, top_k: 1, intermediate_size: 48, activation: silu, renormalize: true}"
)


def compare(*changes: tuple[str, str]) -> Difference:
    text = BASE
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    return diff(archspec.loads(BASE), archspec.loads(text))


def paths(found: Difference) -> list[str]:
    return [change.path for change in found.changes]


def test_equal_specs_have_no_changes() -> None:
    assert compare().changes == ()


def test_names_titles_and_checkpoints_are_not_structure() -> None:
    found = compare(
        ("name: m", "name: other\ntitle: Other"), ("head:", "checkpoint: {prefix: x.}\nhead:")
    )
    assert found.changes == ()


def test_what_is_written_differently_but_means_the_same_is_equal() -> None:
    found = compare(("2 x (2 x local, global)", "[2 x local, global, 2 x local, global]"))
    assert found.changes == ()


def test_a_changed_field_is_named_with_both_values() -> None:
    found = compare(("heads: 4, kv", "heads: 8, kv"))
    assert found.changes == (
        Change("changed", "blocks.local.mixer.heads", 4, 8),
        Change("changed", "blocks.global.mixer.heads", 4, 8),
    )


def test_fields_of_the_model() -> None:
    found = compare(("vocab_size: 100", "vocab_size: 200"), ("tied: true", "tied: false"))
    assert paths(found) == ["vocab_size", "head.tied"]


def test_a_part_that_appears_and_one_that_goes() -> None:
    found = compare((", rope: {theta: 10_000}", ", qk_norm: true"))
    local = [change for change in found.changes if "local" in change.path]
    assert [(change.kind, change.path) for change in local] == [
        ("added", "blocks.local.mixer.qk_norm"),
        ("removed", "blocks.local.mixer.rope"),
    ]
    assert local[1].before == {"theta": 10_000}


def test_a_norm_position() -> None:
    found = compare(("    mixer: {type", "    norm_position: post\n    mixer: {type"))
    local = [(c.kind, c.path) for c in found.changes if "local.mixer" in c.path]
    assert local == [
        ("removed", "blocks.local.mixer.norm_before"),
        ("added", "blocks.local.mixer.norm_after"),
    ]


def test_another_mechanism() -> None:
    dense = "{type: dense, intermediate_size: 48, activation: silu, gated: true}"
    found = compare((dense, MOE))
    local = [c for c in found.changes if c.path.startswith("blocks.local.feedforward")]
    assert local[0] == Change("changed", "blocks.local.feedforward.type", "dense", "moe")
    assert Change("added", "blocks.local.feedforward.experts", None, 4) in local


def test_the_schedule() -> None:
    found = compare(("2 x (2 x local, global)", "3 x (2 x local, global)"))
    assert found.changes == (
        Change("changed", "layers", 6, 9),
        Change("changed", "schedule", "2 x (2 x local, global)", "3 x (2 x local, global)"),
    )


def test_renamed_blocks_are_matched_by_their_depth() -> None:
    found = compare(
        ("  local:", "  near:"), ("extends: local", "extends: near"), ("x local", "x near")
    )
    assert found.changes == ()
    assert found.renamed == (("local", "near"),)


def test_a_block_that_appears() -> None:
    found = compare(("layers: 2", "  last: {extends: global, mixer: {window: 4}}\nlayers: last, 2"))
    assert [(c.kind, c.path) for c in found.changes] == [
        ("changed", "layers"),
        ("changed", "schedule"),
        ("added", "blocks.last"),
    ]


def test_the_other_way_round_swaps_the_sides() -> None:
    a, b = archspec.loads(BASE), archspec.loads(BASE.replace("kv_heads: 2", "kv_heads: 4"))
    there, back = diff(a, b), diff(b, a)
    assert [(c.path, c.before, c.after) for c in there.changes] == [
        (c.path, c.after, c.before) for c in back.changes
    ]


def test_numbers_carry_their_deltas() -> None:
    found = compare(("vocab_size: 100", "vocab_size: 110"))
    assert [(n.name, n.delta) for n in found.numbers if n.delta] == [
        ("parameters.total", 320),
        ("parameters.active", 320),
        ("flops.prefill", 2 * 32 * 10 * found.context),
        ("flops.decode", 2 * 32 * 10),
    ]


def test_as_json() -> None:
    data = json.loads(json.dumps(compare(("kv_heads: 2", "kv_heads: 1")).to_dict()))
    assert data["equal"] is False
    assert data["numbers"]["cache.bytes_per_token"] == {"before": 384, "after": 192, "delta": -192}


def test_a_window_shows_at_a_whole_context() -> None:
    """Layers that keep less are the same for one token, and not for a text."""
    text = BASE.replace("context_length: 64", "context_length: 4096")
    a, b = archspec.loads(text), archspec.loads(text.replace("(2 x local, global)", "(3 x local)"))
    found = diff(a, b)
    numbers = {number.name: number for number in found.numbers}
    assert found.context == 4096
    assert numbers["cache.bytes_per_token"].delta == 0
    # Two global layers keep 4,096 − 16 tokens less: 2 · (2 heads · 8 · 2) numbers of 2 bytes each.
    assert numbers["cache.bytes"].delta == -2 * 2 * (2 * 8 * 2) * (4096 - 16)
    assert numbers["flops.decode"].delta == -2 * (4 * 4 * 8) * (4097 - 16)


def test_models_are_counted_at_the_shorter_context() -> None:
    assert compare(("context_length: 64", "context_length: 128")).context == 64
