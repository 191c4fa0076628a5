"""Each number of an attention stands once in a package: in the class that owns it."""

from __future__ import annotations

import re

import pytest
from conftest import ROOT

import archspec
from archspec.codegen import build

FACTS = {
    "qwen3-0.6b": {r"128\*\*-0\.5": 1},
    "gemma-3-270m": {r"256\*\*-0\.5": 2, r"\b512\b(?! tokens)": 1},
    "gpt-oss-20b": {r"64\*\*-0\.5": 2, r"window = 128\b": 1, r"WINDOW.*128|window=128": 0},
}
"""How often the factor of scores and the window stand in code: once for each class."""

ABOUT = re.compile(r"(atten|decode|paged|cache|selftest|ahead|model).*\.py$")
"""Files that attention has a part in; other kernels cut their work by numbers of their own."""

DIGITS = (r"0\.08838", r"0\.0625\b", r"0\.125\b", r"0\.12751|0\.0901684|0\.180336")
"""These factors as digits, and what they are as exponents of two."""


@pytest.mark.parametrize("name", FACTS)
def test_the_scale_and_the_window_stand_once(name: str) -> None:
    text = (ROOT / f"gallery/{name}.yaml").read_text(encoding="utf-8")
    files = build(archspec.loads(text), text, f"{name}.yaml", extras=("gluon", "paged"))
    code = {path: text for path, text in files.items() if ABOUT.search(path)}
    for pattern, wanted in FACTS[name].items():
        found = {p: len(re.findall(pattern, t)) for p, t in code.items() if re.search(pattern, t)}
        assert sum(found.values()) == wanted, (pattern, found)
        assert found.keys() <= {"attention.py"}
    for pattern in DIGITS:
        assert not [path for path, text in code.items() if re.search(pattern, text)], pattern


@pytest.mark.parametrize("name", FACTS)
def test_classes_leave_to_functions_what_runs(name: str) -> None:
    text = (ROOT / f"gallery/{name}.yaml").read_text(encoding="utf-8")
    attention = build(archspec.loads(text), text, f"{name}.yaml")["attention.py"]
    assert "use_kernels" not in attention
    assert not re.search(r"\n {4,}(from|import) ", attention)
