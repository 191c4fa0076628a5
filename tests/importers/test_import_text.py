"""The text of imported specs, reviewed as a person would have written it.

After a deliberate change: `python -m tests.importers.rewrite`, then read the difference.
"""

from __future__ import annotations

import pytest

import archspec
from archspec.importers import import_config

from .oracle import HERE, published

FAMILIES = sorted(path.stem for path in (HERE / "published").glob("*.json"))


@pytest.mark.parametrize("family", FAMILIES)
def test_text_is_as_reviewed(family: str) -> None:
    expected = (HERE / "expected" / f"{family}.yaml").read_text()
    assert import_config(published(family)) == expected


@pytest.mark.parametrize("family", FAMILIES)
def test_text_is_the_same_every_time(family: str) -> None:
    assert import_config(published(family)) == import_config(published(family))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_order_of_keys_does_not_matter(family: str) -> None:
    backwards = dict(reversed(published(family).items()))
    assert import_config(backwards) == import_config(published(family))


def test_lines_fit_a_screen() -> None:
    for path in (HERE / "expected").glob("*.yaml"):
        assert all(len(line) <= 100 for line in path.read_text().splitlines()), path.name


def test_a_given_name_wins() -> None:
    config = {**published("bert"), "_name_or_path": "owner/other"}
    assert archspec.loads(import_config(config, "Owner/My Model v2")).name == "my-model-v2"


def test_the_name_of_the_file_is_second() -> None:
    config = {"model_type": "gpt2", "_name_or_path": "openai-community/gpt2-medium"}
    assert archspec.loads(import_config(config)).name == "gpt2-medium"


def test_the_model_type_is_the_last_name() -> None:
    assert archspec.loads(import_config({"model_type": "gpt_oss"})).name == "gpt-oss"


def test_an_unusual_initial_deviation_is_kept() -> None:
    text = import_config({"model_type": "llama", "initializer_range": 0.006})
    assert "initialization: {std: 0.006}\n" in text


def test_a_quantized_checkpoint_is_said() -> None:
    config = {"model_type": "llama", "quantization_config": {"quant_method": "awq"}}
    assert "# The published weights are quantized (awq)" in import_config(config)


def test_code_beside_the_weights_is_said() -> None:
    config = {"model_type": "llama", "auto_map": {"AutoModel": "modeling.Model"}}
    assert "# It was published with code of its own" in import_config(config)


def test_a_body_published_alone_has_no_head() -> None:
    config = {"model_type": "mistral", "architectures": ["MistralModel"]}
    assert "head: null\n" in import_config(config)


def test_a_head_that_is_left_out_is_said() -> None:
    config = {"model_type": "bert", "architectures": ["BertForMaskedLM"]}
    assert "# BertForMaskedLM has a head of its own, left out here" in import_config(config)


def test_two_heads_are_said() -> None:
    config = {"model_type": "gpt2", "architectures": ["GPT2DoubleHeadsModel"]}
    assert "# GPT2DoubleHeadsModel has a head of its own" in import_config(config)


def test_null_means_left_out() -> None:
    config = {"model_type": "llama", "some_option_of_tomorrow": None}
    assert import_config(config) == import_config({"model_type": "llama"})
