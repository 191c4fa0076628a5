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
from archspec.errors import SpecError
from archspec.language.emit import to_yaml
from archspec.mechanisms.mixers.attention.spec import Attention
from archspec.spec.block import Block
from archspec.spec.encoder import Encoder
from archspec.spec.model import ModelSpec

Data = dict[str, Any]

CONTEXT = 32
TOKENS = 21
LONG = 64
MOST_BLOCKS, MOST_LAYERS = 3, 4
NOT_DRAWN = {"name", "title", "about", "checkpoint", "blocks", "layers", "init_std"}
WITHIN_ONE_TEXT = {
    *(
        "window",
        "chunk",
        "block_sparse",
        "prefix_lm",
        "shared_kv",
        "keys_as_values",
        "rope",
        "alibi",
    ),
    *("relative_bias", "temperature", "sinks", "softcap", "source"),
}
MENDS = 16

BY_NAME: dict[str, tuple[Any, ...]] = {
    "vocab_size": (19, 50),
    "context_length": (CONTEXT,),
    "length": (CONTEXT, CONTEXT + 3),
    "hidden_size": (8, 16, 24),
    "intermediate_size": (8, 16, 24),
    "heads": (1, 2, 4, 6),
    "kv_heads": (1, 2),
    "head_dim": (4, 8, 12, 16),
    "key_head_dim": (4, 6, 8, 12),
    "groups": (1, 2, 3),
    "rank": (1, 2, 5),
    "value_head_dim": (4, 6, 8, 12),
    "input_scale": (0.5, 1.0, 2.0),
    "output_scale": (0.5, 1.0, 2.0),
    "buckets": (4, 8, 16),
    "max_distance": (12, 16),
    "depth": (1, 2),
    "width": (6, 12),
    "key_heads": (1, 2),
    "value_heads": (2, 4),
    "decay_rank": (1, 3, 8),
    "query_rank": (4, 8, 12),
    "kv_rank": (4, 8, 16),
    "nope_dim": (4, 6, 8),
    "rope_dim": (0, 4, 8),
    "window": (1, 2, 5, 8, 64),
    "chunk": (1, 3, 8, 64),
    "size": (16,),
    "local": (1, 2),
    "stride": (2, 3),
    "first": (0, 1, 2),
    "channels": (8, 12, 24),
    "conv": (2, 3, 4, 6),
    "experts": (1, 2, 4, 6),
    "theta": (100.0, 10_000.0),
    "fraction": (0.5, 1.0, 0.25, 0.75),
    "original_context": (13, LONG),  # within what is read piece by piece, or above the whole
    "fall": (0.0625, 0.125),
    "eps": (1e-6, 1e-5, 1e-3),
}
NUMBERS = (0.5, 1.0, 2.0, 0.25, 0.75, 1.5, 4.0, 8.0, 0.0, -0.5)
COUNTS = (1, 2, 3, 4, 8, 16, 0)
COUNT = st.sampled_from((1, 1, 1, 2, 3))
"""How many things stand in a list: most often one."""

SHARED_SHAPE = (
    *("heads", "kv_heads", "head_dim", "value_head_dim"),
    *("window", "chunk", "block_sparse", "causal"),
)
"""What a mixer with `shared_kv` has in common with the one whose keys it takes."""


@st.composite
def specs(draw: st.DrawFn) -> str:
    """The YAML text of a spec that checks."""
    drawer = Drawer(draw)
    data = drawer.model(ModelSpec)
    data["name"] = "drawn"
    names = [f"b{number}" for number in range(draw(st.integers(1, MOST_BLOCKS)))]
    data["blocks"] = {name: drawer.model(Block) for name in names}
    more = draw(st.lists(st.sampled_from(names), max_size=MOST_LAYERS - len(names)))
    data["layers"] = ", ".join([*names, *more])
    if drawer.decided["causal"] and draw(st.integers(0, 3)) == 3:
        add_encoder(draw, drawer, data, names)
    else:
        data.pop("encoder", None)
    fit(data, names)
    return mended(data)


def add_encoder(draw: st.DrawFn, drawer: Drawer, data: Data, names: list[str]) -> None:
    """Some of the layers `names` attend to an encoder's states, or to states that are given."""
    encoder = data["encoder"] = data.get("encoder") or {}
    readers = draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    for name in readers:
        drawn = drawer.model(Attention)
        kept = {key: value for key, value in drawn.items() if key not in WITHIN_ONE_TEXT}
        data["blocks"][name]["cross_attention"] = {**kept, "source": "encoder"}
        data["blocks"][name].pop("parallel", None)
    if draw(st.booleans()):
        both_ways = Drawer(draw)
        both_ways.decided = {"causal": False}
        data["blocks"]["reads"] = both_ways.model(Block)
        encoder["layers"] = "2 x reads"


