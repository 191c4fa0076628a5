"""A step: written-out data → `ModelSpec`, or where the two differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from archspec.language.expand import Expanded
from archspec.spec.model import ModelSpec

Location = tuple[int | str, ...]


@dataclass(frozen=True)
class Mismatch:
    """One place where data are not as the models say, in pydantic's terms.

    `location` is the way there, with the tags of unions in it; `kind` the type of the error and
    `context` what belongs to it; `given` what stands there.
    """

    location: Location
    kind: str
    context: Mapping[str, Any]
    given: Any


def validate(expanded: Expanded) -> ModelSpec | tuple[Mismatch, ...]:
    """The spec, or every place that is wrong with it."""
    try:
        return ModelSpec.model_validate(expanded.data)
    except ValidationError as error:
        details: list[Any] = list(error.errors(include_url=False))
    return tuple(Mismatch(d["loc"], d["type"], d.get("ctx", {}), d["input"]) for d in details)
