"""Definitions are right by operators that we did not write, and stand apart from the rest."""

from __future__ import annotations

import ast
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from conftest import ROOT
from torch import Tensor
from transformers import LlamaConfig, activations
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
from transformers.models.bloom.modeling_bloom import build_alibi_tensor
from transformers.models.t5.modeling_t5 import T5Attention

from archspec.mechanisms import mechanisms
from archspec.mechanisms.common.definitions.activation import activation
from archspec.mechanisms.common.definitions.convolution import convolution
from archspec.mechanisms.common.definitions.norm import norm
from archspec.mechanisms.common.definitions.rotary import frequencies
from archspec.mechanisms.common.definitions.softmax import causal, weighed
from archspec.mechanisms.mixers.attention.definition import alibi_slopes, relative_rows
from archspec.spec.activation import Activation
from archspec.spec.norm import Norm
from archspec.spec.rope import Rope

THEIRS = {
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "identity": lambda x: x,
    "mish": F.mish,
    "quick_gelu": activations.ACT2FN["quick_gelu"],
    "relu": F.relu,
    "relu2": activations.ACT2FN["relu2"],
    "sigmoid": torch.sigmoid,
    "silu": F.silu,
    "softplus": F.softplus,
    "tanh": torch.tanh,
    "xielu": activations.XIELUActivation(dtype=torch.float64).double(),
}


def same(found: Tensor, expected: Tensor, limit: float = 1e-12) -> None:
    torch.testing.assert_close(found, expected, atol=limit, rtol=limit)


@pytest.mark.parametrize("kind", THEIRS)
def test_activations(kind: Any) -> None:
    x = torch.linspace(-4, 4, 81, dtype=torch.float64)
    learned = {name: w.detach() for name, w in THEIRS["xielu"].named_parameters()}
    limit = 1e-6 if kind == "xielu" else 1e-12  # theirs takes e^x no nearer to zero than −1e-6
    same(activation(kind, x, learned), THEIRS[kind](x).detach(), limit)


def test_every_activation_is_compared() -> None:
    def names(kind: Any) -> set[str]:
        return set().union(*(names(k) if not isinstance(k, str) else {k} for k in kind.__args__))

    assert names(Activation) == set(THEIRS)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("centered", [False, True])
@pytest.mark.parametrize("kind", ["rmsnorm", "layernorm", "l2norm"])
def test_norms(kind: Any, centered: bool, bias: bool) -> None:
    """Where eps is as large as what is normed."""
    x, w, b = (torch.randn(n, 6, dtype=torch.float64) for n in (5, 1, 1))
    scale, shift = (1 + w[0] if centered else w[0]), (b[0] if bias else None)
    fields = Norm(type=kind, eps=0.5, weight=True, zero_centered=centered, bias=bias)
    if kind == "rmsnorm":
        expected = F.rms_norm(x, (6,), scale, 0.5)
    elif kind == "layernorm":
        expected = F.layer_norm(x, (6,), scale, None, 0.5)
    else:  # one more number makes eps part of the length
        longer = torch.cat((x, torch.full((5, 1), 0.5**0.5, dtype=torch.float64)), dim=1)
        expected = F.normalize(longer, dim=1)[:, :6] * scale
    expected = expected if shift is None else expected + shift
    same(norm(fields, {"n.weight": w[0], "n.bias": b[0]}, "n", x), expected)


@pytest.mark.parametrize("width", [1, 2, 5])
def test_convolutions(width: int) -> None:
    x = torch.randn(2, 9, 3, dtype=torch.float64)
    weight, bias = torch.randn(3, 1, width, dtype=torch.float64), torch.randn(3).double()
    expected = F.conv1d(F.pad(x.mT, (width - 1, 0)), weight, bias, groups=3).mT
    same(convolution({"c.weight": weight, "c.bias": bias}, "c", x), expected)


def test_softmax_over_what_is_seen() -> None:
    q, k, v = torch.randn(3, 2, 7, 3, 4, dtype=torch.float64)  # (B, T, H, D)
    of_heads = [x.transpose(1, 2) for x in (q, k, v)]
    expected = F.scaled_dot_product_attention(*of_heads, is_causal=True).transpose(1, 2)
    scores = torch.einsum("bthd,bshd->bhts", q, k) / 2
    same(weighed(scores, causal(7), v), expected)
    sink = torch.randn(3, dtype=torch.float64)  # as one more key whose value is nothing
    scores = torch.cat((scores, sink[None, :, None, None].expand(2, 3, 7, 1)), dim=-1)
    seen = F.pad(causal(7), (0, 1), value=True)
    expected = weighed(scores, seen, F.pad(v, (0, 0, 0, 0, 0, 1)))
    same(weighed(scores[..., :-1], causal(7), v, sink), expected)


