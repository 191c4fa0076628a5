"""The benchmark itself, with short texts on a CPU: what it checks, and what rows it writes."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from kernels.latent import ALONE, MIXED

import archspec
from archspec.bench import attention, bars, checks, decode, definition, device, package, rows, show
from archspec.bench.package import Package, load
from archspec.bench.race import Bench
from archspec.bench.subjects import put_package
from archspec.bench.timing import Times

SPEC = """
archspec: 1
name: {name}
vocab_size: 64
hidden_size: 24
context_length: 64
norm: {{type: rmsnorm, eps: 1.0e-6}}
defaults: {{feedforward: {{type: dense, intermediate_size: 20, activation: silu, gated: true}}}}
blocks:
  causal:
    mixer: {{type: attention, heads: 6, kv_heads: 2, head_dim: 16, rope: {{theta: 10_000}}}}
  sliding:
    mixer:
      type: attention
      heads: 2
      head_dim: 16
      window: 6
      sinks: true
      qk_norm: true
      rope: {{theta: 10_000}}
  capped:
    mixer: {{type: attention, heads: 2, head_dim: 16, chunk: 8, softcap: 3.0}}
  slopes:
    mixer: {{type: attention, heads: 2, head_dim: 16, alibi: {{max_bias: 8.0}}}}
  related:
    mixer: {{type: attention, heads: 2, head_dim: 16, relative_bias: {{max_distance: 5}}}}
  gated:
    mixer: {{type: attention, heads: 3, kv_heads: 1, head_dim: 16, gate: {{per: element}}}}
  gated_heads:
    extends: sliding
    mixer: {{gate: {{activation: softplus, per: head}}, window: 4}}
  striped:
    mixer:
      type: attention
      heads: 4
      kv_heads: 2
      head_dim: 16
      block_sparse: {{size: 16, local: 1, stride: 3, first: 1, shifted: true}}
layers: {layers}
head: {{tied: true}}
"""


def put(folder: Path, text: str) -> Package:
    return load(put_package(archspec.loads(text), text, "spec.yaml", folder))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Package:
    layers = "causal, sliding, capped, slopes, related, gated, gated_heads"
    return put(tmp_path_factory.mktemp("timed"), SPEC.format(name="timed", layers=layers))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Package:
    text = SPEC.format(name="small", layers="causal, sliding")
    return put(tmp_path_factory.mktemp("small"), text)


def one_second(_: device.Stopwatch, contenders: dict[str, Any]) -> Times:
    return Times({name: [1.0, 1.0] for name in contenders})


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Short texts in float32, which the interpreter multiplies rightly; nothing is compiled.

    Everything is computed once, for its check, and all of it takes a second.
    """
    monkeypatch.setattr(torch, "compile", lambda function=None, **_: function)
    monkeypatch.setattr(device.Stopwatch, "race", one_second)
    monkeypatch.setattr(attention, "LENGTHS", (9,))
    monkeypatch.setattr(attention, "TOKENS", 9)
    monkeypatch.setattr(decode, "LENGTHS", (16,))
    monkeypatch.setattr(decode, "BYTES", (4096,))
    monkeypatch.setattr(rows, "TOKENS", 8)
    made = Bench(tmp_path / "rows", 600, False, "a section", "timed")
    made.dtype = torch.float32
    return made


def measured(bench: Bench, section: ModuleType, built: Package) -> list[dict[str, Any]]:
    section.run(built, bench)
    found = [json.loads(line) for line in bench.rows.read_text().splitlines()]
    assert not [row.get("failed") or "left out" for row in found if "milliseconds" not in row]
    assert all(row["milliseconds"]["ours"] == 1000 for row in found)
    assert all(row["errors"]["ours"] < 1e-4 for row in found)
    return found


