"""What is edited by hand in the one place where it stands holds on every path, or is refused.

Each edit is made in a built package. What it gives with PyTorch's operators then differs from what
the package gave before, its kernels, interpreted, give the same, and its selftest is content.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import archspec
from archspec.codegen import build
from archspec.output.place import put_files

WORKER = Path(__file__).parent / "edited.py"
INTERPRET = {"TRITON_INTERPRET": "1", "ARCHSPEC_KERNELS": "interpret", "OMP_NUM_THREADS": "1"}
HEAD = """archspec: 1
name: edited
vocab_size: 32
hidden_size: 32
context_length: 64
blocks:
  block: {mixer: {MIXER}}
layers: block
head: {tied: true}
"""


def spec(mixer: str) -> str:
    """A model of one layer with that mixer."""
    return HEAD.replace("MIXER", mixer)


HEADS = "type: attention, heads: 4, kv_heads: 2, head_dim: 16, "
LATENT = "type: mla, heads: 2, kv_rank: 8, nope_dim: 16, rope_dim: 0, value_head_dim: 16"
SPECS = {
    "plain": spec(f"{HEADS}qkv_bias: true"),
    "sliding": spec(f"{HEADS}window: 7, sinks: true"),
    "capped": spec(f"{HEADS}softcap: 5, scale: 0.5"),
    "chunked": spec(f"{HEADS}chunk: 6"),
    "sloped": spec(f"{HEADS}alibi: true"),
    "related": spec(f"{HEADS}relative_bias: {{buckets: 4, max_distance: 8}}"),
    "striped": spec(f"{HEADS}block_sparse: {{size: 16, local: 1, first: 1}}"),
    "gated": spec(f"{HEADS}gate: {{activation: sigmoid, per: element}}"),
    "latent": spec(LATENT),
}


class Edit(NamedTuple):
    """In a file of the package of a spec, what stands there once becomes something else."""

    spec: str
    file: str
    search: str
    replacement: str


EDITS = {
    "scale": Edit("plain", "attention.py", "scale=16**-0.5", "scale=0.7"),
    "fewer key-value heads": Edit("plain", "attention.py", "2 * 16", "1 * 16"),
    "window": Edit("sliding", "attention.py", "window = 7", "window = 3"),
    "scale beside sinks": Edit("sliding", "attention.py", "scale=16**-0.5", "scale=1.0"),
    "soft cap": Edit("capped", "attention.py", "softcap=5.0", "softcap=0.5"),
    "chunk": Edit("chunked", "attention.py", "chunk = 6", "chunk = 4"),
    "slopes": Edit("sloped", "attention.py", "-2.0 * torch", "-0.5 * torch"),
    "furthest distance": Edit("related", "attention.py", "furthest=8", "furthest=40"),
    "block size": Edit("striped", "attention.py", "size=16", "size=32"),
    "first blocks": Edit("striped", "attention.py", "first=1", "first=0"),
    "stripes": Edit("striped", "attention.py", "stride=None", "stride=2"),
    "gate": Edit("gated", "attention.py", 'activation="sigmoid"', 'activation="softplus"'),
    "latent scale": Edit("latent", "latent_attention.py", "scale = 16**-0.5", "scale = 0.7"),
}
"""By what is edited. More rows may be added for other parts: the files of each are built once."""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What each edited package gave, and what it gave before, in one process for all."""
    folder = tmp_path_factory.mktemp("edited")
    built = {name: build(archspec.loads(text), text, "spec.yaml") for name, text in SPECS.items()}
    for number, edit in enumerate(EDITS.values()):
        files = built[edit.spec]
        put_files(files, folder / f"before_{number}")
        assert files[edit.file].count(edit.search) >= 1, edit
        changed = files[edit.file].replace(edit.search, edit.replacement)
        put_files(files | {edit.file: changed}, folder / f"after_{number}")
    done = subprocess.run(
        [sys.executable, str(WORKER), str(folder), str(len(EDITS))],
        env=os.environ | INTERPRET,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(zip(EDITS, json.loads(done.stdout.splitlines()[-1]), strict=True))


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_holds_on_every_path(name: str, results: dict[str, dict[str, Any]]) -> None:
    found = results[name]
    if "refused" in found:
        assert "Error" in found["refused"]
        return
    assert found["changed"] > 1e-3
    assert found["apart"] < 1e-4
    assert found["selftest"] == 0
    assert found["ran"], "kernels are compared, and not PyTorch's operators with themselves"
