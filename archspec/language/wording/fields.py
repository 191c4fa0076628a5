"""Which model holds a place in the data, and what it says of its fields."""

from __future__ import annotations

from typing import Any, get_args, get_origin

from pydantic import BaseModel

from archspec.language.located import Items, Map
from archspec.language.validate import Location
from archspec.mechanisms import members
from archspec.spec.model import ModelSpec


def walk(location: Location, data: Map) -> tuple[Location, type[BaseModel] | None]:
    """The path without pydantic's union tags, and the model that holds its last part."""
    path: list[int | str] = []
    here: Any = data
    annotation: Any = ModelSpec
    holder: type[BaseModel] | None = ModelSpec
    for position, part in enumerate(location):
        last = position == len(location) - 1
        if isinstance(here, Map) and get_origin(annotation) is tuple:
            annotation = element(annotation)  # one mapping, where a list of them may stand
        if isinstance(part, int) and isinstance(here, Map):
            continue
        inside = (isinstance(here, Map) and part in here) or (
            isinstance(here, Items) and isinstance(part, int) and part < len(here)
        )
        models = models_of(annotation)
        if isinstance(here, Map) and len(models) > 1:
            models = [m for m in models if tag_of(m) == here.get("type")] or models
        if models and isinstance(here, Map):
            holder = models[0]
        if not inside and not last:
            continue
        if not inside and not isinstance(here, Map):
            continue
        if not inside and holder and str(part) not in holder.model_fields and models:
            continue
        path.append(part)
        field = holder.model_fields.get(str(part)) if holder and models else None
        annotation = field.annotation if field else element(annotation)
        here = _child(here, part) if inside else None
    return tuple(path), holder


def _child(here: Any, part: int | str) -> Any:
    return here[part]


def models_of(annotation: Any) -> list[type[BaseModel]]:
    """The models that a field may hold, an item of its lists not among them."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (dict, tuple, list):
        return []
    return [model for argument in get_args(annotation) for model in models_of(argument)]


def item(annotation: Any) -> Any:
    """What a list of one holds, where one may stand for it."""
    return element(annotation) if get_origin(annotation) is tuple else annotation


def element(annotation: Any) -> Any:
    """What a list or a mapping holds."""
    arguments = [argument for argument in get_args(annotation) if argument is not Ellipsis]
    return arguments[-1] if arguments else None


def tags_of(union: Any) -> list[str]:
    """Every `type` in a union of mechanisms."""
    return [str(tag_of(model)) for model in members(union)]


def tag_of(model: type[BaseModel]) -> Any:
    """Its `type`, or None where it has none."""
    field = model.model_fields.get("type")
    return get_args(field.annotation)[0] if field else None


def tags(path: Location, data: Map) -> list[str]:
    """Every `type` that the mapping at `path` could have."""
    _, holder = walk(path, data)
    field = holder.model_fields.get(str(path[-1])) if holder else None
    models = models_of(item(field.annotation)) if field else []
    return [str(tag) for model in models if (tag := tag_of(model))]


def purpose(model: type[BaseModel] | None, name: str) -> str:
    """What a field is for, as the help for one that is missing."""
    field = model.model_fields.get(name) if model else None
    if field and name == "type" and model and (tag := tag_of(model)):
        return f"type: {tag}"
    return f"{name}: {field.description}" if field and field.description else ""