@pytest.mark.filterwarnings("ignore")  # of eager FlexAttention, and of backends that are not there
def test_attention(bench: Bench, built: Package) -> None:
    found = measured(bench, attention, built)
    by_name = {(row["attention"], row["operation"], row["tokens"]): row for row in found}
    plain = by_name["causal", "forward", 9]
    assert {"sdpa", "flex", "flex and mask"} <= set(plain["ratios"])
    assert plain["skipped"]["flash-attn"] == "not installed"
    for name, *_ in by_name:
        row = by_name[name, "forward", 9]
        assert "flex" in row["ratios"], (name, row["skipped"])
    # On a CPU FlexAttention has no backward pass, which the row says.
    both = by_name["causal", "forward and backward", 9]
    assert len(both["ratios"]["sdpa"]) == 3
    assert "does not support backward on CPU" in both["skipped"]["flex"]


@pytest.mark.filterwarnings("ignore")
def test_decode(bench: Bench, built: Package) -> None:
    found = measured(bench, decode, built)
    assert {row["attention"] for row in found} == {f["entry"] for f in built.facts["attention"]}
    plain = next(row for row in found if row["attention"] == "causal")
    assert {"sdpa", "sdpa, heads as rows", "flex"} <= set(plain["ratios"])


@pytest.mark.filterwarnings("ignore")
def test_blocks_that_are_seen(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = put(tmp_path / "striped", SPEC.format(name="striped", layers="striped"))
    (facts,) = built.facts["attention"]
    monkeypatch.setattr(attention, "LENGTHS", (60,))
    monkeypatch.setattr(attention, "TOKENS", 60)
    monkeypatch.setattr(decode, "LENGTHS", (60,))
    monkeypatch.setattr(decode, "BYTES", (1 << 14,))
    for section in (attention, decode):
        found = measured(bench, section, built)
    assert all(
        "flex" in row["ratios"] for row in found if row["operation"] != "forward and backward"
    )
    # Of four blocks of 16 tokens the last sees the first, the third and itself.
    pairs = 16 * (16 * (1 + 2 + 2 + 3) - 64 / 2)
    assert attention.flops(facts, 1, 64) == 2 * 4 * pairs * (16 + 16)
    assert decode.share(facts, 64) == 48 / 64


@pytest.mark.filterwarnings("ignore")
def test_latent_attention(bench: Bench, tmp_path: Path) -> None:
    """Made of latents, heads are timed as any are; decoding goes by the latents themselves."""
    built = put(tmp_path / "latent", MIXED.replace("name: mixed", "name: timed_latent"))
    found = measured(bench, attention, built)
    assert {row["attention"] for row in found} == {"causal_4x16", "causal_4x48", "causal_2x16"}
    bench.rows.unlink()
    found = measured(bench, decode, built)
    assert {row["attention"] for row in found} == {"causal_4x16", "causal_2x16"}


def test_the_kits_own_tests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "FEW", 7)
    built = put(tmp_path, ALONE)
    found = dict(checks.checks(built))
    kernels = [name for name in found if name.startswith("attention ") and "float32" in name]
    assert len(kernels) == len(built.facts["attention"]) == 2
    for name in (*kernels, "operators are registered as torch wants them", "selftest"):
        found[name]()


WAYS = """
archspec: 1
name: ways
vocab_size: 64
hidden_size: 32
context_length: 64
blocks:
  block:
    mixer: {type: attention, heads: 4, kv_heads: 2, head_dim: 16, sinks: true, rope: {theta: 100}}
    feedforward: {type: dense, intermediate_size: 24, activation: silu, gated: true}
layers: block
head: {tied: true}
"""
EVERY_WAY = (
    *("padding on the left", "padding on the right", "texts packed into rows"),
    *("gradients are the same each time", "a step under autocast"),
    "generate gives what single steps give",
    *("keys in pages, causal_sink", "kernels for sm_90 alone"),
)


def test_every_way_to_use_a_model_is_tested(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "FEW", 12)
    built = put(tmp_path, WAYS.replace("head_dim: 16", "head_dim: 64"))
    found = dict(checks.checks(built))
    assert set(EVERY_WAY) <= set(found)
    for name in EVERY_WAY:
        found[name]()


