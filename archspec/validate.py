"""Located data → `ModelSpec`, or what is wrong with it in the user's terms."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from archspec.errors import Diagnostic, Mark
from archspec.expand import near
from archspec.source import Items, Map, describe
from archspec.spec.model import ModelSpec

Location = tuple[int | str, ...]
_WRITTEN_ONLY = ["defaults", "overrides"]


def validate(data: Map) -> ModelSpec | list[Diagnostic]:
    """The spec in `data`, or every problem with it, each at the place where it was written."""
    try:
        return ModelSpec.model_validate(data)
    except ValidationError as error:
        found = [_diagnostic(dict(detail), data) for detail in error.errors(include_url=False)]
    return _joined(found)


def _joined(found: list[Diagnostic]) -> list[Diagnostic]:
    """One diagnostic for an inherited fault, and one for all the branches of a union."""
    by_place: dict[tuple[Mark | None, str], Diagnostic] = {}
    for diagnostic in found:
        head, got, tail = diagnostic.message.partition(", got ")
        key = (diagnostic.mark, got + tail if got else diagnostic.message)
        first = by_place.setdefault(key, diagnostic)
        if got and diagnostic.path == first.path and not first.message.startswith(head):
            message = first.message.replace(
                got + tail, f" or {head.removeprefix('expected ')}{got}{tail}"
            )
            by_place[key] = replace(first, message=message, hint=first.hint or diagnostic.hint)
    return list(by_place.values())


def _diagnostic(detail: dict[str, Any], data: Map) -> Diagnostic:
    path, model = _walk(detail["loc"], data)
    kind, context, given = detail["type"], detail.get("ctx", {}), detail["input"]
    hint = ""
    on_key = False
    if kind == "missing":
        path, missing = path[:-1], path[-1]
        message = f"missing field `{missing}`"
        hint = _purpose(model, str(missing))
        on_key = True
    elif kind == "extra_forbidden":
        message = "unknown field"
        hint = _suggest(str(path[-1]), model, top=len(path) == 1)
        on_key = True
    elif kind == "invariant":
        message, hint = context["message"], context["hint"]
        path = (*path, context["field"]) if context["field"] else path
        on_key = not context["field"]
    elif kind == "text":
        message = context["message"]
    elif kind == "union_tag_invalid":
        path = (*path, "type")
        known = [word.strip("'") for word in context["expected_tags"].split(", ")]
        message = f"expected {_one_of(known)}, got {context['tag']!r}"
        hint = near(str(context["tag"]), known)
    elif kind == "union_tag_not_found":
        message = "missing field `type`"
        on_key = True
    else:
        message, hint = _plain_message(kind, context, given)
    mark = _mark(path, data, on_key)
    return Diagnostic(message, ".".join(str(part) for part in path), mark, hint)


def _plain_message(kind: str, context: dict[str, Any], given: Any) -> tuple[str, str]:
    got = f", got {describe(given)}"
    if kind == "literal_error":
        known = [word.strip("'") for word in context["expected"].replace(" or ", ", ").split(", ")]
        return f"expected {_one_of(known)}{got}", near(str(given), known)
    if kind == "string_pattern_mismatch":
        return _pattern_message(context["pattern"]) + got, ""
    bounds = {
        "greater_than_equal": ("ge", "at least"),
        "greater_than": ("gt", "more than"),
        "less_than_equal": ("le", "at most"),
        "less_than": ("lt", "less than"),
    }
    if kind in bounds:
        key, words = bounds[kind]
        limit = context[key]
        shown = f"{limit:,}" if isinstance(limit, int) else f"{limit:g}"
        return f"expected {words} {shown}{got}", ""
    if kind == "string_too_long":
        return f"longer than {context['max_length']} characters", ""
    if kind == "too_short":
        return f"expected at least {context['min_length']} of them{got}", ""
    expected = {
        "int_type": "a whole number",
        "int_from_float": "a whole number",
        "float_type": "a number",
        "finite_number": "a finite number",
        "bool_type": "true or false",
        "string_type": "text",
        "dict_type": "a mapping",
        "model_type": "a mapping",
        "model_attributes_type": "a mapping",
        "tuple_type": "a list",
        "dataclass_type": "a mapping",
    }
    return f"expected {expected.get(kind, kind.replace('_', ' '))}{got}", ""


def _pattern_message(pattern: str) -> str:
    if pattern.startswith("^https"):
        return "expected an https:// address"
    if "._-" in pattern:
        return "expected lower-case letters, digits, dots, dashes and underscores"
    if "{}" in pattern:
        return "expected a tensor's name"
    return "expected a name of lower-case letters, digits and underscores"


def _one_of(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"one of {', '.join(words)}"


def _suggest(word: str, model: type[BaseModel] | None, top: bool) -> str:
    if model is None:
        return ""
    known = list(model.model_fields) + (_WRITTEN_ONLY if top else [])
    return near(word, known) or f"the fields here are {', '.join(known)}"


def _purpose(model: type[BaseModel] | None, name: str) -> str:
    field = model.model_fields.get(name) if model else None
    return f"{name}: {field.description}" if field and field.description else ""


def _walk(location: Location, data: Map) -> tuple[Location, type[BaseModel] | None]:
    """The path without pydantic's union tags, and the model that holds its last part."""
    path: list[int | str] = []
    here: Any = data
    annotation: Any = ModelSpec
    holder: type[BaseModel] | None = ModelSpec
    for position, part in enumerate(location):
        last = position == len(location) - 1
        inside = (isinstance(here, Map) and part in here) or (
            isinstance(here, Items) and isinstance(part, int) and part < len(here)
        )
        models = _models(annotation)
        if isinstance(here, Map) and len(models) > 1:
            models = [m for m in models if _tag(m) == here.get("type")] or models
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
        annotation = field.annotation if field else _element(annotation)
        here = _child(here, part) if inside else None
    return tuple(path), holder


def _child(here: Any, part: int | str) -> Any:
    return here[part]


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (dict, tuple, list):
        return []
    return [model for argument in get_args(annotation) for model in _models(argument)]


def _element(annotation: Any) -> Any:
    arguments = get_args(annotation)
    return arguments[-1] if arguments else None


def _tag(model: type[BaseModel]) -> Any:
    field = model.model_fields.get("type")
    return get_args(field.annotation)[0] if field else None


def _mark(path: Location, data: Map, on_key: bool) -> Mark | None:
    """Where `path` was written: the value, or its key; its parent where it is absent."""
    here: Any = data
    mark: Mark | None = data.mark
    for position, part in enumerate(path):
        last = position == len(path) - 1
        if isinstance(here, Map) and part in here:
            key = str(part)
            mark = here.keys_at[key] if last and on_key else here.values_at[key]
            if isinstance(here[key], (Map, Items)):
                mark = here.keys_at[key]
            here = here[key]
        elif isinstance(here, Items) and isinstance(part, int) and part < len(here):
            mark = here.items_at[part]
            here = here[part]
        else:
            break
    return mark
