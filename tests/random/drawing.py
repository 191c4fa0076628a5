"""Valid specs drawn from the models' own fields, so that what is added there is drawn too.

Every field is drawn by its annotation and bounds. `BY_NAME` gives sizes that keep models small
and `fit` mends what only holds between fields far apart; a field that a spec's own checks reject
is left out again.
"""

from __future__ import annotations

import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from hypothesis import assume
from hypothesis import strategies as st
from pydantic import BaseModel
from pydantic.fields import FieldInfo

import archspec
from archspec.emit import to_yaml
from archspec.errors import SpecError
from archspec.spec.block import Block
from archspec.spec.model import ModelSpec

Data = dict[str, Any]

CONTEXT = 32
TOKENS = 21
LONG = 64
MOST_BLOCKS, MOST_LAYERS = 3, 4
NOT_DRAWN = {"name", "title", "about", "checkpoint", "blocks", "layers", "init_std"}
MENDS = 16

BY_NAME: dict[str, tuple[Any, ...]] = {
    "vocab_size": (19, 50),
    "context_length": (CONTEXT,),
    "length": (CONTEXT, CONTEXT + 3),
    "hidden_size": (8, 16, 24),
    "heads": (1, 2, 4, 6),
    "kv_heads": (1, 2),
    "head_dim": (4, 8, 12, 16),
    "key_dim": (4, 6, 8, 12),
    "groups": (1, 2, 3),
    "rank": (1, 2, 5),
    "value_dim": (4, 6, 8, 12),
    "query_rank": (4, 8, 12),
    "kv_rank": (4, 8, 16),
    "nope_dim": (4, 6, 8),
    "rope_dim": (0, 4, 8),
    "window": (1, 2, 5, 8, 64),
    "chunk": (1, 3, 8, 64),
    "channels": (8, 12, 24),
    "conv": (2, 3, 4, 6),
    "experts": (1, 2, 4, 6),
    "theta": (100.0, 10_000.0),
    "fraction": (0.5, 1.0, 0.25, 0.75),
    "original_context": (4, LONG),  # below the first part that is read, or above the whole
    "eps": (1e-6, 1e-5, 1e-3),
}
NUMBERS = (0.5, 1.0, 2.0, 0.25, 0.75, 1.5, 4.0, 8.0, 0.0, -0.5)
COUNTS = (1, 2, 3, 4, 8, 16, 0)

SHARED_SHAPE = ("heads", "kv_heads", "head_dim", "value_dim", "window", "chunk", "causal")
"""What a mixer with `shared_keys` has in common with the one whose keys it takes."""


@st.composite
def specs(draw: st.DrawFn) -> str:
    """The YAML text of a spec that checks."""
    drawer = Drawer(draw)
    data = drawer.model(ModelSpec)
    data["name"] = "drawn"
    names = [f"b{number}" for number in range(draw(st.integers(1, MOST_BLOCKS)))]
    data["blocks"] = {name: drawer.model(Block) for name in names}
    fit(data)
    more = draw(st.lists(st.sampled_from(names), max_size=MOST_LAYERS - len(names)))
    data["layers"] = ", ".join([*names, *more])
    return mended(data)


class Drawer:
    """Draws the fields of one spec; what all its parts have in common is decided once."""

    def __init__(self, draw: st.DrawFn):
        self.draw = draw
        self.decided: Data = {"causal": draw(st.sampled_from((True,) * 5 + (False,)))}

    def model(self, kind: type[BaseModel]) -> Data:
        """Values for the fields of `kind`; those with a default are left out as often as not."""
        made: Data = {}
        for name, field in kind.model_fields.items():
            if name in NOT_DRAWN and kind is ModelSpec:
                continue
            usual = field.is_required() or name in ("mixer", "feedforward")
            if usual or self.draw(st.booleans()):
                made[name] = self.field(name, field)
        return made

    def field(self, name: str, field: FieldInfo) -> Any:
        """A value for one field."""
        if name in self.decided:
            return self.decided[name]
        return self.value(name, field.annotation, list(field.metadata))

    def value(self, name: str, annotation: Any, bounds: list[Any]) -> Any:
        """A value of the type `annotation`, inside `bounds`."""
        origin, arguments = get_origin(annotation), get_args(annotation)
        if origin is Annotated:
            return self.value(name, arguments[0], [*bounds, *_bounds(arguments[1:])])
        if origin is Literal:
            return self.draw(st.sampled_from(arguments))
        if origin in (Union, types.UnionType):
            kinds = [kind for kind in arguments if kind is not type(None)]
            if len(kinds) < len(arguments) and self.draw(st.integers(0, 3)) == 3:
                return None
            return self.value(name, self.draw(st.sampled_from(kinds)), bounds)
        if origin is tuple:
            return [self.value(name, arguments[0], []) for _ in range(self.draw(st.integers(1, 3)))]
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            return self.model(annotation)
        if annotation is bool:
            return self.draw(st.booleans())
        if annotation in (int, float):
            usual = COUNTS if annotation is int else NUMBERS
            fits = [n for n in BY_NAME.get(name, usual) if _inside(n, bounds)]
            assert fits, f"no value for {name}: give BY_NAME one"
            return self.draw(st.sampled_from(fits))
        raise AssertionError(f"nothing draws the type of {name}, {annotation}")


