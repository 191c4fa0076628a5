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
    *_, values, gradients, said = capsys.readouterr().out.splitlines()
    assert values.startswith("ok    Layer, values of kernels against PyTorch: ")
    assert gradients.startswith("ok    Layer, gradients of kernels against PyTorch: ")
    assert said == "on cpu; kernels: compared with PyTorch's operators"
    backward = operators.attention_backward
    with monkeypatch.context() as wrong:
        wrong.setattr(
            operators, "attention_backward", lambda *given: [1.01 * x for x in backward(*given)]
        )
        assert selftest.main("cpu") == 1
    said = capsys.readouterr().out
    assert "ok    Layer, values of kernels against PyTorch: " in said
    assert "WRONG Layer, gradients of kernels against PyTorch: " in said
    (name,) = operators.KERNELS
    right = getattr(operators, name)
    monkeypatch.setattr(operators, name, lambda *given: 1.01 * right(*given))
    assert selftest.main("cpu") == 1
    assert "WRONG Layer, values of kernels against PyTorch: " in capsys.readouterr().out