class Drawer:
    """Draws the fields of one spec; what all its parts have in common is decided once."""

    def __init__(self, draw: st.DrawFn):
        self.draw = draw
        self.decided: Data = {"causal": draw(st.sampled_from((True,) * 5 + (False,)))}

    def model(self, kind: type[BaseModel]) -> Data:
        """Values for the fields of `kind`; those with a default are left out as often as not."""
        made: Data = {}
        for name, field in kind.model_fields.items():
            if name in NOT_DRAWN and kind in (ModelSpec, Encoder):
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
            values = [self.value(name, arguments[0], []) for _ in range(self.draw(COUNT))]
            return values[0] if len(values) == 1 and isinstance(values[0], dict) else values
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            return self.model(annotation)
        if annotation is bool:
            return self.draw(st.booleans())
        if annotation in (int, float):
            usual = COUNTS if annotation is int else NUMBERS
            fits = [n for n in BY_NAME.get(name, usual) if _inside(n, bounds)]
            assert fits, f"no value for {name}: give BY_NAME one"
            return self.draw(st.sampled_from(fits))
        if name == "block":
            return "b0"
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


def fit(data: Data, names: list[str]) -> None:
    """Mend what holds between values that do not see each other; `names` make the text."""
    fit_vectors(data, names)
    fit_mtp(data, names)
    for name, block in data["blocks"].items():
        if name not in names or "encoder" not in data:
            block.pop("cross_attention", None)
    owner: Data | None = None
    chooser: Data | None = None
    tables: set[bool] = set()
    for name, block in data["blocks"].items():
        mixers = block.get("mixer") or []
        for mixer in mixers if isinstance(mixers, list) else [mixers]:
            owner = fit_mixer(mixer, owner)
            chooser = fit_selection(mixer, chooser)
            bias = mixer.get("relative_bias")
            if bias:  # one stack has one table; others are a layer's own
                bias["shared"] = (name in names) not in tables
                tables.add(name in names)


def fit_vectors(data: Data, names: list[str]) -> None:
    """Every layer reads the token's vector for it, or there is none."""
    if "encoder" in data:
        inner = (data["encoder"] or {}).get("embedding") or {}
        for name in ("per_layer", "token_types", "width"):
            inner.pop(name, None)
        for name in ("per_layer", "token_types", "width"):
            (data.get("embedding") or {}).pop(name, None)
    vectors = (data.get("embedding") or {}).get("per_layer")
    if vectors:
        vectors.pop("vocab_size", None)
    for name, block in data["blocks"].items():
        if not vectors or name not in names:
            block.pop("per_layer_input", None)
        else:
            own = block.get("per_layer_input") or {"type": "per_layer_input", "activation": "silu"}
            # One learns; with the other, numbers grow from layer to layer where no norm stands.
            wild = own["activation"] in ("xielu", "relu2")
            activation = "silu" if wild else own["activation"]
            block["per_layer_input"] = {**own, "activation": activation, "width": vectors["width"]}


def fit_mtp(data: Data, names: list[str]) -> None:
    """Multi-token prediction is for a plain decoder with a head."""
    own = data.get("mtp")
    embedding = data.get("embedding") or {}
    plain = not any(embedding.get(name) for name in ("width", "per_layer", "token_types"))
    causal = all(m.get("causal", True) for b in data["blocks"].values() for m in _mixers(b))
    if own and data.get("head") and plain and causal and "encoder" not in data:
        data["mtp"] = {**own, "block": names[-1]}
        for mixer in _mixers(data["blocks"][names[-1]]):
            mixer.pop("shared_kv", None)
            if (mixer.get("select") or {}).get("type") == "shared":
                del mixer["select"]
    else:
        data.pop("mtp", None)


def _mixers(block: Data) -> list[Data]:
    mixers = block.get("mixer") or []
    return mixers if isinstance(mixers, list) else [mixers]


def fit_mixer(mixer: Data, owner: Data | None) -> Data | None:
    """Mend one mixer; gives back the last one that has keys of its own."""
    if mixer.get("l2_norm") is False:  # the delta rule grows without bound on long keys
        del mixer["l2_norm"]
    if mixer.get("source") == "encoder":
        mixer["source"] = "self"
    if mixer.get("shared_kv"):
        if owner is None:
            del mixer["shared_kv"]
        else:
            for name in SHARED_SHAPE:
                mixer.pop(name, None)
                if name in owner:
                    mixer[name] = owner[name]
    fit_rope(mixer, mixer.get("head_dim", mixer.get("key_head_dim", mixer.get("rope_dim", 0))))
    if select := mixer.get("select"):
        fit_rope(select, select.get("head_dim", 0))
    own = mixer["type"] == "attention" and not mixer.get("shared_kv")
    return mixer if own else owner


def fit_rope(owner: Data, width: int) -> None:
    """Mend how the rope of heads of `width` is scaled."""
    rope = owner.get("rope") or {}
    scaling = rope.get("scaling") or {}
    pairs = int(width * rope.get("fraction", 1.0)) // 2
    for name, value in scaling.items():
        if isinstance(value, list):
            scaling[name] = [1.0 + 0.25 * i * len(value) for i in range(max(1, pairs))]


def fit_selection(mixer: Data, chooser: Data | None) -> Data | None:
    """Mend what a mixer takes from one that chooses; gives back the last that does."""
    select = mixer.get("select") or {}
    if select.get("type") != "shared":
        return select or chooser
    if chooser is None:
        del mixer["select"]
    else:
        select["top_k"] = chooser["top_k"]
    return chooser


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
        if isinstance(here, list):
            here = here[int(part)]
            continue
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
