"""`archspec bench` on a CPU, its clock, and the folder that `make gpu-kit` writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from conftest import ROOT
from torch import Tensor

import archspec
from archspec.bench import attention, bars, benchmark, device, model
from archspec.bench.jobs import Job, together
from archspec.bench.package import WIDE, load
from archspec.bench.race import Bench
from archspec.bench.run import WEIGHTS, Options, run, wrong
from archspec.bench.subjects import put_package
from archspec.bench.timing import Times, in_turns, take_turns
from archspec.cli import main

Captured = pytest.CaptureFixture[str]
SPEC = """
archspec: 1
name: small
vocab_size: 64
hidden_size: 24
context_length: 64
blocks:
  block:
    mixer: {type: attention, heads: 2, head_dim: 12, rope: {theta: 10_000}}
    feedforward: {type: dense, intermediate_size: 20, activation: silu, gated: true}
layers: 2 x block
head: {tied: true}
"""
# The interpreter of the kit may not import these.
ALONE = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
"""
ABSENT = {
    "archspec",
    "pydantic",
    "ruamel",
    "typer",
    "rich",
    "transformers",
    "safetensors",
    "pytest",
}


def test_contenders_take_turns() -> None:
    order: list[str] = []
    seconds = {"ours": 2.0, "a": 3.0, "b": 5.0}

    def prepare(name: str) -> Callable[[], Callable[[], Any]]:
        return lambda: lambda: name

    def measure(work: Callable[[], Any]) -> float:
        order.append(work())
        return seconds[order[-1]]

    times = in_turns({name: prepare(name) for name in seconds}, 2, measure)
    assert order == ["ours", "a", "b", "a", "b", "ours", "b", "ours", "a"]
    assert times.peer() == "a"
    assert (times.ratio(), times.ratio("b"), times.spread("b")) == (1.5, 2.5, (2.5, 2.5))
    assert Times({"ours": [1.0], "a": [2.0]}).spread() == (2.0, 2.0)
    assert take_turns({"ours": prepare("ours")}, 2, "cpu").median("ours") < 1


def test_bars() -> None:
    shape = {"heads": 32, "kv_heads": 8, "head_dim": 128, "value_dim": 128, "group": 4}
    row = {"section": "attention", "operation": "forward", "plain": True, "causal": True} | shape
    fast = row | {"ratios": {"sdpa": [1.9, 1.8, 2.0], "flex": [1.4, 1.3, 1.5]}}
    slow = row | {"ratios": {"sdpa": [1.7, 1.6, 1.8]}, "skipped": {"sdpa cudnn": "not there"}}
    found = {(bar["bar"], bar["peer"]): bar for bar in bars.reached([fast, slow])}
    dense = "causal, grouped heads of 128, forward"
    assert found[dense, "sdpa"] | {"worst": 1.7, "best": 1.9, "met": True} == found[dense, "sdpa"]
    assert found[dense, "flex"]["met"] is False
    assert found[dense, "sdpa cudnn"]["reason"] == "not there"
    assert found["decode, caches of 64 MB and more", "copy"]["met"] is None
    uneven = row | {"ratios": {"sdpa": [1.7, 1.5, 1.8]}}
    assert bars.reached([fast, uneven])[0]["met"] is False  # a quarter of its rounds did not
    copied = {"section": "decode", "operation": "decode", "share": 0.86, "moved": 1 << 27}
    times = {"milliseconds": {"ours": 1.0}, "quartiles": {"ours": [0.9, 1.1]}}
    assert bars.Bar("", "copy", 0.85, lambda _: True).surely(copied | times) == pytest.approx(
        0.7818, abs=1e-4
    )
    wrong = bars.reached([fast, row | {"failed": "Wrong: the result is off by 1"}])
    assert wrong[0]["met"] is False


