"""The selftest finds an error that all forms of a function share, in values and in gradients."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import torch
from conftest import ROOT, Builder
from torch import Tensor

MIXERS = ROOT / "archspec/mechanisms/mixers"


def selftest(mixer: str, builder: Builder) -> Any:
    text = (MIXERS / mixer / "example.yaml").read_text(encoding="utf-8")
    return importlib.import_module(f"{builder.load(text).__name__}.selftest")


def wrong(printed: str) -> list[str]:
    return [line for line in printed.splitlines() if line.startswith("WRONG")]


@pytest.mark.parametrize(
    ("mixer", "file", "function"),
    [
        ("gated_deltanet", "deltanet", "gated_delta_rule"),
        ("kimi_delta", "delta_attention", "channel_delta_rule"),
        ("linear_attention", "linear_attention", "attend_fading"),
    ],
)
def test_a_factor_that_every_form_lacks(
    mixer: str,
    file: str,
    function: str,
    builder: Builder,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Where layers call it, and where its own file has it: forms still agree with each other."""
    checks = selftest(mixer, builder)
    package = checks.__name__.rpartition(".")[0]
    sound = getattr(importlib.import_module(f"{package}.{file}"), function)
    (owner,) = (module for module, name in checks.DEFINITIONS if name == function)

    def halved(*arguments: Any, **named: Any) -> Any:
        found = sound(*arguments, **named)
        return (found[0] / 2, *found[1:])

    halved.__name__ = function
    for module in (owner, importlib.import_module(f"{package}.{file}")):
        monkeypatch.setattr(module, function, halved)
    assert checks.main("cpu") == 1
    lines = wrong(capsys.readouterr().out)
    assert lines
    assert all(f"{function} against its definition" in line for line in lines), lines


def test_a_gradient_that_is_cut_off(
    builder: Builder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Values are right, and A learns nothing."""
    checks = selftest("mamba", builder)
    package = checks.__name__.rpartition(".")[0]
    layers = importlib.import_module(f"{package}.mamba")
    (owner,) = (module for module, name in checks.DEFINITIONS if name == "scan_chunked")
    sound = owner.scan_chunked

    def scan_chunked(x: Tensor, dt: Tensor, rate: Tensor, *more: Tensor) -> Any:
        return sound(x, dt, rate.detach(), *more)

    for module in (owner, layers):
        monkeypatch.setattr(module, "scan_chunked", scan_chunked)
    assert checks.main("cpu") == 1
    lines = wrong(capsys.readouterr().out)
    assert lines
    assert all("scan_chunked against its definition" in line for line in lines), lines


def test_what_is_not_a_number_is_wrong(builder: Builder) -> None:
    checks = selftest("gated_deltanet", builder)
    given = (torch.tensor([float("nan")]),)
    call = checks.Call("same", lambda x: x, lambda x: x, given, {})
    assert call.apart() == float("inf")
