"""The parts of a plain file, put in order: what nothing in it calls is left out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

from archspec import __version__
from archspec.architecture.model import Architecture
from archspec.codegen.captions import model_caption
from archspec.codegen.checkpoint import CheckpointView
from archspec.codegen.environment import environment
from archspec.codegen.format import format_python
from archspec.codegen.package import file_name
from archspec.codegen.plain.classes import TAKEN, Written, classes
from archspec.codegen.plain.embedding import PlainEmbedding, PlainVectors, Waves
from archspec.codegen.plain.facts import number
from archspec.codegen.plain.header import docstring, forward_doc
from archspec.codegen.plain.layers import Layers, PlainLayer
from archspec.codegen.plain.loading import Loading
from archspec.codegen.plain.model import PlainModel
from archspec.codegen.plain.norms import Norms
from archspec.codegen.plain.rotations import Key, Rotation, rotations
from archspec.codegen.plain.site import TYPES
from archspec.codegen.plain.stack import PlainStack
from archspec.codegen.plain.words import doc
from archspec.codegen.rotary import rotary_views
from archspec.mechanisms.base import Mechanism
from archspec.spec.activation import LEARNED

PLACE = "templates/plain/{}.py.jinja"


def build_plain(a: Architecture, spec_name: str) -> str:
    """The text of the file; `spec_name` is the spec's file name, for the line at its top.

    The same arguments give the same bytes. Raises `ArchspecError` where a mechanism has no plain
    form.
    """
    found = Norms()
    _File(a, found).text(spec_name)
    text = _File(a, Norms(found.found)).text(spec_name)
    return format_python({"model.py": text})["model.py"]


@dataclass(frozen=True)
class _File:
    """Everything that stands in one file, by way of its norms."""

    a: Architecture
    norms: Norms

    @cached_property
    def rotations(self) -> Mapping[Key, Rotation]:
        """The function of each rope."""
        return rotations(self.a)

    @cached_property
    def classes(self) -> dict[Mechanism, Written]:
        """The class of each mechanism."""
        return classes(self.a, self.norms, self.rotations)

    @cached_property
    def model(self) -> PlainModel:
        """The model."""
        a = self.a
        names = set(TAKEN) | {written.own.name for written in self.classes.values()}
        ends = [a.mtp.block] if a.mtp else []
        alone = not (a.encoder and a.encoder.layers)
        rereads = not any(w.own.keeps for w in self.classes.values())
        encoder = None
        if a.encoder and a.encoder.layers:
            read = self._layers(decodes=False, names=names).of(a.encoder.blocks, alone=False)
            embedding = PlainEmbedding(
                a.encoder.embedding, a.hidden_size, self.norms, "encoder_sinusoids"
            )
            encoder = PlainStack(a.encoder, read, embedding, self.norms)
        blocks = list(dict.fromkeys((*a.stack.blocks, *ends)))
        own = self._layers(a.is_causal and not rereads, names).of(blocks, alone)
        embedding = PlainEmbedding(a.embedding, a.hidden_size, self.norms, "sinusoids")
        vectors = None
        if a.embedding.per_layer:
            vectors = PlainVectors(a.embedding.per_layer, a.hidden_size, len(a.layers), self.norms)
        stack = PlainStack(a.stack, own, embedding, self.norms)
        return PlainModel(a, stack, encoder, vectors, self.norms)

    def _layers(self, decodes: bool, names: set[str]) -> Layers:
        return Layers(self.classes, self.norms, self.a.hidden_size, decodes, names)

    def text(self, spec_name: str) -> str:
        """The whole file, not yet formatted."""
        body = [part.strip("\n") for part in self._body()]
        helpers = [part.strip("\n") for part in self._helpers(body)]
        origin = f"archspec {__version__} from {file_name(spec_name)}"
        context = self._context() | {
            "header": f"# Built by {origin}; yours to change.",
            "docstring": docstring(self.a),
        }
        top = _render(PLACE.format("file"), context)
        lines: list[str] = []
        for name in ("State", "Source", "NOWHERE"):
            if _named(name, [*helpers, *body]):
                lines.append(_CONSTANTS[name])
        return _joined([top + "\n".join(lines), *helpers, *body])

    def _context(self) -> dict[str, Any]:
        return {"model": self.model}

    def _body(self) -> Iterator[str]:
        """The classes and functions that are always there, in order."""
        model, a = self.model, self.a
        seen: set[str] = set()
        for written in self.classes.values():
            if written.own.name not in seen:
                seen.add(written.own.name)
                yield from self._class(written)
        stacks = [model.encoder, model.stack] if model.encoder else [model.stack]
        layers = [layer for stack in stacks for layer in dict.fromkeys(stack.layers.values())]
        for layer in dict.fromkeys(layers):
            yield _render(PLACE.format("layer"), {"layer": layer})
        if a.is_causal:
            yield _render(
                PLACE.format("cache_reread" if model.rereads else "cache"), self._context()
            )
        if a.mtp:
            yield _render(PLACE.format("mtp"), {"f": self._mtp()})
        if model.encoder:
            encoder = model.encoder
            reads = "positions" in encoder.arguments or encoder.embedding.own.positions
            width = number(a.hidden_size)
            given = {"encoder": encoder, "reads_positions": reads, "encoder_width": width}
            yield _render(PLACE.format("encoder"), given)
        if model.trains and model.kind != "pair":
            yield _render(PLACE.format("loss"), self._context())
        inner = (cls for written in self.classes.values() for cls in written.own.inner)
        drawn = dict.fromkeys(cls.name for cls in inner if cls.drawn)
        names = ["nn.Linear", "nn.Embedding", *drawn]
        yield _render(
            PLACE.format("model"),
            self._context()
            | {
                "drawn": " | ".join(names),
                "forward_doc": forward_doc(model),
                "model_doc": doc(model_caption(a)),
            },
        )
        if model.trains:
            yield _render(PLACE.format("generate"), self._context())
        yield self._loading()

    def _class(self, written: Written) -> Iterator[str]:
        for cls in (*written.own.inner, written.own):
            yield _render(cls.template, {"c": cls})

    def _mtp(self) -> dict[str, Any]:
        a, own = self.a, self.a.mtp
        assert own
        layer: PlainLayer = self.model.stack.layers[own.block]
        given = [
            f"{f.name}={number(v)}"
            for f, v in zip(layer.facts, layer.given(own.block), strict=True)
        ]
        made = ", ".join([*(["index"] if layer.reads_depth else []), *given])
        names = ["x", *layer.arguments]
        call = f"self.layer({', '.join(names)})"
        types = {name: TYPES[name] for name in layer.arguments}
        if layer.gives:
            types["past"] = "None"
            call = f"{call}[0]"
        own_types = [
            "x: Tensor",
            "token: Tensor",
            *(f"{name}: {kind}" for name, kind in types.items()),
        ]
        return {
            "depth": layer.reads_depth,
            "norm": self.norms.made(own.norm, number(a.hidden_size)),
            "width": number(a.hidden_size),
            "layer": f"{layer.name}({made})",
            "signature": ", ".join(["self", *own_types]),
            "call": call,
        }

    def _loading(self) -> str:
        a = self.a
        tied = bool(a.head and a.head.tied)
        bodies = [branch.body for block in a.blocks for branch in block.branches]
        fades = tuple({slopes: None for body in bodies if (slopes := body.slopes())})
        view = CheckpointView(a.checkpoint, tied, tuple(rotary_views(a).values()), fades)
        load = Loading(view)
        return _render(load.template, {"load": load})

    def _helpers(self, body: list[str]) -> Iterator[str]:
        """What classes call, before them; only what something calls."""
        stack, encoder = self.model.stack, self.model.encoder
        waves: list[Waves | None] = [
            stack.embedding.waves,
            encoder.embedding.waves if encoder else None,
        ]
        norms = dict.fromkeys(self.norms.classes.values())
        found: list[tuple[str, str, dict[str, Any]]] = [
            *((norm.name, norm.template, {"n": norm}) for norm in norms),
            *(
                (r.name, PLACE.format("rotate"), {"r": r})
                for r in dict.fromkeys(self.rotations.values())
            ),
            *((w.name, PLACE.format("waves"), {"w": w}) for w in waves if w),
            ("bucket", PLACE.format("bucket"), {}),
            ("unit", PLACE.format("unit"), {}),
            ("ShortConv", PLACE.format("short_conv"), {}),
            (
                "XIELU",
                "mechanisms/common/templates/activation.py.jinja",
                {"learned": LEARNED["xielu"]},
            ),
        ]
        rendered = [
            _render(template, given) for name, template, given in found if _named(name, body)
        ]
        if _named("wide", [*body, *rendered]):
            yield _render(PLACE.format("wide"), {})
        yield from rendered


_CONSTANTS = {
    "State": "State = tuple[Tensor, ...]  # what a layer keeps of the tokens it has read",
    "Source": "Source = tuple[Tensor, Tensor]  # states (B, S, C), and which are real (B, S)",
    "NOWHERE": "NOWHERE = 1 << 30  # where padding stands: behind all tokens, so none sees it",
}


def _joined(parts: list[str]) -> str:
    """Parts of a file, two empty lines between them, and none between statements of one line."""
    text = parts[0]
    for before, part in pairwise(parts):
        both = "\n" not in before and "\n" not in part
        text += ("\n" if both else "\n\n\n") + part
    return text + "\n"


def _named(name: str, texts: list[str]) -> bool:
    word = re.compile(rf"\b{name}\b")
    return any(word.search(text) for text in texts)


def _render(template: str, context: dict[str, Any]) -> str:
    return environment().get_template(template).render(context)
