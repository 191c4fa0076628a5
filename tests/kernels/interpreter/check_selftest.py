"""A package's check of itself where kernels run: they are compared with PyTorch's operators."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
from conftest import ROOT, Builder

TINY = (ROOT / "examples/tiny.yaml").read_text(encoding="utf-8")
Captured = pytest.CaptureFixture[str]


def test_a_wrong_kernel_is_found(
    builder: Builder, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = builder.load(TINY).__name__
    selftest: Any = importlib.import_module(f"{package}.selftest")
    operators: Any = importlib.import_module(f"{package}.kernels.attention_operators")
    assert selftest.main("cpu") == 0
    *_, compared, said = capsys.readouterr().out.splitlines()
    assert compared.startswith("ok    Layer, kernels against PyTorch: ")
    assert said == "on cpu; kernels: compared with PyTorch's operators"
    (name,) = operators.KERNELS
    right = getattr(operators, name)
    monkeypatch.setattr(operators, name, lambda *given: 1.01 * right(*given))
    assert selftest.main("cpu") == 1
    assert "WRONG Layer, kernels against PyTorch: " in capsys.readouterr().out