def test_a_kernel_that_reads_padding_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "FEW", 12)
    built = put(tmp_path, WAYS)
    operators = built.module("kernels.attention_operators")
    (name,) = operators.KERNELS
    right = getattr(operators, name)
    monkeypatch.setattr(operators, name, lambda *given: right(*given[:4], None, *given[5:]))
    found = dict(checks.checks(built))
    for name in EVERY_WAY[:3]:
        with pytest.raises(ArithmeticError, match="from PyTorch's operators"):
            found[name]()


def test_rows(bench: Bench, small: Package) -> None:
    found = measured(bench, rows, small)
    names = {row["operator"] for row in found}
    norms = {"rms_norm", "add_rms_norm", "norm_rotate"}
    assert names == norms | {"rotate", "gated_silu", "rows_loss"}
    assert all({"pytorch", "compiled"} <= set(row["ratios"]) for row in found)
    record = {"tests": [], "rows": found, "missing_peers": ["liger-kernel"]}
    shown = show.text(record | {"bars": bars.reached(found)})
    assert "rms_norm forward 1 8 24" in shown
    assert "peers that are not installed: liger-kernel" in shown
    assert "nothing of the kind was timed" in shown


def test_what_has_no_formula_is_said_and_misses_no_bar(
    bench: Bench, small: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(rows.FORMULAS, "rotate")
    monkeypatch.delitem(rows.FORMULAS, "norm_rotate")
    monkeypatch.setattr(bench, "end", 0.0)  # nothing else is measured
    rows.run(small, bench)
    found = [json.loads(line) for line in bench.rows.read_text().splitlines()]
    untimed = [row for row in found if "not_timed" in row]
    assert {row["operator"] for row in untimed} == {"rotate", "norm_rotate"}
    assert all(bar["met"] is None and "failed" not in bar for bar in bars.reached(untimed))
    shown = show.text({"tests": [], "rows": untimed, "missing_peers": [], "bars": []})
    assert "the model's tests do): norm_rotate, rotate" in shown


def test_what_is_wrong_is_not_timed(
    bench: Bench, built: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = definition.attention
    monkeypatch.setattr(definition, "attention", lambda *given: 1.1 * right(*given))
    attention.run(built, bench)
    found = [json.loads(line) for line in bench.rows.read_text().splitlines()]
    forward = [row for row in found if row["operation"] == "forward"]
    assert forward
    assert all(row["failed"].startswith("Wrong: the result is off by") for row in forward)


def test_time_that_is_up_is_said(bench: Bench, small: Package) -> None:
    bench.end = 0.0
    rows.run(small, bench)
    found = [json.loads(line) for line in bench.rows.read_text().splitlines()]
    assert {row["left_out"] for row in found} == {"the time was up"}


def test_distance_knows_no_number() -> None:
    nothing = torch.tensor([float("nan"), 1.0])
    assert package.distance(nothing, torch.ones(2)) == float("inf")
    assert not package.close(float("inf"), 0.0, torch.float32)


EXPERTS = """
archspec: 1
name: chosen
vocab_size: 64
hidden_size: 24
context_length: 64
norm: {type: rmsnorm, eps: 1.0e-6}
blocks:
  experts:
    mixer: {type: attention, heads: 2, head_dim: 16, rope: {theta: 10_000}}
    feedforward:
      type: moe
      experts: 4
      top_k: 2
      intermediate_size: 20
      activation: silu
      gated: true
      bias: true
      renormalize: true
layers: experts
head: {tied: true}
"""


def test_experts(bench: Bench, tmp_path: Path) -> None:
    built = put(tmp_path, EXPERTS)
    rows.run(built, bench)
    found = [json.loads(line) for line in bench.rows.read_text().splitlines()]
    assert {row["operator"] for row in found if "not_timed" in row} == {"route"}
    timed = [row for row in found if row["operator"].startswith("expert_")]
    assert {row["operator"] for row in timed} == {"expert_linear", "expert_combine"}
    assert all(row["errors"]["ours"] < 1e-4 for row in timed)
    grouped = [row for row in timed if "pytorch grouped" in row["ratios"]]
    assert {row["operator"] for row in grouped} == {"expert_linear"}
