"""What a spec means once it is written out: inheritance, overrides, norms, schedules."""

from __future__ import annotations

from typing import Any

import pytest

import archspec
from archspec.architecture.model import Architecture
from archspec.errors import SpecError
from archspec.language.expand import expand
from archspec.language.source import parse

HEAD = """archspec: 1
name: m
vocab_size: 100
hidden_size: 32
context_length: 64
head: {tied: true}
"""
ATTENTION = "{type: attention, heads: 4, kv_heads: 2, head_dim: 8, rope: {theta: 10_000}}"
DENSE = "{type: dense, intermediate_size: 48, activation: silu, gated: true}"
BLOCK = f"""blocks:
  a:
    mixer: {ATTENTION}
    feedforward: {DENSE}
"""


def load(rest: str) -> Architecture:
    return archspec.loads(HEAD + rest)


def blocks(rest: str) -> dict[str, Any]:
    return dict(expand(parse(HEAD + rest)).data["blocks"])


def test_a_list_of_schedules_is_their_concatenation() -> None:
    both = load(BLOCK + "  b: {extends: a}\nlayers: [a, 2 x b]\n")
    assert [layer.block.name for layer in both.layers] == ["a", "b", "b"]


def test_extends_merges_mappings_field_by_field() -> None:
    whole = blocks(
        BLOCK + "  b: {extends: a, mixer: {window: 8, rope: {fraction: 0.5}}}\nlayers: a\n"
    )
    assert whole["b"]["mixer"]["window"] == 8
    assert whole["b"]["mixer"]["rope"] == {"theta": 10_000, "fraction": 0.5}
    assert "extends" not in whole["b"]


def test_another_type_replaces_the_whole_mapping() -> None:
    other = "{type: moe, experts: 4, top_k: 1}"
    whole = blocks(BLOCK + f"  b: {{extends: a, feedforward: {other}}}\nlayers: a\n")
    assert whole["b"]["feedforward"] == {"type": "moe", "experts": 4, "top_k": 1}


def test_null_takes_back_what_was_inherited() -> None:
    text = BLOCK + "  b: {extends: a, mixer: {rope: null}}\nlayers: a, b\n"
    assert load(text).layers[1].block.branches[0].body.rotary() is None


def test_a_block_may_extend_a_later_one() -> None:
    text = f"blocks:\n  b: {{extends: a}}\n{BLOCK.removeprefix('blocks:')}layers: b\n"
    assert load(text).layers[0].block.name == "b"


def test_defaults_stand_below_every_block() -> None:
    whole = blocks(
        "defaults: {norm_position: post, mixer: {window: 4}}\n"
        + BLOCK
        + "  b: {extends: a, mixer: {window: 2}}\nlayers: a, b\n"
    )
    assert [whole[name]["mixer"]["window"] for name in "ab"] == [4, 2]
    assert whole["b"]["norm_position"] == "post"


@pytest.mark.parametrize(
    ("key", "changed"), [("0", [0]), ("-1", [3]), ("1-2", [1, 2]), ("3", [3]), ("-4", [0])]
)
def test_overrides_change_single_layers(key: str, changed: list[int]) -> None:
    model = load(BLOCK + f"layers: 4 x a\noverrides:\n  {key}: {{mixer: {{window: 4}}}}\n")
    windows = [layer.block.branches[0].body.state().window for layer in model.layers]
    assert [index for index, window in enumerate(windows) if window == 4] == changed


def test_layers_overridden_alike_share_a_block() -> None:
    model = load(BLOCK + "layers: 4 x a\noverrides:\n  1-2: {mixer: {window: 4}}\n")
    assert str(model.schedule) == "a, 2 x a_1_2, a"


