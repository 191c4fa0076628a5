"""The JSON Schema of the language, made from the models that check it.

It describes a spec as written: blocks may leave out what they inherit, and `defaults`,
`extends` and `overrides` are there. What it cannot say (invariants, references) `check` says.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from archspec.spec.model import ModelSpec

DIALECT = "https://json-schema.org/draft/2020-12/schema"
LAYER_RANGE = r"^-?\d{1,5}(-\d{1,5})?$"

INHERITANCE = {
    "extends": "Another block; this one takes over its fields, and what is written here wins.",
    "defaults": "The fields that every block starts from.",
    "overrides": "Fields that change in single layers: `0`, `-1` for the last, `2-4` for a range.",
}

Schema = dict[str, Any]


def json_schema() -> Schema:
    """The schema as plain data, with the models' descriptions."""
    schema = ModelSpec.model_json_schema()
    parts: Schema = schema["$defs"]
    for name in _reachable("Block", parts):
        parts[name].pop("required", None)
    _tidy(schema)
    block: Schema = parts["Block"]
    extends = {"type": "string", "description": INHERITANCE["extends"]}
    parts["BlockKind"] = {**block, "properties": {"extends": extends, **block["properties"]}}
    properties: Schema = schema["properties"]
    kinds: Schema = properties["blocks"]["patternProperties"]
    for pattern in kinds:
        kinds[pattern] = {"$ref": "#/$defs/BlockKind"}
    properties["defaults"] = {
        "$ref": "#/$defs/Block",
        "description": INHERITANCE["defaults"],
    }
    properties["overrides"] = {
        "type": "object",
        "description": INHERITANCE["overrides"],
        "patternProperties": {LAYER_RANGE: {"$ref": "#/$defs/Block"}},
        "additionalProperties": False,
    }
    return {
        "$schema": DIALECT,
        **schema,
        "title": "archspec",
        "description": "The architecture of a neural sequence model, layer by layer.",
    }


def references(schema: Any) -> Iterator[str]:
    """The names of the definitions that `schema` refers to, in order."""
    if isinstance(schema, dict):
        for key, value in cast("Schema", schema).items():
            if key == "$ref":
                yield str(value).rpartition("/")[2]
            elif key not in ("discriminator", "default"):
                yield from references(value)
    elif isinstance(schema, list):
        for item in cast("list[Any]", schema):
            yield from references(item)


def _reachable(name: str, parts: Schema) -> list[str]:
    found = [name]
    for known in found:
        found += [other for other in references(parts[known]) if other not in found]
    return list(dict.fromkeys(found))


def _tidy(schema: Any, inside_properties: bool = False) -> None:
    """Drop titles made from field names; let a block's part match without its `type`."""
    if isinstance(schema, list):
        for item in cast("list[Any]", schema):
            _tidy(item)
    if not isinstance(schema, dict):
        return
    fields = cast("Schema", schema)
    if not inside_properties:
        fields.pop("title", None)
        if "oneOf" in fields:
            fields["anyOf"] = fields.pop("oneOf")
            fields.pop("discriminator", None)
        if "patternProperties" in fields:
            fields["additionalProperties"] = False
    for key, value in fields.items():
        _tidy(value, inside_properties=key in ("properties", "$defs", "patternProperties"))
