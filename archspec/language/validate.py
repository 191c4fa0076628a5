"""Located data → `ModelSpec`, or what is wrong with it in the user's terms."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from archspec.errors import Diagnostic, Mark
from archspec.language import schedule
from archspec.language.blame import Location, Places
from archspec.language.expand import Expanded
from archspec.language.jargon import field_hint, here, key_hint, type_hint
from archspec.language.source import Items, Map, describe
from archspec.language.wording import (
    Guesses,
    choices,
    meant,
    meant_truth,
    one_of,
    plain_message,
)
from archspec.mechanisms import FeedForward, Mixer, members
from archspec.spec.base import true_is_default
from archspec.spec.block import Block
from archspec.spec.model import ModelSpec

_WRITTEN_ONLY = ["defaults", "overrides"]
_INCOMPLETE = ("missing", "union_tag_not_found", "invariant")


@dataclass(frozen=True)
class _Found:
    """A diagnostic, the path of its model, and the field that was missing or meant.

    `path` is that of what is wrong in the written-out data, and `between` whether it is wrong only
    together with others.
    """

    diagnostic: Diagnostic
    path: Location
    parent: Location
    missing: str = ""
    meant: str = ""
    between: bool = False

    @property
    def block(self) -> str:
        """The block that it is in, or nothing."""
        first, *rest = self.path or ("",)
        return str(rest[0]) if first == "blocks" and len(rest) > 1 else ""


def validate(expanded: Expanded) -> ModelSpec | list[Diagnostic]:
    """The spec, or every problem with it, each at the place where it was written."""
    try:
        return ModelSpec.model_validate(expanded.data)
    except ValidationError as error:
        details: list[Any] = list(error.errors(include_url=False))
    places, guesses = Places(expanded), Guesses()
    found = [
        _find(detail, expanded, places, guesses)
        for detail in details
        if not (_in_broken(detail["loc"], expanded) and detail["type"] in _INCOMPLETE)
    ]
    # A field whose name is misspelt is not missing as well.
    misspelt = {(one.parent, one.meant) for one in found if one.meant}
    found = [one for one in found if (one.parent, one.missing) not in misspelt]
    return _joined(_blamed(found, places))


def _blamed(found: list[_Found], places: Places) -> list[Diagnostic]:
    """Fields that do not go together in a block are told where that block changes them.

    What goes wrong in a block that it inherits from is told there alone.
    """
    out: list[Diagnostic] = []
    same: dict[tuple[Mark | None, str], set[str]] = {}
    for one in found:
        if one.block:
            key = one.diagnostic.mark, one.diagnostic.message
            same.setdefault(key, set()).add(one.block)
    for one in found:
        said = one.diagnostic
        if not one.block or not one.between or said.mark is None:
            out.append(said)
            continue
        if places.ancestors(one.block) & same[said.mark, said.message]:
            continue
        own, change = places.own(one.block), None
        if places.of(said.mark) != own:
            change = places.change(one.path)
        if change:
            path = ".".join(str(part) for part in (*own, *one.path[2:]))
            said = replace(said, path=path, mark=change)
        out.append(said)
    return out


def _in_broken(location: Location, expanded: Expanded) -> bool:
    """Whether this is in a block that inherits from a block that is not there."""
    return len(location) > 1 and location[0] == "blocks" and location[1] in expanded.broken


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


def _find(detail: dict[str, Any], expanded: Expanded, places: Places, guesses: Guesses) -> _Found:
    path, model = _walk(detail["loc"], expanded.data)
    kind, context, given = detail["type"], detail.get("ctx", {}), detail["input"]
    last = str(path[-1]) if path else ""
    hint = missing = suggested = ""
    on_key = False
    if kind == "missing":
        path, missing, on_key = path[:-1], last, True
        message, hint = f"missing field `{missing}`", _purpose(model, missing)
    elif kind == "extra_forbidden":
        message, on_key = "unknown field", True
        known = list(model.model_fields) if model else []
        known += _WRITTEN_ONLY if len(path) == 1 else []
        hint = field_hint(last, known)
        if model is Block and not here(last, known):
            hint = hint or key_hint(last, _tags_of(Mixer), _tags_of(FeedForward))
        suggested = "" if hint else guesses.near(last, known)
        hint = hint or (f"did you mean {suggested}?" if suggested else "")
        hint = hint or (f"the fields here are {', '.join(known)}" if known else "")
    elif kind == "invariant":
        message, hint, field = context["message"], context["hint"], context["field"]
        path = (*path, *([field] if isinstance(field, str) else field)) if field else path
        on_key = not field
    elif kind == "text":
        message = context["message"]
    elif kind == "union_tag_invalid":
        path, known = (*path, "type"), choices(context["expected_tags"])
        message = f"expected {one_of(known)}, got {describe(context['tag'])}"
        tag = str(context["tag"])
        hint = type_hint(tag, known) or meant(tag, known)
    elif kind == "union_tag_not_found":
        message, on_key = "missing field `type`", True
        hint = f"type: {one_of(_tags(path, expanded.data))}"
    else:
        message, hint = plain_message(kind, context, given)
        hint = hint or _expected_fields(kind, detail["loc"], expanded.data, given)
        if path[:1] == ("layers",) or path[:2] == ("encoder", "layers"):
            hint = schedule.FORM
    mark = _mark(path, expanded.data, on_key) if path else None
    parent = path if kind == "missing" else path[:-1]
    shown = ".".join(str(part) for part in places.as_written(path, mark))
    said = Diagnostic(message, shown, mark, hint)
    return _Found(said, path, parent, missing, suggested, kind == "invariant")


def _expected_fields(kind: str, location: Location, data: Map, given: Any) -> str:
    """The fields of a mapping, where something else stands in its place; some may be a truth."""
    if kind not in ("model_type", "model_attributes_type"):
        return ""
    path, holder = _walk(location, data)
    field = holder.model_fields.get(str(path[-1])) if holder and path else None
    models = _models(_item(field.annotation)) if field else []
    if len(models) != 1:
        return ""
    fields = ", ".join(models[0].model_fields)
    truths = field and any(getattr(m, "func", None) is true_is_default for m in field.metadata)
    if not truths:
        return f"its fields are {fields}"
    return meant_truth(given) or f"true and false will do; its fields are {fields}"


def _tags(path: Location, data: Map) -> list[str]:
    """Every `type` that the mapping at `path` could have."""
    _, holder = _walk(path, data)
    field = holder.model_fields.get(str(path[-1])) if holder else None
    models = _models(_item(field.annotation)) if field else []
    return [str(tag) for model in models if (tag := _tag(model))]


def _purpose(model: type[BaseModel] | None, name: str) -> str:
    field = model.model_fields.get(name) if model else None
    if field and name == "type" and model and (tag := _tag(model)):
        return f"type: {tag}"
    return f"{name}: {field.description}" if field and field.description else ""


def _walk(location: Location, data: Map) -> tuple[Location, type[BaseModel] | None]:
    """The path without pydantic's union tags, and the model that holds its last part."""
    path: list[int | str] = []
    here: Any = data
    annotation: Any = ModelSpec
    holder: type[BaseModel] | None = ModelSpec
    for position, part in enumerate(location):
        last = position == len(location) - 1
        if isinstance(here, Map) and get_origin(annotation) is tuple:
            annotation = _element(annotation)  # one mapping, where a list of them may stand
        if isinstance(part, int) and isinstance(here, Map):
            continue
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


def _item(annotation: Any) -> Any:
    """What a list of one holds, where one may stand for it."""
    return _element(annotation) if get_origin(annotation) is tuple else annotation


def _element(annotation: Any) -> Any:
    arguments = [argument for argument in get_args(annotation) if argument is not Ellipsis]
    return arguments[-1] if arguments else None


def _tags_of(union: Any) -> list[str]:
    return [str(_tag(model)) for model in members(union)]


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
