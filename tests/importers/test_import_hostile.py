"""Text from a stranger's configuration never becomes more than a name, or an error."""

from __future__ import annotations

import re
from typing import Any

import pytest

import archspec
from archspec.importers import ConfigError, import_config
from archspec.language.emit import comment, lines
from archspec.language.source import parse

HOSTILE = [
    "x\nhead: {tied: true}",
    "a: b",
    "# comment",
    "{a: 1}",
    "*alias",
    "&anchor x",
    "!!python/object:os.system",
    "../../etc/passwd",
    "\x1b[31mred",
    "'quote\"s'",
    "trailing ",
    " leading",
    "",
    "-",
    "---",
    "null",
    "Yes",
    "1_000",
    "0x1F",
    "1e5",
    ".inf",
    "a,b",
    "a]b}",
    "\u2028line",
    "\x85next",
    "\ufeffmark",
    "😀",
    "tab\there",
    "%directive",
    "@at",
    "`tick`",
    "key:",
    "a #b",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_name_is_made_harmless(text: str) -> None:
    spec = archspec.loads(import_config({"model_type": "gpt2", "_name_or_path": text}))
    assert re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,79}", spec.name)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_given_name_is_made_harmless(text: str) -> None:
    spec = archspec.loads(import_config({"model_type": "gpt2"}, text))
    assert re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,79}", spec.name)


@pytest.mark.parametrize("text", HOSTILE)
def test_any_text_comes_back_from_yaml_as_it_was(text: str) -> None:
    data: dict[str, Any] = {"block": text, text: "key", "flow": {"inner": text, "list": [text]}}
    assert parse("\n".join(lines(data))).data == data


@pytest.mark.parametrize("text", HOSTILE)
def test_a_comment_stays_a_comment(text: str) -> None:
    assert all(re.fullmatch(r"#[ -~]*", line) for line in comment([text]))


@pytest.mark.parametrize("text", [text for text in HOSTILE if not text.isidentifier()])
def test_a_hostile_class_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="architectures"):
        import_config({"model_type": "llama", "architectures": [text]})


@pytest.mark.parametrize("text", HOSTILE)
def test_errors_cannot_disturb_a_terminal(text: str) -> None:
    config = {"model_type": "llama", "hidden_act": text, text + "odd": text}
    with pytest.raises(ConfigError) as caught:
        import_config(config)
    assert all(part.isprintable() for part in str(caught.value).splitlines())


def test_a_hostile_way_of_quantizing_is_not_repeated() -> None:
    config = {"model_type": "llama", "quantization_config": {"quant_method": "x\nhead: null"}}
    assert "x" not in import_config(config).partition("quantized")[2].partition(":")[0]


def test_a_long_name_is_cut() -> None:
    assert len(archspec.loads(import_config({"model_type": "gpt2"}, "n" * 10_000)).name) == 80
