"""The numbers, against arithmetic done by hand and against published figures."""

from __future__ import annotations

from pathlib import Path

import pytest

import archspec
from archspec.errors import ArchspecError
from archspec.language.starters import KINDS, new
from archspec.numbers.analysis import analyse

GEMMA = Path(__file__).parents[2] / "gallery" / "gemma-3-270m.yaml"

MOE = """archspec: 1
name: m
vocab_size: 100
hidden_size: 8
context_length: 16
blocks:
  a:
    mixer: {type: attention, heads: 2, kv_heads: 1, head_dim: 4, window: 4}
    feedforward:
      {type: moe, experts: 4, top_k: 1, intermediate_size: 6, activation: silu, renormalize: true}
layers: 2 x a
head: {tied: false}
"""
EXPERT = 3 * 8 * 6
MIXER = 8 * 8 + 8 * 4 + 8 * 4 + 8 * 8


def test_gemma_3_270m_as_published() -> None:
    report = analyse(archspec.load(GEMMA))
    assert report.parameters.total == 268_098_176
    assert report.parameters.active == report.parameters.total
    assert report.parameters.embedding == 262_144 * 640
    assert report.cache.bytes_per_token == 18 * 1024
    assert report.layer_mix == {"sliding attention": 15, "global attention": 3}


def test_gemma_cache_keeps_a_window_of_tokens() -> None:
    report = analyse(archspec.load(GEMMA), context=4096, batch=3)
    assert report.cache.bytes == 3 * 1024 * (15 * 512 + 3 * 4096)
    assert [layer.cache.retained_tokens for layer in report.layers[4:6]] == [512, None]


def test_gemma_flops_by_hand() -> None:
    n = 2000
    report = analyse(archspec.load(GEMMA), context=n)
    weights = 640 * 1024 * 2 + 640 * 256 * 2 + 3 * 640 * 2048
    linear = 2 * (18 * weights + 640 * 262_144)
    pair = 4 * 4 * 256
    assert report.flops.decode == linear + pair * (15 * 512 + 3 * (n + 1))
    local = sum(min(512, position + 1) for position in range(n))
    everything = n * (n + 1) // 2
    assert report.flops.prefill == n * linear + pair * (15 * local + 3 * everything)


def test_experts_and_tables_count_by_the_share_that_a_token_uses() -> None:
    report = analyse(archspec.loads(MOE))
    shared = 2 * (MIXER + 2 * 8 + 4 * 8) + 8 + 2 * 100 * 8
    assert report.parameters.total == shared + 2 * 4 * EXPERT
    # Of the token table it reads one row; the output layer takes part whole.
    assert report.parameters.active == shared + 2 * EXPERT - 99 * 8


def test_experts_compute_as_many_as_are_chosen() -> None:
    layer = analyse(archspec.loads(MOE), context=1).layers[0]
    assert layer.flops.prefill == 2 * (MIXER + 4 * 8 + EXPERT) + 4 * 2 * 4


@pytest.mark.parametrize(
    ("dtype", "width"), [("fp32", 4), ("fp16", 2), ("bf16", 2), ("fp8", 1), ("int8", 1)]
)
def test_cache_by_type(dtype: str, width: int) -> None:
    cache = analyse(archspec.loads(MOE), context=10, dtype=dtype).cache
    assert cache.bytes_per_token == 2 * 2 * 4 * width
    assert cache.bytes == cache.bytes_per_token * 4


def test_a_text_shorter_than_the_window_keeps_all_of_it() -> None:
    assert analyse(archspec.loads(MOE), context=3).cache.bytes == 2 * 2 * 4 * 2 * 3


def test_an_encoder_keeps_nothing_and_does_not_decode() -> None:
    report = analyse(archspec.loads(new("m", "encoder")))
    assert (report.cache.bytes_per_token, report.cache.bytes) == (0, 0)
    assert report.flops.decode is None
    assert all(layer.flops.decode is None for layer in report.layers)
    assert report.flops.prefill > 0


@pytest.mark.parametrize("kind", KINDS)
def test_layers_and_ends_add_up(kind: str) -> None:
    architecture = archspec.loads(new("m", kind))  # type: ignore[arg-type]
    report = analyse(architecture)
    ends = (architecture.embedding_graph, architecture.head_graph)
    outside = sum(p.size for graph in ends for p in graph.parameters())
    assert report.parameters.total == outside + sum(layer.parameters for layer in report.layers)
    assert report.cache.bytes == sum(layer.cache.bytes for layer in report.layers)


def test_to_dict_has_the_documented_names() -> None:
    data = analyse(archspec.loads(MOE)).to_dict()
    assert set(data) == {
        *("name", "context", "batch", "dtype", "parameters", "cache", "flops"),
        *("layer_mix", "layers", "encoder_layers", "source"),
    }
    assert set(data["parameters"]) == {"total", "active", "embedding", "buffers"}
    assert set(data["cache"]) == {
        *("bytes_per_token", "bytes_per_source_token", "state_bytes", "bytes"),
    }
    assert set(data["flops"]) == {"prefill", "decode"}
    assert set(data["layers"][0]) == {
        *("index", "block", "mixer", "window", "feedforward", "parameters", "active"),
        *("cache", "flops"),
    }
    assert [layer["index"] for layer in data["layers"]] == [0, 1]


def test_the_context_is_the_models_own_by_default() -> None:
    assert analyse(archspec.loads(MOE)).context == 16


@pytest.mark.parametrize(
    "wrong", [{"context": 0}, {"batch": 0}, {"context": 1 << 40}, {"dtype": "fp4"}]
)
def test_settings_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ArchspecError):
        analyse(archspec.loads(MOE), **wrong)  # type: ignore[arg-type]
