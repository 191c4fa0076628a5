"""The JSON Schema accepts what the language accepts; the reference is up to date."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from archspec.language.reference import reference
from archspec.language.schema import json_schema
from archspec.language.source import parse
from archspec.language.starters import KINDS, new
from archspec.mechanisms import mechanisms
from archspec.numbers.shrink import shrink

ROOT = Path(__file__).parents[2]
FILES = sorted([*ROOT.glob("gallery/*.yaml"), *ROOT.glob("archspec/mechanisms/*/*/example.yaml")])
SCHEMA = json_schema()

TYPES: dict[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
    "integer": int,
    "number": (int, float),
}


def accepts(schema: dict[str, Any], value: Any) -> bool:
    """A JSON Schema validator for the keywords that the schema uses."""
    if "$ref" in schema:
        return accepts(SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]], value)
    if "anyOf" in schema and not any(accepts(option, value) for option in schema["anyOf"]):
        return False
    if "const" in schema and value != schema["const"]:
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if "type" in schema and not _is(schema["type"], value):
        return False
    return _in_bounds(schema, value) and _fields(schema, value) and _items(schema, value)


def _is(kind: str, value: Any) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, TYPES[kind])


def _in_bounds(schema: dict[str, Any], value: Any) -> bool:
    if isinstance(value, str) and "pattern" in schema:
        return re.search(schema["pattern"], value) is not None
    if not isinstance(value, (int, float)):
        return True
    return (
        value >= schema.get("minimum", value)
        and value <= schema.get("maximum", value)
        and ("exclusiveMinimum" not in schema or value > schema["exclusiveMinimum"])
        and ("exclusiveMaximum" not in schema or value < schema["exclusiveMaximum"])
    )


def _fields(schema: dict[str, Any], value: Any) -> bool:
    if not isinstance(value, dict):
        return True
    if set(schema.get("required", [])) - set(value):
        return False
    for name, inner in value.items():
        options = [s for p, s in schema.get("patternProperties", {}).items() if re.search(p, name)]
        options += [schema["properties"][name]] if name in schema.get("properties", {}) else []
        if not options and schema.get("additionalProperties") is False:
            return False
        if not all(accepts(option, inner) for option in options):
            return False
    return True


def _items(schema: dict[str, Any], value: Any) -> bool:
    if not isinstance(value, list) or "items" not in schema:
        return True
    return all(accepts(schema["items"], item) for item in value)


def plain(text: str) -> Any:
    def keys(value: Any) -> Any:
        if isinstance(value, dict):
            return {str(key): keys(inner) for key, inner in value.items()}
        return [keys(item) for item in value] if isinstance(value, list) else value

    return keys(parse(text).data)


def test_the_dialect_is_declared() -> None:
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert SCHEMA["title"] == "archspec"


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_accepts_every_spec_here(path: Path) -> None:
    assert accepts(SCHEMA, plain(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("kind", KINDS)
def test_accepts_starters_and_shrunken_ones(kind: str) -> None:
    text = new("m", kind)  # type: ignore[arg-type]
    assert accepts(SCHEMA, plain(text)) and accepts(SCHEMA, plain(shrink(parse(text))))


@pytest.mark.parametrize(
    "addition",
    [
        "overrides: {0: {mixer: {window: 8}}, -1: {norm_position: post}, 1-2: {mixer: null}}",
        "defaults: {norm_position: sandwich}",
        "checkpoint: {prefix: a., tensors: {a: b, c: [d, e], f: {to: g, transpose: true}}}",
        "final_norm: false",
    ],
)
def test_accepts(addition: str) -> None:
    assert accepts(SCHEMA, plain(f"{new('m')}\n{addition}\n"))


@pytest.mark.parametrize(
    "addition",
    ["overrides: {last: {}}", "defaults: {extends: local}", "nothing: 1", "init_std: small"],
)
def test_refuses(addition: str) -> None:
    assert not accepts(SCHEMA, plain(f"{new('m')}\n{addition}\n"))


def test_the_whole_model_is_required_but_parts_of_blocks_are_not() -> None:
    assert "vocab_size" in SCHEMA["required"]
    assert all("required" not in SCHEMA["$defs"][m.__name__] for m in mechanisms())


def test_the_reference_is_up_to_date() -> None:
    page = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")
    assert page == reference(), "run `archspec schema --markdown -o docs/language.md`"


def test_the_reference_names_every_mechanism_and_field() -> None:
    page = reference()
    for mechanism in mechanisms():
        tag = mechanism.model_json_schema()["properties"]["type"]["const"]
        assert f"\n### {tag}\n" in page
        assert all(f"| `{name}` |" in page for name in mechanism.model_fields)


def test_links_of_the_reference_lead_somewhere() -> None:
    page = reference()
    anchors = {
        heading.lower().replace(" ", "-") for heading in re.findall(r"^#+ (.+)$", page, re.M)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", page)) <= anchors


def test_the_example_of_the_reference_is_a_spec() -> None:
    import archspec

    example = re.findall(r"```yaml\n(.*?)```", reference(), re.S)[0]
    assert str(archspec.loads(example).schedule) == "4 x (3 x local, global)"


def test_another_yaml_reader_agrees_on_starters() -> None:
    for kind in KINDS:
        read: Any = YAML(typ="safe", pure=True)
        assert read.load(new("m", kind)) == parse(new("m", kind)).data