@pytest.mark.parametrize(("capability", "there"), [((9, 0), True), ((8, 0), False)])
def test_kernels_for_hopper_compete(
    capability: tuple[int, int], there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    running = ["auto"]

    @contextmanager
    def mode(name: str) -> Iterator[None]:
        running.append(name)
        yield
        running.pop()

    operators = SimpleNamespace(GLUON=("causal",), mode=mode)

    def own(q: Tensor, *_: Tensor) -> Tensor:
        asked.append(running[-1])
        return q

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    package: Any = SimpleNamespace(module=lambda name: operators)
    skipped: dict[str, str] = {}
    calls = attention.gluon(package, {"entry": "causal"}, own, skipped)
    assert set(calls) | set(skipped) == {"ours gluon"} and bool(calls) == there
    for call in (*calls.values(), own):
        call(torch.zeros(1), torch.zeros(1), torch.zeros(1))
    assert asked == ["gluon", "auto"][1 - there :]
    assert attention.gluon(package, {"entry": "windowed"}, own, {}) == {}


@pytest.mark.parametrize(("sparse", "limit"), [(False, 0.125), (True, 0.19)])
def test_a_wrong_whole_model_is_found(sparse: bool, limit: float) -> None:
    package: Any = SimpleNamespace(facts={"sparse": sparse})
    assert 4 * model._slack(package) * WIDE[torch.bfloat16] <= limit


def test_whole_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda function=None, **_: function)
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self, **_: None)
    monkeypatch.setattr(device, "ROUNDS", (1, 1))
    monkeypatch.setattr(model, "ON_CPU", (8, 8))
    bench = Bench(tmp_path / "rows", 600, False, "model", "small")
    folder = put_package(archspec.loads(SPEC), SPEC, "spec.yaml", tmp_path)
    model.run(load(folder), bench)
    found = [json.loads(line) for line in bench.rows.read_text().splitlines()]
    assert [row["operation"] for row in found] == ["decode a token", "train", "read"]
    for row in found:
        assert {"pytorch", "ours compiled"} <= set(row["ratios"]), row
        assert row["errors"]["ours"] == 0