@pytest.mark.parametrize("heads", [1, 2, 6, 8, 12])
def test_alibi(heads: int) -> None:
    there = torch.ones(1, 4, dtype=torch.long)
    theirs = build_alibi_tensor(there, heads, torch.float32)[:, 0, 1]  # of a distance of one
    same(torch.tensor(alibi_slopes(heads, 8.0)), theirs, 1e-6)


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize(("buckets", "furthest"), [(8, 16), (32, 128), (16, 20)])
def test_relative_buckets(buckets: int, furthest: int, both: bool) -> None:
    place = torch.arange(150)
    ahead = place - place[:, None]  # how far ahead a key lies
    theirs = T5Attention._relative_position_bucket(ahead, both, buckets, furthest)
    fields = SimpleNamespace(buckets=buckets, max_distance=furthest)
    assert torch.equal(relative_rows(fields, not both, 150), theirs)


FACTORS = [1.0 + 0.25 * i for i in range(8)]
SCALINGS: dict[str, dict[str, Any]] = {
    "linear": {"factor": 4.0},
    "dynamic": {"factor": 4.0, "original_context": 64},
    "llama3": {
        "factor": 8.0,
        "low_frequency_factor": 1.0,
        "high_frequency_factor": 4.0,
        "original_context": 64,
    },
    "yarn": {"factor": 8.0, "original_context": 64, "beta_fast": 32.0, "beta_slow": 1.0},
    "longrope": {
        "original_context": 64,
        "short_factors": FACTORS,
        "long_factors": [2 * f for f in FACTORS],
        "attention_factor": 1.25,
    },
}
CALLED = {
    "original_context": "original_max_position_embeddings",
    "low_frequency_factor": "low_freq_factor",
    "high_frequency_factor": "high_freq_factor",
    "short_factors": "short_factor",
    "long_factors": "long_factor",
}


@pytest.mark.parametrize("tokens", [40, 100])
@pytest.mark.parametrize("kind", SCALINGS)
def test_rotary_frequencies(kind: str, tokens: int) -> None:
    options = SCALINGS[kind]
    rope = Rope.model_validate({"theta": 5000.0, "scaling": {"type": kind, **options}})
    theirs = {CALLED.get(name, name): value for name, value in options.items()}
    config = LlamaConfig(
        head_dim=16,
        max_position_embeddings=64,
        rope_parameters={"rope_type": kind, "rope_theta": 5000.0, **theirs},
    )
    expected, size = ROPE_INIT_FUNCTIONS[kind](config, torch.device("cpu"), seq_len=tokens)
    speeds, ours = frequencies(rope, 16, tokens)
    same(torch.tensor(speeds), expected, 1e-6)
    assert ours == pytest.approx(size)


DEFINITIONS = [
    ROOT / "archspec/architecture/definition.py",
    *sorted((ROOT / "archspec/mechanisms").rglob("definition.py")),
    *sorted((ROOT / "archspec/mechanisms/common/definitions").glob("*.py")),
]
PLAIN = {"__future__", "collections.abc", "dataclasses", "importlib", "math", "typing", "torch"}


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


def is_definition(module: str) -> bool:
    return module.endswith(".definition") or ".definitions." in module


def test_every_mechanism_has_a_definition() -> None:
    folders = {module.__module__.rpartition(".")[0] for module in mechanisms()}
    for folder in folders:
        assert (ROOT / folder.replace(".", "/") / "definition.py").is_file(), folder


def test_definitions_share_nothing_with_what_they_check() -> None:
    for path in DEFINITIONS:
        others = {module for module in imported(path) if module not in PLAIN}
        assert all(is_definition(module) for module in others), (path, others)


def test_nothing_of_archspec_needs_torch_for_a_definition() -> None:
    for path in sorted((ROOT / "archspec").rglob("*.py")):
        if path in DEFINITIONS or "bench" in path.parts:
            continue
        assert not any(map(is_definition, imported(path))), path
