"""Our numbers beside the published ones that each gallery spec carries."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import ROOT, spec_id

import archspec
from archspec.analysis import analyse
from archspec.architecture import Architecture
from archspec.spec.about import Published

GALLERY = sorted((ROOT / "gallery").glob("*.yaml"))
UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20}
SCALES = {"M": 1e6, "B": 1e9, "T": 1e12}

# Published counts that include parts a spec leaves out, and what they hold beyond ours.
BEYOND_OURS = {
    "all-minilm-l6-v2": 384 * 384 + 384,  # the pooler
    "gemma-4-e2b": 168_544_256 + 307_183_904,  # the vision and the audio tower
}

# Caches that were published wrong: each spec's comment has the arithmetic.
OURS = {"gemma-4-26b-a4b": 220, "gemma-4-e2b": 18}


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
    assert total / SCALES[unit] == pytest.approx(float(number), rel=0.01)


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
    if model.name in OURS:
        assert float(number) != OURS[model.name], "the published figure is ours after all"
        number = OURS[model.name]
    assert analyse(model).cache.bytes_per_token == float(number) * UNITS[unit]


def test_layer_mix(model: Architecture) -> None:
    stated = published(model).layer_mix
    if stated is None:
        pytest.skip("no layer mix is published")
    counts = sorted(int(word) for word in re.findall(r"\d+", stated))
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