@pytest.mark.parametrize(
    ("position", "places"),
    [
        ("pre", ("before",)),
        ("post", ("after",)),
        ("output", ("inside",)),
        ("sandwich", ("before", "inside")),
        ("none", ()),
    ],
)
def test_norm_positions(position: str, places: tuple[str, ...]) -> None:
    model = load(BLOCK + f"    norm_position: {position}\nlayers: a\n")
    for update in model.layers[0].block.updates:
        (branch,) = update.branches
        norms = {"before": branch.before, "inside": branch.inside, "after": update.after}
        assert tuple(name for name, norm in norms.items() if norm) == places


def test_a_block_norm_goes_over_the_models() -> None:
    model = load(
        "norm: {type: rmsnorm, eps: 1.0e-5}\n"
        + BLOCK
        + "    norm: {zero_centered: true}\nlayers: a\n"
    )
    norm = model.layers[0].block.branches[0].norms[0].norm
    assert (norm.eps, norm.zero_centered) == (1e-5, True)


def test_a_mixer_alone_is_a_layer() -> None:
    model = load(f"blocks:\n  a:\n    mixer: {ATTENTION}\nlayers: a\n")
    assert [norm.name for norm in model.layers[0].block.branches[0].norms] == ["input_layernorm"]


def test_the_embedding_scale_by_name() -> None:
    model = load("embedding: {scale: sqrt(hidden_size)}\n" + BLOCK + "layers: a\n")
    assert model.embedding.scale == pytest.approx(32**0.5)


def test_a_model_without_a_head() -> None:
    text = HEAD.replace("{tied: true}", "null") + BLOCK + "layers: a\n"
    assert archspec.loads(text).head is None


def test_parameter_names_are_unique() -> None:
    names = [p.name for p in load(BLOCK + "layers: 3 x a\n").parameters()]
    assert len(set(names)) == len(names)


def test_a_spec_that_is_too_large_is_refused() -> None:
    text = (HEAD + BLOCK).replace("hidden_size: 32", "hidden_size: 1_000_000")
    text = text.replace("intermediate_size: 48", "intermediate_size: 1_000_000")
    with pytest.raises(SpecError, match="mistyped"):
        archspec.loads(text + "layers: 4096 x a\n")


def test_the_same_text_gives_equal_architectures() -> None:
    assert load(BLOCK + "layers: a\n") == load(BLOCK + "layers: [a]\n")


def test_blocks_made_for_a_layer_have_names_of_any_block() -> None:
    """However long the name of the block, and however many overrides lie over each other."""
    name = "a" * 40
    text = f"""archspec: 1
name: m
vocab_size: 8
hidden_size: 8
context_length: 8
head: {{tied: true}}
blocks:
  {name}: {{feedforward: {{type: dense, intermediate_size: 8, activation: silu, gated: true}}}}
layers: 200 x {name}
overrides:
"""
    text += "".join(
        f"  {i}-199: {{feedforward: {{intermediate_size: {i + 9}}}}}\n" for i in range(30)
    )
    model = archspec.loads(text)
    names = [block.name for block in model.blocks]
    assert len(set(names)) == 30 and max(map(len, names)) <= 40
    widths = [
        layer.block.branches[0].body.model_dump()["intermediate_size"] for layer in model.layers
    ]
    assert widths == [*range(9, 38), *[38] * 171]


def test_a_count_of_modules_is_bounded_as_one() -> None:
    text = """archspec: 1
name: m
vocab_size: 8
hidden_size: 8
context_length: 8
head: {tied: true}
blocks: {a: {feedforward: {type: dense, intermediate_size: 8, activation: silu, gated: true}}}
layers: a
mtp: {depth: 64, block: a}
"""
    assert archspec.loads(text).mtp
    with pytest.raises(archspec.SpecError, match="at most 64"):
        archspec.loads(text.replace("64", "65"))
    side = text.replace("{feedforward: {", "{feedforward: [{").replace("true}}}", "true}]}}")
    one = "{type: dense, intermediate_size: 8, activation: silu, gated: true}"
    with pytest.raises(archspec.SpecError, match="at most 8, got 9"):
        archspec.loads(side.replace(one, ", ".join([one] * 9)))
