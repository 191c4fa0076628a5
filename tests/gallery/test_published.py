"""Our numbers beside the published ones that each gallery spec carries."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import ROOT, spec_id

import archspec
from archspec.architecture.model import Architecture
from archspec.numbers.analysis import analyse
from archspec.spec.about import Published

GALLERY = sorted((ROOT / "gallery").glob("*.yaml"))
UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20}
SCALES = {"M": 1e6, "B": 1e9, "T": 1e12}

# Published counts of something else than the spec, and what they hold beyond ours.
BEYOND_OURS = {
    "all-minilm-l6-v2": 384 * 384 + 384,  # the pooler
    "gemma-4-e2b": 168_544_256 + 307_183_904,  # the vision and the audio tower
    # 49.1B in all: 48B is what is left without the embedding and the output layer.
    "kimi-linear-48b-a3b": -2 * 163_840 * 2304,
    # Stated since the model before it, which had 65,536 tokens and not 128,000; with them 8.47B.
    "lfm2.5-8b-a1b": -(128_000 - 65_536) * 2048,
    "whisper-small-text": 88_154_112,  # the audio encoder
}

# Caches that were published wrong, in their unit: each spec's comment has the arithmetic.
OURS = {"gemma-4-26b-a4b": 220, "gemma-4-e2b": 18}
# Published in whole trillions; ours is 1.012T.
ROUNDED = {"ling-2.5-1t"}

# Published caches that leave out the keys by which tokens are chosen, in bytes for one token.
INDEX_KEYS = {"deepseek-v3.2-671b": 61 * 128 * 2, "glm-5-744b": 78 * 128 * 2}

# Published counts of active parameters that hold the whole token table, of which one row is read.
WITH_TOKEN_TABLE = {"llama-4-maverick-400b"}

# Stated before the vocabulary grew, of which every token takes part in a tied output layer.
BEFORE_MORE_TOKENS = {"lfm2.5-8b-a1b"}

# Published as part of a name, `A3B`, without what stands behind the point.
CUT_OFF = {"nemotron-3-nano-30b-a3b", "qwen3-next-80b-a3b"}


@pytest.fixture(params=GALLERY, ids=spec_id)
def model(request: pytest.FixtureRequest) -> Architecture:
    path: Path = request.param
    return archspec.load(path)


def published(model: Architecture) -> Published:
    assert model.about.published, "a gallery spec carries its published figures"
    return model.about.published


def test_parameters_are_the_published_count_within_a_hundredth(model: Architecture) -> None:
    stated = published(model).parameters
    assert stated, "a gallery spec says how many parameters were published"
    number, unit = re.match(r"([\d.]+)([MBT])", stated).groups()  # type: ignore[union-attr]
    total = analyse(model).parameters.total + BEYOND_OURS.get(model.name, 0)
    close = 0.02 if model.name in ROUNDED else 0.01
    assert total / SCALES[unit] == pytest.approx(float(number), rel=close)


def test_active_parameters_are_the_published_count_within_a_twentyfifth(
    model: Architecture,
) -> None:
    stated = published(model).active_parameters
    if stated is None:
        pytest.skip("no count of active parameters is published")
    number, unit = re.match(r"([\d.]+)([MBT])", stated).groups()  # type: ignore[union-attr]
    active = analyse(model).parameters.active
    if model.name in BEFORE_MORE_TOKENS:
        active += BEYOND_OURS[model.name]
    if model.name in WITH_TOKEN_TABLE:
        active += model.vocab_size * model.hidden_size
    if model.name in CUT_OFF:
        active = int(active / SCALES[unit]) * SCALES[unit]
    assert active / SCALES[unit] == pytest.approx(float(number), rel=0.04)


def test_exact_count_where_one_is_published(model: Architecture) -> None:
    exact = published(model).parameter_count
    if exact is None:
        pytest.skip("no exact count is published")
    assert analyse(model).parameters.total == exact


def test_cache_for_one_token(model: Architecture) -> None:
    stated = published(model).cache_per_token
    if stated is None:
        pytest.skip("no cache is published")
    number, unit = stated.split()
    ours = analyse(model).cache.bytes_per_token - INDEX_KEYS.get(model.name, 0)
    if model.name in OURS:
        assert float(number) != OURS[model.name], "the published figure is ours after all"
        number = str(OURS[model.name])
    decimals = len(number.partition(".")[2])
    assert round(ours / UNITS[unit], decimals) == float(number)


def test_layer_mix(model: Architecture) -> None:
    stated = published(model).layer_mix
    if stated is None:
        pytest.skip("no layer mix is published")
    # A number at the end of a name, as in Mamba-2, is no count.
    counts = sorted(int(word) for word in re.findall(r"(?<![\w-])\d+", stated))
    assert counts == sorted(analyse(model).layer_mix.values())


def test_gemma_3_27b_caches_six_times_less_than_without_windows() -> None:
    """62.0 GiB for all keys and values of 131,072 tokens; 10.4 GiB with 52 of 62 windowed."""
    report = analyse(archspec.load(ROOT / "gallery/gemma-3-27b.yaml"), context=131_072)
    assert round(report.cache.bytes_per_token * 131_072 / 2**30, 1) == 62.0
    assert round(report.cache.bytes / 2**30, 1) == 10.4


def test_gpt_oss_20b_halves_its_cache_by_windows() -> None:
    report = analyse(archspec.load(ROOT / "gallery/gpt-oss-20b.yaml"), context=131_072)
    assert round(report.cache.bytes_per_token * 131_072 / 2**30, 1) == 6.0
    assert round(report.cache.bytes / 2**30, 1) == 3.0


def test_deepseek_v3_caches_71_times_less_than_the_keys_and_values_of_its_heads() -> None:
    """61 · (512 + 64) numbers beside 61 · 128 · (192 + 128); with heads of 128 it would be 56.9."""
    report = analyse(archspec.load(ROOT / "gallery/deepseek-v3-671b.yaml"))
    assert report.cache.bytes_per_token == 70_272
    assert round(70_272 / 2**10, 1) == 68.6
    expanded = 2 * 61 * 128 * (192 + 128)
    assert expanded == 4_880 * 2**10
    assert round(expanded / report.cache.bytes_per_token) == 71
    assert round(2 * 61 * 128 * 256 / report.cache.bytes_per_token, 1) == 56.9


def test_index_keys_add_22_percent_to_the_latents_of_deepseek_v32() -> None:
    report = analyse(archspec.load(ROOT / "gallery/deepseek-v3.2-671b.yaml"))
    assert round(report.cache.bytes_per_token / 2**10, 1) == 83.9
    assert report.cache.bytes_per_token / 70_272 == pytest.approx(1 + 128 / 576)


def test_a_selection_makes_the_work_of_attention_grow_with_top_k_alone() -> None:
    """Twice the text costs one more token twice the scores, but no more of attention."""
    whole = archspec.load(ROOT / "gallery/deepseek-v3-671b.yaml")
    chosen = archspec.load(ROOT / "gallery/deepseek-v3.2-671b.yaml")

    def growth(model: Architecture) -> int:
        once, twice = (analyse(model, context=n).flops.decode or 0 for n in (50_000, 100_000))
        return twice - once

    assert growth(chosen) == 61 * 50_000 * 2 * 64 * (128 + 1)
    assert growth(whole) == 61 * 50_000 * 2 * 128 * (512 + 64 + 512)