def test_a_process_that_hangs_or_dies_is_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    monkeypatch.setattr(sys, "executable", "/bin/false")
    jobs = [Job("rows", tmp_path / "a", 20.0), Job("rows", tmp_path / "b", 20.0)]
    rows = together(jobs, 2, time.monotonic() + 30, tmp_path)
    assert [row["failed"] for row in rows] == ["exit code 1", "exit code 1"]
    slow = tmp_path / "slow"
    slow.write_text("#!/bin/sh\nsleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(slow))
    (row,) = together([Job("rows", tmp_path / "c", 0.3)], 1, time.monotonic() + 30, tmp_path)
    assert row["failed"] == "stopped after 0 s"
    (row,) = together([Job("rows", tmp_path / "d", 9.0)], 1, time.monotonic() + 5, tmp_path)
    assert row["left_out"] == "the time was up"


def test_the_command_on_a_cpu(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "small.yaml").write_text(SPEC)
    ran: list[Job] = []

    def together(jobs: list[Job], *_: Any) -> list[dict[str, Any]]:
        ran.extend(jobs)
        about = {"section": "model", "package": "small", "operation": "train", "layers": 2}
        numbers = {"milliseconds": {"ours": 2.0, "pytorch": 3.0}, "skipped": {}}
        return [about | numbers | {"ratios": {"pytorch": [1.5, 1.4, 1.6]}}]

    monkeypatch.setattr("archspec.bench.run.together", together)
    assert main(["bench", str(tmp_path / "small.yaml"), "--record", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert [job.section for job in ran] == ["model"]
    assert "train 2 layers" in said and "1.50 x" in said and "1.40 to 1.60" in said
    assert "kernels were not timed: there is no GPU" in said
    assert "peers that are not installed: flash-attn" in said
    (path,) = tmp_path.glob("small-cpu-*.json")
    record = json.loads(path.read_text())
    assert record["machine"]["torch"] == torch.__version__
    assert record["kernels_timed"] is False and len(record["rows"]) == 1
    assert main(["bench", str(tmp_path / "small.yaml"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["spec"] == "small"


def test_what_does_not_fit_is_refused(capsys: Captured) -> None:
    assert main(["bench", str(ROOT / "gallery/ling-2.5-1t.yaml")]) == 2
    assert "archspec shrink writes the same structure" in capsys.readouterr().err


def test_what_is_missing_is_named(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "find_spec", lambda name: None)
    assert main(["bench", str(ROOT / "examples/tiny.yaml")]) == 2
    assert "timing a package needs torch" in capsys.readouterr().err


def test_the_kit_runs_by_itself(tmp_path: Path) -> None:
    folder = tmp_path / "gpu-kit"
    command = [sys.executable, str(ROOT / "bench/gpu_kit.py"), str(folder)]
    subprocess.run(command, check=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert size < 20e6
    assert (tmp_path / "gpu-kit.tar.gz").stat().st_size < 20e6
    for path in (ROOT / "archspec/bench").glob("*.py"):
        assert (folder / "bench" / path.name).read_text() == path.read_text()
    away = tmp_path / "away"
    away.mkdir()
    (away / "sitecustomize.py").write_text(ALONE.format(names=ABSENT))
    record = tmp_path / "record.json"
    run = [sys.executable, str(folder / "run.py"), "--interpret", "--record", str(record)]
    run += ["--only", "slopes", "--tests", "alibi float32", "selftest"]
    env = os.environ | {"PYTHONPATH": str(away)}
    done = subprocess.run(run, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(record.read_text())
    assert found["packages"] == ["slopes"]
    assert [row["test"] for row in found["tests"]] == ["attention causal_alibi float32", "selftest"]
    assert all(row["ok"] for row in found["tests"])
    assert "kernels were not timed: there is no GPU" in done.stdout


def test_on_a_gpu_tests_come_first_and_the_time_is_shared_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full, brief = tmp_path / "full", tmp_path / "brief"
    full.with_suffix(".json").write_text("{}")
    brief.with_suffix(".json").write_text('{"brief": true, "sections": ["checks", "decode"]}')
    rounds: list[list[Job]] = []

    def together(jobs: list[Job], *_: Any) -> list[dict[str, Any]]:
        rounds.append(jobs)
        return [{"section": job.section, "package": job.package.name, "ok": True} for job in jobs]

    here = device.machine() | {"gpu": "a GPU"}
    monkeypatch.setattr(device, "machine", lambda: here)
    monkeypatch.setattr("archspec.bench.run.together", together)
    record = run([full, brief], Options(300.0, tmp_path / "record.json", {"commit": "abc"}))
    first, *timed = rounds
    assert [job.name for job in first[:2]] == ["checks of full", "checks of brief"]
    assert len(first) == 2 + 5 and all(job.warm for job in first[2:])
    order = [(job.section, job.package.name) for (job,) in timed]
    assert order == [(name, "full") for name in WEIGHTS] + [("decode", "brief")]
    assert all(0 < job.seconds < 300 for (job,) in timed)
    assert timed[0][0].seconds == pytest.approx(300 * 4 / (14 + 2 / 3), rel=0.02)
    assert timed[-1][0].seconds == pytest.approx(300, rel=0.02)
    written = json.loads((tmp_path / "record.json").read_text())
    assert written["commit"] == "abc" and written["kernels_timed"] is True
    assert len(written["tests"]) == 2 and len(written["bars"]) == len(bars.BARS)
    assert record["bars"][0]["met"] is None


def test_what_is_wrong_is_listed() -> None:
    tests = [
        {"package": "a", "test": "one", "ok": True, "found": "off by 0"},
        {"package": "a", "test": "two", "ok": None, "found": "the time was up"},
        {"package": "a", "test": "three", "ok": False, "found": "off by 1"},
        {"package": "b", "failed": "exit code 1"},
        {"package": "c", "left_out": "the time was up"},
    ]
    rows = [
        {"package": "a", "section": "rows", "failed": "Wrong: the result is off by 1"},
        {"package": "a", "section": "rows", "failed": "OutOfMemoryError: no room"},
    ]
    found = wrong({"tests": tests, "rows": rows})
    assert found == [
        "a: three: off by 1",
        "b: the tests: exit code 1",
        "a: rows: Wrong: the result is off by 1",
    ]
