"""The reference of the language for people, in Markdown, made from the models that check it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from archspec.language.emit import flow
from archspec.language.schema import INHERITANCE, references
from archspec.language.wording import words
from archspec.mechanisms import FeedForward, Mixer, TokenVectors, mechanisms, members
from archspec.spec.model import ModelSpec

Schema = dict[str, Any]

_INTRODUCTION = """\
# The language

<!-- Made by `archspec schema --markdown`; edit the models in archspec/spec, not this page. -->

A spec is a YAML file that describes the architecture of one model. It names kinds of block and
the order in which they are stacked; a layer is what that order counts.

```yaml
archspec: 1
name: small-hybrid
vocab_size: 32_000
hidden_size: 512
context_length: 8192

blocks:
  local:
    mixer:
      type: attention
      heads: 8
      kv_heads: 2
      head_dim: 64
      window: 256
      rope: {theta: 10_000}
    feedforward: {type: dense, intermediate_size: 1536, activation: silu, gated: true}
  global:
    extends: local
    mixer: {window: null, rope: {theta: 1_000_000}}

layers: 4 x (3 x local, global)
head: {tied: true}
```

`archspec check` names everything that is wrong with a spec, with line and column. `archspec
schema` prints a JSON Schema by which editors complete and check while one types.

YAML 1.2 is read: `1_000` and `1e3` are numbers, `yes` and `no` are text. Anchors, aliases and
`<<` work; tags do not. A file holds one spec of at most 1 MiB.
"""

_SCHEDULE = """\
## The schedule

`layers` says which block stands at each depth, from the input to the output.

| written | means |
|---|---|
| `24 x block` | 24 layers of the kind `block` |
| `dense, 26 x moe` | one after the other |
| `6 x (5 x local, global)` | a group, repeated; groups nest |
| `[dense, 26 x moe]` | a YAML list of such parts, in order |

`x`, `×` and `*` mean the same. A schedule has at most 4,096 layers.
"""

_INHERITANCE = f"""\
### What blocks share

- `extends`, in a block: {INHERITANCE["extends"]}
- `defaults`, at the top: {INHERITANCE["defaults"]}
- `overrides`, at the top: {INHERITANCE["overrides"]}

Mappings merge field by field; a mapping whose `type` differs replaces the other as a whole, and
so does everything that is not a mapping. `null` takes back what was inherited.

```yaml
defaults:
  norm_position: sandwich
overrides:
  0: {{mixer: {{window: 128}}}}
  -1: {{mixer: {{window: null}}}}
```
"""


def reference() -> str:
    """The whole page."""
    schema = ModelSpec.model_json_schema()
    parts: Schema = schema["$defs"]
    mixers = [member.__name__ for member in members(Mixer)]
    feedforwards = [member.__name__ for member in members(FeedForward)]
    vectors = [member.__name__ for member in members(TokenVectors)]
    own = {"Block", *mixers, *feedforwards, *vectors}
    rest = [name for name in _in_order(schema, parts) if name not in own]
    page = [
        _INTRODUCTION,
        "## The model\n",
        _table(schema, parts),
        _SCHEDULE,
        *_section("## Block", parts["Block"], parts),
        _INHERITANCE,
        "## Mixers\n",
        *_sections(mixers, parts),
        "## Feed-forwards\n",
        *_sections(feedforwards, parts),
        "## Token vectors\n",
        *_sections(vectors, parts),
        "## Parts\n",
        *_sections(rest, parts),
    ]
    return "\n".join(page).rstrip() + "\n"


def _in_order(schema: Schema, parts: Schema) -> list[str]:
    """Every definition, in the order in which a reader meets it."""
    found = list(references(schema["properties"]))
    for name in found:
        found += [other for other in references(parts[name]) if other not in found]
    return list(dict.fromkeys(found))


def _sections(names: list[str], parts: Schema) -> Iterator[str]:
    for name in names:
        yield from _section(f"### {_heading(name, parts)}", parts[name], parts)


def _section(heading: str, part: Schema, parts: Schema) -> Iterator[str]:
    yield f"{heading}\n"
    if "description" in part:
        yield part["description"] + "\n"
    yield _table(part, parts)


def _heading(name: str, parts: Schema) -> str:
    """Mechanisms by their `type`, everything else by its noun."""
    tag = parts[name].get("properties", {}).get("type", {}).get("const")
    bodies = {member.__name__ for member in mechanisms()}
    said = words(name)
    return str(tag) if tag and name in bodies else said[:1].upper() + said[1:]


def _table(part: Schema, parts: Schema) -> str:
    required = part.get("required", [])
    lines = ["| field | type | default | |", "|---|---|---|---|"]
    for name, field in part.get("properties", {}).items():
        default = "required" if name in required else _default(field)
        words = str(field.get("description", "")).replace("\n", " ").replace("|", "\\|")
        lines.append(f"| `{name}` | {_type(field, parts)} | {default} | {words} |")
    return "\n".join(lines) + "\n"


def _default(field: Schema) -> str:
    value = field.get("default")
    if value is None:
        return "none" if "default" in field else "empty"
    if isinstance(value, (dict, list)):
        return "as its fields say" if value else "empty"
    return f"`{flow(value)}`"


def _type(schema: Schema, parts: Schema) -> str:
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        heading = _heading(name, parts)
        return f"[{heading}](#{heading.lower().replace(' ', '-')})"
    for key in ("anyOf", "oneOf"):
        if key in schema:
            words = dict.fromkeys(_type(option, parts) for option in schema[key])
            return " or ".join(words)
    if "const" in schema:
        return f"`{flow(schema['const'])}`"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    return _plain_type(schema, parts)


def _plain_type(schema: Schema, parts: Schema) -> str:
    match schema.get("type"):
        case "integer":
            return "whole number" + _bounds(schema)
        case "number":
            return "number" + _bounds(schema)
        case "boolean":
            return "`true`, `false`"
        case "null":
            return "`null`"
        case "array":
            return f"list of: {_type(schema['items'], parts)}"
        case "object":
            inner = [*schema.get("patternProperties", {}).values()]
            return f"name → {_type(inner[0], parts)}" if inner else "mapping"
        case _:
            return "text"


def _bounds(schema: Schema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    words = [
        *([f"≥ {_number(low)}"] if low is not None else []),
        *([f"> {_number(above)}"] if above is not None else []),
        *([f"≤ {_number(high)}"] if high is not None else []),
        *([f"< {_number(below)}"] if below is not None else []),
    ]
    return " " + ", ".join(words) if words else ""


def _number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:g}"
