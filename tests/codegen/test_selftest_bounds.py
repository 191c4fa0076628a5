"""What a package's selftest asks of a machine does not grow with the numbers of its spec."""

from __future__ import annotations

import ast

import archspec
from archspec import codegen
from archspec.codegen.selftest import MOST, length

HEAD = """archspec: 1
name: m
vocab_size: 64
hidden_size: 32
context_length: 2147483648
head: {tied: true}
"""


def test_checks_read_what_fills_the_windows_as_far_as_they_can() -> None:
    assert length([], []).tokens == 33
    assert (length([48, 16], []).tokens, length([48], [200]).tokens) == (57, 209)
    assert length([10**9], []).tokens == length([], [1 << 40]).tokens == MOST + 9
    assert "more than the widest" in length([MOST], []).said
    assert "never fill" in length([MOST + 10], []).said


def test_a_window_of_a_billion_is_not_filled() -> None:
    mixer = "{type: attention, heads: 2, head_dim: 16, window: 1000000000, rope: {theta: 10000}}"
    text = f"{HEAD}blocks: {{a: {{mixer: {mixer}}}}}\nlayers: a\n"
    selftest = codegen.build(archspec.loads(text), text, "s.yaml")["selftest.py"]
    assert "TOKENS = 1033  # wider windows never fill\n" in selftest


def test_the_type_of_many_kinds_is_no_union_of_them() -> None:
    """Python's own parser nests a union as deep as it is long."""
    blocks = "".join(
        f"  k{i}: {{feedforward: {{intermediate_size: {i + 1}}}}}\n" for i in range(40)
    )
    text = (
        f"{HEAD}defaults: {{feedforward: {{type: dense, activation: silu, gated: true}}}}\n"
        f"blocks:\n{blocks}layers: [{', '.join(f'k{i}' for i in range(40))}]\n"
    )
    selftest = codegen.build(archspec.loads(text), text, "s.yaml")["selftest.py"]
    unions = [node for node in ast.walk(ast.parse(selftest)) if isinstance(node, ast.BinOp)]
    assert not [node for node in unions if "Layer" in ast.unparse(node)]
    assert "layer: Any" in selftest


def test_heads_wider_than_any_tile_have_no_kernels() -> None:
    for mixer in (
        "{type: attention, heads: 2, head_dim: 32768}",
        "{type: mla, heads: 2, kv_rank: 16, nope_dim: 32768, rope_dim: 0, value_head_dim: 16}",
    ):
        text = f"{HEAD}blocks: {{a: {{mixer: {mixer}}}}}\nlayers: a\n"
        files = codegen.build(archspec.loads(text), text, "s.yaml")
        assert not [path for path in files if path.startswith("kernels/attention")]
