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
FEED = """archspec: 1
name: edited
vocab_size: 32
hidden_size: 32
context_length: 64
norm: {type: rmsnorm, eps: 1.0e-5}
defaults:
  mixer: {type: attention, heads: 2, head_dim: 16, rope: {theta: 10000}, qk_norm: {eps: 1.0e-6}}
blocks:
BLOCKS
layers: [NAMES]
head: {tied: false, scale: 0.25, softcap: 2.0}
"""
MOE = "type: moe, experts: 4, top_k: 2, intermediate_size: 16, activation: silu, gated: true, "


def spec(mixer: str) -> str:
    """A model of one layer with that mixer."""
    return HEAD.replace("MIXER", mixer)


def feeding(*feedforwards: str) -> str:
    """A model of a layer with each of these feed-forwards, norms, a rotation and a bent head."""
    blocks = [f"  block{i}: {{feedforward: {{{f}}}}}" for i, f in enumerate(feedforwards)]
    names = ", ".join(f"block{i}" for i in range(len(feedforwards)))
    return FEED.replace("BLOCKS", "\n".join(blocks)).replace("NAMES", names)


DENSE = "type: dense, intermediate_size: 48, gated: true, activation: "
GROUPED = "score: sigmoid, correction_bias: true, groups: {count: 2, keep: 1, by: max}"


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
    "dense": feeding(f"{DENSE}silu", f"{DENSE}gelu"),
    "bounded": feeding(f"{DENSE}quick_gelu, clamp: 7.0, up_offset: 1.0"),
    "experts": feeding(f"{MOE}renormalize: true, scale: 2.5, router: {{score: sigmoid}}"),
    "groups": feeding(f"{MOE}renormalize: false, router: {{{GROUPED}}}"),
}


KERNELS = {
    "dense": {"add_norm_forward", "norm_rotate_forward", "gelu_gate_forward", "cross_entropy"},
    "bounded": {"clamped_raised_quick_gelu_gate_backward", "norm_rotate_backward", "cross_entropy"},
    "experts": {"route_forward", "route_backward", "linear", "outer", "combine_backward"},
    "groups": {"route_forward", "route_backward", "silu_gate_forward", "norm_backward"},
}
"""What must have run in place of PyTorch's operators, beside attention's kernels."""

SILU = "silu_gate(self.gate_proj(x), self.up_proj(x))"
TANH = "self.gate_proj(x).tanh() * self.up_proj(x)"
BOUNDS = "slope=0.5, clamp=0.2, offset=-0.5"


class Edit(NamedTuple):
    """In a file of the package of a spec, what stands there once becomes something else."""

    spec: str
    file: str
    search: str
    replacement: str
    more: tuple[tuple[str, str, str], ...] = ()
    """Further edits in the same package: file, what stands there, what it becomes."""


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
    "another activation": Edit("dense", "feedforward.py", "silu_gate(self", "gelu_gate(self"),
    "an activation without kernels": Edit("dense", "feedforward.py", SILU, TANH),
    "norms and a rotation": Edit(
        *("dense", "model.py", "eps=1e-05", "eps=0.5"),
        (("attention.py", "eps=1e-06", "eps=0.5"), ("rotary.py", "10000.0", "10.0")),
    ),
    "numbers of a gate": Edit(
        *("bounded", "feedforward.py", "slope=1.702, clamp=7.0, offset=1.0", BOUNDS),
        (("feedforward.py", "48", "40"),),
    ),
    "numbers of the logits": Edit(
        *("bounded", "model.py", "logit_scale = 0.25", "logit_scale = 0.75"),
        (("model.py", "logit_softcap = 2.0", "logit_softcap = 0.5"),),
    ),
    "experts": Edit(
        *("experts", "experts.py", "Linear(32, 4", "Linear(32, 7"),
        (("experts.py", "top_k=2, scale=2.5", "top_k=3, scale=0.5"),),
    ),
    "groups of experts": Edit(
        *("groups", "experts.py", "groups=2, keep=1", "groups=3, keep=2"),
        (("experts.py", "Router(32, 4", "Router(32, 9"),),
    ),
}
"""By what is edited. More rows may be added for other parts: the files of each are built once."""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What each edited package gave, and what it gave before, in one process for all."""
    folder = tmp_path_factory.mktemp("edited")
    built = {name: build(archspec.loads(text), text, "spec.yaml") for name, text in SPECS.items()}
    for number, edit in enumerate(EDITS.values()):
        files = dict(built[edit.spec])
        put_files(files, folder / f"before_{number}")
        for file, search, replacement in ((edit.file, edit.search, edit.replacement), *edit.more):
            assert search in files[file], edit
            files[file] = files[file].replace(search, replacement)
        put_files(files, folder / f"after_{number}")
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
    kernels = KERNELS.get(EDITS[name].spec, set())
    assert kernels <= {*found["ran"]}
