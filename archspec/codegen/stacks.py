"""What the templates of a stack see: what enters it, and its layers in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from archspec.architecture.stack import Embedding, LayerVectors
from archspec.codegen.files import File
from archspec.codegen.members import Member
from archspec.language.schedule import Run
from archspec.spec.embedding import SinusoidalPositions

POSITIONS = File(
    "positions.py", "templates/package/positions.py.jinja", "sinusoidal positions", "sinusoids"
)


@dataclass(frozen=True)
class Sinusoids:
    """A function that computes positions: its name and its numbers."""

    name: str
    width: int
    base: float
    pairs: int
    """What the exponent is divided by."""

    layout: str


@dataclass(frozen=True)
class Vectors:
    """The vectors of a token for every layer."""

    layers: int
    own: LayerVectors
    norm: str | None

    @property
    def numbers(self) -> str:
        """How many numbers a token has in all."""
        return f"{self.layers} * {self.own.width}"

    @property
    def scale(self) -> str:
        """The factor on the table's vectors, to be appended."""
        return _times(self.own.scale)

    @property
    def projection_scale(self) -> str:
        """The factor on the projection, to be appended."""
        scale = self.own.projection_scale
        return _times(scale if scale != 1 else None)

    @property
    def sum_scale(self) -> str:
        """The factor on the sum, to be appended."""
        return _times(self.own.sum_scale)


@dataclass(frozen=True)
class EmbeddingView:
    """What turns token ids into the first hidden state of a stack."""

    scale: str
    width: int
    hidden_size: int
    rows: int
    """Rows of a table of positions, 0 where there is none."""

    length: int
    """How many positions have a row."""

    offset: str
    """What is added to a position, to be appended."""

    sinusoids: Sinusoids | None
    token_types: int | None
    norm: str | None
    vectors: Vectors | None

    @property
    def widens(self) -> bool:
        """Whether token vectors have a width of their own."""
        return self.width != self.hidden_size

    @property
    def members(self) -> list[Member]:
        """The modules behind it, beside the table of tokens."""
        found: list[Member] = []
        if self.widens:
            made = f"nn.Linear({self.width}, {self.hidden_size}, bias=False)"
            found.append(Member("embed_in", made))
        if self.rows:
            found.append(
                Member("embed_positions", f"nn.Embedding({self.rows}, {self.hidden_size})")
            )
        if self.token_types:
            made = f"nn.Embedding({self.token_types}, {self.hidden_size})"
            found.append(Member("embed_token_types", made))
        return found + ([Member("embed_norm", self.norm)] if self.norm else [])

    @property
    def lines(self) -> list[str]:
        """The statements that make the first hidden state of token vectors x."""
        lines = ["x = self.embed_in(x)"] if self.widens else []
        if self.token_types:
            lines += ["if token_type_ids is None:"]
            lines += ["    token_type_ids = torch.zeros_like(input_ids)"]
            lines += ["x = x + self.embed_token_types(token_type_ids)"]
        if self.rows:
            lines += [f"x = x + self.embed_positions(step.positions{self.offset})"]
        elif self.sinusoids:
            lines += [f"x = x + {self.sinusoids.name}(step.positions{self.offset}, x.dtype)"]
        return lines + (["x = self.embed_norm(x)"] if self.norm else [])

    @property
    def reads_positions(self) -> bool:
        """Whether it adds absolute positions."""
        return bool(self.rows or self.sinusoids)


def embedding_view(
    own: Embedding,
    hidden_size: int,
    norm: str | None,
    layer_norm: str | None,
    layers: int,
    name: str,
) -> EmbeddingView:
    """The view of `own`; `name` is that of a function for positions."""
    positions = own.positions
    learned = positions.length if positions and positions.type == "learned" else 0
    offset = positions.offset if positions else 0
    computed = positions if isinstance(positions, SinusoidalPositions) else None
    return EmbeddingView(
        _times(own.scale),
        own.width or hidden_size,
        hidden_size,
        learned + offset if learned else 0,
        learned,
        f" + {offset}" if offset else "",
        _sinusoids(computed, hidden_size, name) if computed else None,
        own.token_types,
        norm,
        Vectors(layers, own.per_layer, layer_norm) if own.per_layer else None,
    )


def python_schedule(run: Run, names: dict[str, str]) -> str:
    """The schedule as a Python list of classes: `3 * (5 * [LocalLayer] + [GlobalLayer])`."""
    parts: list[str] = []
    single: list[str] = []

    def flush() -> None:
        if single:
            parts.append(f"[{', '.join(single)}]")
            single.clear()

    for item in run.items:
        if isinstance(item, str):
            single.append(names[item])
            continue
        flush()
        inner = python_schedule(Run(1, item.items), names)
        parts.append(f"{item.times} * ({inner})" if " + " in inner else f"{item.times} * {inner}")
    flush()
    return " + ".join(parts)


def layer_made(kind: str, index: str, classes: Sequence[str], deep: Sequence[str]) -> str:
    """The expression for a layer of `kind`, one of `classes`; the `deep` ones take `index`."""
    among = [name for name in classes if name in deep]
    if not among:
        return f"{kind}()"
    if len(among) == len(classes):
        return f"{kind}({index})"
    kinds = among[0] if len(among) == 1 else f"({', '.join(among)})"
    return f"{kind}({index}) if issubclass({kind}, {kinds}) else {kind}()"


def layers_made(schedule: str, classes: Sequence[str], deep: Sequence[str]) -> str:
    """What goes through `schedule`, one of `classes` after the other, and makes its layers."""
    made = layer_made("layer", "index", classes, deep)
    enumerated = made != "layer()"
    source = f"index, layer in enumerate({schedule})" if enumerated else f"layer in {schedule}"
    return f"{made} for {source}"


def _sinusoids(own: SinusoidalPositions, width: int, name: str) -> Sinusoids:
    return Sinusoids(name, width, own.base, width // 2 - (1 if own.ends else 0), own.layout)


def _times(factor: float | None) -> str:
    return f" * {factor!r}" if factor is not None else ""
