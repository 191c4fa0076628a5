"""`archspec kernels`: every kernel of a spec is compiled, without a GPU."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import time
from typing import Any

import pytest
from conftest import ROOT

from archspec.cli import main
from archspec.kernels import compile as kernels

SPEC = str(ROOT / "examples" / "local-global.yaml")
Captured = pytest.CaptureFixture[str]


@pytest.mark.parametrize("target", kernels.TARGETS)
def test_every_target_gives_binaries(target: str, capsys: Captured) -> None:
    assert main(["kernels", SPEC, "--target", target, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["kernels"]
    assert {"norm_backward_192", "gated_gelu_tanh_512_forward", "rows_loss"} <= {
        k["name"] for k in found
    }
    for kernel in found:
        assert kernel["target"] == target
        assert kernel["error"] is None
        assert kernel["registers"] > 0
        # The tiles of small GPUs are those of sm_89, whose registers sm_120 deals out otherwise.
        assert kernel["spills"] <= {"sm_120": 16}.get(target, 0) or target == "gfx942"
        assert 0 <= kernel["shared_memory"] <= kernels.TARGETS[target].shared_memory
        assert kernel["seconds"] > 0
        assert {"wgmma", "matrix", "async_copies"} <= set(kernel)


def test_the_table_has_a_row_for_each(capsys: Captured) -> None:
    assert main(["kernels", SPEC]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "local-global for sm_90"
    heads = "kernel registers spills shared matrix work copies seconds"
    assert " ".join(lines[1].split()) == heads
    assert any(line.startswith("rows_loss_gradients ") for line in lines)
    (forward,) = (line.split() for line in lines if line.startswith("causal_forward "))
    assert forward[5:7] == ["1", "x"], "no warp repeats what another computes"


def test_no_two_threads_read_python_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which CPython 3.11 answers with a SystemError now and then."""
    parse, reading, most = ast.parse, 0, 0

    def slow(*given: Any, **more: Any) -> ast.AST:
        nonlocal reading, most
        reading += 1
        most = max(most, reading)
        time.sleep(0.001)
        made = parse(*given, **more)
        reading -= 1
        return made

    monkeypatch.setattr(ast, "parse", slow)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    assert main(["kernels", SPEC]) == 0
    assert most == 1


@pytest.mark.parametrize("missing", ["torch", "triton"])
def test_what_is_missing_is_named(
    missing: str, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(kernels, "find_spec", lambda name: None if name == missing else found(name))
    assert main(["kernels", SPEC]) == 2
    assert f"compiling kernels needs {missing}, which is not installed" in capsys.readouterr().err


def test_the_interpreter_compiles_nothing(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    assert main(["kernels", SPEC]) == 2
    assert "TRITON_INTERPRET=1 is set" in capsys.readouterr().err


def test_a_kernel_that_does_not_fit_is_said(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = kernels.Target("cuda", 90, 32, 16, kernels.WGMMA)
    monkeypatch.setitem(kernels.TARGETS, "sm_90", small)
    assert main(["kernels", SPEC]) == 1
    assert "does not fit: too much shared memory" in capsys.readouterr().out
