"""What every part of a spec shares: frozen models, bounded numbers, checked names."""

from __future__ import annotations

import unicodedata
from math import isqrt
from typing import Annotated, Any, NoReturn

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
)
from pydantic_core import PydanticCustomError, core_schema

from archspec.errors.printing import is_seen


class Strict(BaseModel):
    """A frozen model that takes no unknown field and converts nothing silently."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def reject(field: str | tuple[str, ...], message: str, hint: str = "") -> NoReturn:
    """Say that `field` of the model being validated cannot stand; the caret goes there.

    A tuple is the way to a value inside a field.
    """
    raise PydanticCustomError(
        "invariant", "{message}", {"message": message, "field": field, "hint": hint}
    )


def near_divisor(whole: int, part: int) -> int:
    """What divides `whole` and is nearest to `part`; the smaller of two."""
    small = [n for n in range(1, isqrt(whole) + 1) if whole % n == 0]
    return min([*small, *(whole // n for n in small)], key=lambda n: (abs(n - part), n))


def true_is_default(value: Any) -> Any:
    """Lets `true` stand for a part with all its defaults, and `false` for none."""
    return {} if value is True else None if value is False else value


def _plain_text(value: str) -> str:
    """Text in which a reader sees every character; `printing.is_seen` says what that is."""
    unseen = next((c for c in value if c != "\n" and not is_seen(c)), None)
    if unseen is None:
        return value
    name = unicodedata.name(unseen, "")
    code = f"U+{ord(unseen):04X}" + (f" ({name.lower()})" if name else "")
    message = f"expected text in which every character is seen, got one with {code}"
    raise PydanticCustomError("text", "{message}", {"message": message})


def _single_line(value: str) -> str:
    if "\n" in value:
        raise PydanticCustomError("text", "{message}", {"message": "expected one line of text"})
    return value


def _as_tuple(value: Any) -> Any:
    """A list as a tuple, one text as a tuple of one."""
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType]


def _one_or_many(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema["items"], schema]}


class _SideBySide:
    """Lets one mapping, a list of them, or nothing fill a tuple under strict validation."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> Any:
        def as_tuple(value: Any) -> Any:
            if value is None or isinstance(value, (list, tuple)):
                return tuple(value or ())  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
            return (value,)

        return core_schema.no_info_before_validator_function(as_tuple, handler(source))

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> Any:
        made = handler(schema)
        return {"anyOf": [made["items"], made, {"type": "null"}]}


class _OneOrMany:
    """Lets one text, or a YAML list of them, fill a tuple under strict validation."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> Any:
        return core_schema.no_info_before_validator_function(_as_tuple, handler(source))

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> Any:
        return _one_or_many(handler(schema))


Size = Annotated[int, Field(ge=1, le=1 << 20)]
"""A width or a count of things inside one layer."""

Modules = Annotated[int, Field(ge=1, le=64)]
"""A count of modules that are each written out, not a size."""

Tokens = Annotated[int, Field(ge=1, le=1 << 31)]
"""A count of tokens."""

Vocabulary = Annotated[int, Field(ge=1, le=1 << 24)]

Factor = Annotated[float, Field(gt=0, le=1e9)]
"""A positive real number."""

MAX_NAME = 40

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
"""The name of a block kind: lower-case letters, digits and underscores."""

ModelName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,79}$")]
"""The name of a model: lower-case letters, digits, dots, dashes and underscores."""

Line = Annotated[
    str, Field(max_length=200), AfterValidator(_plain_text), AfterValidator(_single_line)
]
"""One line of free text; it only ever becomes a comment, escaped markup or a literal."""

Text = Annotated[str, Field(max_length=4000), AfterValidator(_plain_text)]
"""Free text of several lines."""

Url = Annotated[str, Field(pattern=r"^https://[A-Za-z0-9._~/?#&=%+:@-]{1,300}$")]

TensorName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.{}-]{1,200}$")]
"""A published tensor's name or a prefix of it; `{layer}` stands for a layer's index."""

OneOrMany = _OneOrMany()

SideBySide = _SideBySide()