def _bounds(metadata: tuple[Any, ...]) -> list[Any]:
    found: list[Any] = []
    for part in metadata:
        found += part.metadata if isinstance(part, FieldInfo) else [part]
    return found


def _inside(number: float, bounds: list[Any]) -> bool:
    for bound in bounds:
        if isinstance(bound, annotated_types.Ge) and number < bound.ge:
            return False
        if isinstance(bound, annotated_types.Gt) and number <= bound.gt:
            return False
        if isinstance(bound, annotated_types.Le) and number > bound.le:
            return False
        if isinstance(bound, annotated_types.Lt) and number >= bound.lt:
            return False
    return True


def fit(data: Data) -> None:
    """Mend what holds between values that do not see each other."""
    owner: Data | None = None
    chooser: Data | None = None
    for block in data["blocks"].values():
        mixer = block.get("mixer")
        if not mixer:
            continue
        if mixer.get("shared_keys"):
            if owner is None:
                del mixer["shared_keys"]
            else:
                for name in SHARED_SHAPE:
                    mixer.pop(name, None)
                    if name in owner:
                        mixer[name] = owner[name]
        scaling = (mixer.get("rope") or {}).get("scaling") or {}
        width = mixer.get("head_dim") or mixer.get("key_dim") or mixer.get("rope_dim", 0)
        pairs = int(width * mixer["rope"].get("fraction", 1.0)) // 2 if scaling else 0
        for name, value in scaling.items():
            if isinstance(value, list):
                scaling[name] = [1.0 + 0.25 * i * len(value) for i in range(max(1, pairs))]
        if scaling.get("type") == "dynamic":  # its frequencies change as a text grows
            scaling["original_context"] = LONG
        if mixer["type"] == "attention" and not mixer.get("shared_keys"):
            owner = mixer
        select = mixer.get("select") or {}
        if select.get("type") == "shared":
            if chooser is None:
                del mixer["select"]
            else:
                select["top_k"] = chooser["top_k"]
        elif select:
            chooser = select


def mended(data: Data) -> str:
    """The text of `data`, less the fields that its own checks point at."""
    for _ in range(MENDS):
        text = to_yaml(data)
        try:
            archspec.loads(text)
        except SpecError as error:
            changed = [_leave_out(data, d.path.split(".")) for d in error.diagnostics]
            assume(any(changed))
        else:
            return text
    assume(False)
    raise AssertionError


def _leave_out(data: Data, path: list[str]) -> bool:
    """Remove the innermost optional field on `path`."""
    models: list[tuple[Data, str]] = []
    here: Any = data
    for part in path:
        if not isinstance(here, dict) or part not in here:
            break
        models.append((here, part))
        here = here[part]
    for holder, name in reversed(models):
        if name in ("blocks", "layers", "type") or holder is data.get("blocks"):
            return False
        if name in OPTIONAL:
            del holder[name]
            return True
    return False


def _optional(kind: Any, seen: set[Any]) -> set[str]:
    """The names of all fields inside `kind` that have a default wherever they stand."""
    names: set[str] = set()
    required: set[str] = set()

    def walk(annotation: Any) -> None:
        for argument in get_args(annotation):
            walk(argument)
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            if annotation in seen:
                return
            seen.add(annotation)
            for name, field in annotation.model_fields.items():
                (required if field.is_required() else names).add(name)
                walk(field.annotation)

    walk(kind)
    return names - required


OPTIONAL = _optional(ModelSpec, set())
