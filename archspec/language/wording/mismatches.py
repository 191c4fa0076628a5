"""Where data differ from the models → what is wrong in the user's terms, and what was meant."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from archspec.errors import Diagnostic, Mark
from archspec.errors.printing import describe
from archspec.language import schedule
from archspec.language.expand import Expanded
from archspec.language.located import Items, Map
from archspec.language.validate import Location, Mismatch
from archspec.language.wording.blame import Places
from archspec.language.wording.fields import item, models_of, purpose, tags, tags_of, walk
from archspec.language.wording.jargon import field_hint, here, key_hint, type_hint
from archspec.language.wording.phrases import (
    Guesses,
    choices,
    meant,
    meant_truth,
    one_of,
    plain_message,
)
from archspec.mechanisms import FeedForward, Mixer
from archspec.spec.base import true_is_default
from archspec.spec.block import Block

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


def word_mismatches(mismatches: Iterable[Mismatch], expanded: Expanded) -> list[Diagnostic]:
    """Every mismatch in the user's terms, each at the place where it was written."""
    places, guesses = Places(expanded), Guesses()
    found = [
        _find(one, expanded, places, guesses)
        for one in mismatches
        if not (_in_broken(one.location, expanded) and one.kind in _INCOMPLETE)
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


def _find(one: Mismatch, expanded: Expanded, places: Places, guesses: Guesses) -> _Found:
    path, model = walk(one.location, expanded.data)
    kind, context, given = one.kind, one.context, one.given
    last = str(path[-1]) if path else ""
    hint = missing = suggested = ""
    on_key = False
    if kind == "missing":
        path, missing, on_key = path[:-1], last, True
        message, hint = f"missing field `{missing}`", purpose(model, missing)
    elif kind == "extra_forbidden":
        message, on_key = "unknown field", True
        known = list(model.model_fields) if model else []
        known += _WRITTEN_ONLY if len(path) == 1 else []
        hint = field_hint(last, known)
        if model is Block and not here(last, known):
            hint = hint or key_hint(last, tags_of(Mixer), tags_of(FeedForward))
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
        hint = f"type: {one_of(tags(path, expanded.data))}"
    else:
        message, hint = plain_message(kind, context, given)
        hint = hint or _expected_fields(kind, one.location, expanded.data, given)
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
    path, holder = walk(location, data)
    field = holder.model_fields.get(str(path[-1])) if holder and path else None
    models = models_of(item(field.annotation)) if field else []
    if len(models) != 1:
        return ""
    fields = ", ".join(models[0].model_fields)
    truths = field and any(getattr(m, "func", None) is true_is_default for m in field.metadata)
    if not truths:
        return f"its fields are {fields}"
    return meant_truth(given) or f"true and false will do; its fields are {fields}"


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
