"""Mechanisms that share files of kernels call them by the same names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import ROOT, SPECS, Builder, small_text, spec_id
from kernels.latent import ALONE, MIXED, PAIR

import archspec
from archspec.bench.subjects import facts
from archspec.codegen import ALL, build

NUMBERS = """
archspec: 1
name: numbers
vocab_size: 64
hidden_size: 32
context_length: 2048
blocks:
  near: {mixer: {type: attention, heads: 4, kv_heads: 2, head_dim: 16, window: 512}}
  far: {mixer: {type: attention, heads: 6, kv_heads: 1, head_dim: 16, window: 1024, scale: 0.3}}
  all: {mixer: {type: attention, heads: 2, head_dim: 16}}
layers: near, far, all
head: {tied: true}
"""


def built(text: str) -> dict[str, str]:
    return build(archspec.loads(text), text, "spec.yaml", extras=ALL)


def defined(files: dict[str, str]) -> set[str]:
    """The functions of attention_operators.py that take queries, keys and values first."""
    text = files.get("kernels/attention_operators.py", "")
    return set(re.findall(r"(?m)^def (\w+)\(\s*q: Tensor,\s+k: Tensor,\s+v: Tensor", text))


def called(files: dict[str, str]) -> list[str]:
    """The functions of it that attend.py calls."""
    return re.findall(r"\bkernels\.(\w+)\(\s*q, k, v", files.get("attend.py", ""))


def forwards(files: dict[str, str]) -> list[str]:
    """The kinds of attention that have a kernel, by name."""
    return re.findall(r"def (\w+)_forward\(", files["kernels/attention.py"])


def test_one_function_serves_all_widths() -> None:
    """Heads that differ in count alone have one set of kernels, others one for each width."""
    files = built(MIXED)
    assert called(files) == ["causal"]
    assert defined(files) == {"causal"}
    assert forwards(files) == ["causal_16x16", "causal_48x16"]
    assert (
        '("causal", 16, 16),' in files["attend.py"] and '("causal", 48, 16),' in files["attend.py"]
    )


def test_numbers_make_no_kernels_of_their_own() -> None:
    """Two windows, two scales and two counts of heads are launched with one text."""
    files = built(NUMBERS)
    assert forwards(files) == ["sliding", "causal"]
    assert "512" not in files["kernels/attention.py"]


def test_equal_heads_have_one_set_of_kernels() -> None:
    """Of the published widths, which the kernel for sm_90 serves too."""
    files = built((ROOT / "bench/kit/latent.yaml").read_text(encoding="utf-8"))
    assert called(files) == ["causal"]
    assert files["kernels/attention.py"].count("_forward(\n") == 1
    assert 'GLUON = ("causal",)' in files["kernels/attention_operators.py"]
    assert "def causal_forward(" in files["kernels/attention_hopper.py"]


def test_one_token_has_kernels_where_a_mechanism_calls_them() -> None:
    files = built(MIXED)
    assert 'return decode(f"{widths}"' in files["kernels/attention_operators.py"]
    shapes = re.findall(r'"(\w+)": Shape', files["kernels/decode.py"])
    assert shapes == ["16x16", "48x16"]
    alone = built(ALONE)
    assert {"kernels/attention_operators.py", "kernels/attention.py"} <= alone.keys()
    assert not {"kernels/decode.py", "paged.py", "kernels/paged.py"} & alone.keys()
    assert "decode" not in alone["kernels/attention_operators.py"]


DECODING = {MIXED: {"causal"}, ALONE: set[str](), PAIR: {"causal"}}


@pytest.mark.parametrize("text", DECODING, ids=["mixed", "alone", "pair"])
def test_the_benchmark_knows_the_same_names(text: str) -> None:
    listed = facts(archspec.loads(text))["attention"]
    assert {own["entry"] for own in listed} == defined(built(text))
    assert {own["entry"] for own in listed if own["decodes"]} == DECODING[text]


@pytest.mark.parametrize("path", SPECS, ids=spec_id)
def test_what_is_called_is_there(path: Path, builder: Builder) -> None:
    text = small_text(path)
    folder = builder.write(text)
    files = {
        p.relative_to(folder).as_posix(): p.read_text(encoding="utf-8")
        for p in folder.rglob("*.py")
    }
    names = set(called(files))
    assert names == defined(files)
    assert {own["entry"] for own in facts(archspec.loads(text))["attention"]} == names
