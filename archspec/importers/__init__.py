"""A published `config.json` → a spec in YAML, as a person would have written it.

Every option is expressed, known to change nothing, or refused by name: none is dropped.
"""

from __future__ import annotations

import difflib
import re
from typing import Any

from archspec.errors import SpecError, printable
from archspec.importers.config import Config, ConfigError
from archspec.importers.families import FAMILIES
from archspec.importers.family import Draft, Family, Wrapper
from archspec.importers.ignorable import IGNORABLE, ONLY
from archspec.importers.naming import model_name
from archspec.importers.page import page
from archspec.importers.reading import read_config

__all__ = ["FAMILIES", "ConfigError", "import_config", "read_config"]


def import_config(config: dict[str, Any], name: str | None = None) -> str:
    """The YAML text of the spec that `config`, a published `config.json`, describes.

    `name` is the model's; without it the configuration's own name or its `model_type` serves.

    Raises:
        ConfigError: an unknown `model_type`, an option archspec does not express, a value of
            the wrong type, or sizes that make no model.
    """
    family = _family(config.get("model_type"))
    draft = _wrapped(family, config) if isinstance(family, Wrapper) else _drafted(family, config)
    draft.notes += _notes(Config(config, family.model_type))
    called = model_name(name, config.get("_name_or_path"), family.model_type.replace("_", "-"))
    origin = f"From the published config.json of model_type {family.model_type}."
    text = page(draft, called, origin)
    _check(text, family.model_type)
    return text


def _family(model_type: Any) -> Family | Wrapper:
    known = sorted(FAMILIES)
    if not isinstance(model_type, str):
        raise ConfigError("the configuration has no `model_type`, which says what it describes")
    if model_type in FAMILIES:
        return FAMILIES[model_type]
    near = difflib.get_close_matches(model_type, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(known)}"
    raise ConfigError(f"no importer for model_type {printable(model_type[:60])!r}; {hint}")


def _drafted(family: Family, data: dict[str, Any], path: str = "") -> Draft:
    config = Config(data, family.model_type, family.defaults, family.aliases, path)
    for key, value in {**ONLY, **family.only}.items():
        if key not in family.reads and config.given(key) and config.value(key) != value:
            config.refuse(key)
    draft = family.describe(config)
    # Notes are made of the whole file's options alone, so inside a part these are refused.
    known = IGNORABLE | family.ignored
    config.close(known if path else known | _NOTED)
    return draft


def _wrapped(wrapper: Wrapper, data: dict[str, Any]) -> Draft:
    outer = Config(data, wrapper.model_type)
    inner = outer.mapping("text_config")
    if inner.get("model_type", wrapper.text.model_type) != wrapper.text.model_type:
        outer.inner("text_config", inner).refuse("model_type")
    tied = outer.value("tie_word_embeddings")
    if tied is None:
        tied = wrapper.tied
    elif inner.get("tie_word_embeddings", tied) != tied:
        outer.fail("`tie_word_embeddings` and `text_config.tie_word_embeddings` disagree")
    text = {"architectures": data.get("architectures"), **inner, "tie_word_embeddings": tied}
    outer.value("architectures")
    for key, value in ONLY.items():
        if outer.given(key) and outer.value(key) != value:
            outer.refuse(key)
    outer.close(IGNORABLE | wrapper.ignored | _NOTED | frozenset(wrapper.left_out))
    draft = _drafted(wrapper.text, text, "text_config.")
    ignore = [*draft.checkpoint.get("ignore", []), *wrapper.checkpoint.get("ignore", [])]
    draft.checkpoint = {**draft.checkpoint, **wrapper.checkpoint}
    if ignore:
        draft.checkpoint["ignore"] = list(dict.fromkeys(ignore))
    parts = " and ".join(wrapper.left_out.values())
    draft.notes.append(f"This is its language model; {parts} are left out.")
    return draft


_NOTED = frozenset({"auto_map", "quantization_config"})
_METHOD = re.compile(r"[A-Za-z0-9_-]{1,40}")


def _notes(config: Config) -> list[str]:
    """What a spec cannot say about how the model was published, said to its reader."""
    out: list[str] = []
    if quantization := config.mapping("quantization_config"):
        method = quantization.get("quant_method")
        how = f" ({method})" if isinstance(method, str) and _METHOD.fullmatch(method) else ""
        out.append(f"The published weights are quantized{how}: convert them before loading.")
    if config.value("auto_map"):
        out.append("It was published with code of its own; this is the family's architecture.")
    return out


def _check(text: str, model_type: str) -> None:
    """Refuse sizes that make no model, in the words of the language."""
    from archspec import loads

    try:
        loads(text, "the imported spec")
    except SpecError as error:
        raise ConfigError(f"the {model_type} configuration makes no model:\n{error}") from None
