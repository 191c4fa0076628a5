"""`read_config`: JSON from a stranger, read safely."""

from __future__ import annotations

import pytest

from archspec import SpecError
from archspec.importers import read_config


def refusal(text: str) -> str:
    with pytest.raises(SpecError) as caught:
        read_config(text, "config.json")
    return str(caught.value)


def test_an_object_is_read() -> None:
    assert read_config('{"model_type": "llama", "x": [1, null]}', "config.json") == {
        "model_type": "llama",
        "x": [1, None],
    }


def test_a_byte_order_mark_is_skipped() -> None:
    assert read_config("\ufeff{}", "config.json") == {}


def test_infinity_is_read_because_it_is_published() -> None:
    assert read_config('{"time_step_limit": [0.0, Infinity]}', "x")["time_step_limit"][1] > 1e300


def test_what_is_not_json_is_shown_with_its_place() -> None:
    message = refusal('{\n  "a": 1,\n  b: 2\n}')
    assert message.startswith("config.json:3:3: not JSON") and "b: 2" in message


@pytest.mark.parametrize("text", ["[]", "3", '"text"', "null", "[{}]"])
def test_only_an_object_is_a_configuration(text: str) -> None:
    assert "expected a JSON object" in refusal(text)


def test_an_empty_file_is_not_json() -> None:
    assert "not JSON" in refusal("")


def test_a_key_that_stands_twice_is_refused() -> None:
    assert "'a' stands twice" in refusal('{"a": 1, "a": 2}')


def test_depth_is_bounded() -> None:
    assert "config.json" in refusal('{"a":' * 100_000)


def test_digits_are_bounded() -> None:
    assert "not a configuration" in refusal('{"a": ' + "9" * 10_000 + "}")


def test_size_is_bounded() -> None:
    assert "larger than 16 MiB" in refusal(" " * ((16 << 20) + 1))
