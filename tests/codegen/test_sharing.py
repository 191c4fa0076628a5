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

CALLERS = ("attention.py", "latent_attention.py", "selftest.py")


def built(text: str) -> dict[str, str]:
    return build(archspec.loads(text), text, "spec.yaml", extras=ALL)


def defined(files: dict[str, str]) -> set[str]:
    """The functions of attention_operators.py that take queries, keys and values first."""
    text = files.get("kernels/attention_operators.py", "")
    return set(re.findall(r"(?m)^def (\w+)\(\s*q: Tensor,\s+k: Tensor,\s+v: Tensor", text))


def called(files: dict[str, str], path: str) -> list[str]:
    return re.findall(r"\bkernels\.(\w+)\(\s*q, k, v", files.get(path, ""))


def test_each_shape_has_one_name() -> None:
    files = built(MIXED)
    assert called(files, "attention.py") == ["causal_4x16", "causal_2x16"]
    assert called(files, "latent_attention.py") == ["causal_4x48", "causal_2x16"]
    assert called(files, "selftest.py") == called(files, "attention.py")
    assert defined(files) == {"causal_4x16", "causal_4x48", "causal_2x16"}


def test_a_name_tells_one_mechanisms_shape_from_anothers() -> None:
    """By itself either would be called by its mask alone."""
    files = built(PAIR)
    assert called(files, "attention.py") == called(files, "selftest.py") == ["causal_4x16"]
    assert called(files, "latent_attention.py") == ["causal_4x48"]
    assert defined(files) == {"causal_4x16", "causal_4x48"}


def test_equal_heads_have_one_set_of_kernels() -> None:
    """Of the published widths, which the kernel for sm_90 serves too."""
    files = built((ROOT / "bench/kit/latent.yaml").read_text(encoding="utf-8"))
    assert called(files, "attention.py") == called(files, "latent_attention.py") == ["causal"]
    assert files["kernels/attention.py"].count("_forward(\n") == 1
    assert 'GLUON = ("causal",)' in files["kernels/attention_operators.py"]
    assert "def causal_forward(" in files["kernels/attention_hopper.py"]


def test_one_token_has_kernels_where_a_mechanism_calls_them() -> None:
    operators = built(MIXED)["kernels/attention_operators.py"]
    decoding = re.findall(r'return decode\(\s*"(\w+)"', operators)
    assert decoding == ["4x16", "2x16"]
    alone = built(ALONE)
    assert {"kernels/attention_operators.py", "kernels/attention.py"} <= alone.keys()
    assert not {"kernels/decode.py", "paged.py", "kernels/paged.py"} & alone.keys()
    assert "decode" not in alone["kernels/attention_operators.py"]


DECODING = {MIXED: {"causal_4x16", "causal_2x16"}, ALONE: set[str](), PAIR: {"causal_4x16"}}


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
    names = {name for caller in CALLERS for name in called(files, caller)}
    assert names == defined(files)
    assert {own["entry"] for own in facts(archspec.loads(text))["attention"]} == names
