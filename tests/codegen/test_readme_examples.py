"""The examples in a package's README run as they stand, on a shrunk model of each kind."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import archspec
from archspec import codegen
from archspec.codegen.readme import facts
from archspec.language.source import parse
from archspec.numbers.shrink import shrink

ROOT = Path(__file__).parents[2]
SPECS = [
    "examples/encoder.yaml",
    "examples/given-states.yaml",
    "gallery/all-minilm-l6-v2.yaml",
    "gallery/deepseek-v3-671b.yaml",
    "gallery/qwen3-0.6b.yaml",
    "gallery/t5-small.yaml",
]


@pytest.mark.parametrize("spec", SPECS)
def test_the_examples_run(spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = shrink(parse((ROOT / spec).read_text(encoding="utf-8")))
    name = f"readme_{Path(spec).stem.replace('-', '_').replace('.', '_')}"
    files = codegen.build(archspec.loads(text), text, spec, name)
    for path, content in files.items():
        place = tmp_path / name / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    weights = importlib.import_module(name).Model().state_dict()
    save_file({k: v.contiguous() for k, v in weights.items()}, "model.safetensors")
    blocks = re.findall(r"```python\n(.*?)```", files["README.md"], re.DOTALL)
    assert len(blocks) == 1 + ("## Training" in files["README.md"])
    seen: dict[str, object] = {}
    torch.manual_seed(0)
    for block in blocks:
        exec(compile(block, f"{name}/README.md", "exec"), seen)
    for module in [m for m in sys.modules if m.split(".")[0] == name]:
        del sys.modules[module]


def test_the_numbers_are_the_models() -> None:
    """The token embedding is that alone; what is active is told where some weights are not."""
    told = {row["name"]: row["value"] for row in facts(load("gallery/all-minilm-l6-v2.yaml"))}
    assert told["Token embedding"] == "11,720,448"  # 30,522 × 384
    assert "Active for one token" not in told
    told = {row["name"]: row["value"] for row in facts(load("gallery/gpt-oss-20b.yaml"))}
    assert told["Active for one token"] == "3,608,310,144"  # published as 3.61B


def load(spec: str) -> archspec.architecture.model.Architecture:
    return archspec.load(ROOT / spec)
