"""A compiler for model architectures.

One YAML description gives a figure (`draw`), exact numbers (`inspect`), a structural comparison
(`diff`) and a standalone PyTorch package (`build`): what the commands of these names do, as values.
None of them needs torch, and each imports what it needs when it is called.

>>> model = archspec.load("gallery/gemma-3-270m.yaml")  # a notebook shows its figure
>>> archspec.inspect(model).parameters.total
268098176
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from archspec.errors import ArchspecError, SpecError

if TYPE_CHECKING:
    from archspec.architecture.model import Architecture
    from archspec.numbers.analysis import Report
    from archspec.numbers.diff import Difference

__version__ = "0.1.0"

__all__ = [
    "ArchspecError",
    "SpecError",
    "__version__",
    "build",
    "diff",
    "draw",
    "inspect",
    "load",
    "loads",
]


def load(path: str | Path) -> Architecture:
    """The architecture that the spec at `path` describes.

    Raises:
        SpecError: everything that is wrong with the spec.
        OSError: the file cannot be read.
    """
    return loads(_text(path), str(path))


def loads(text: str, name: str = "<spec>") -> Architecture:
    """The architecture that the spec in `text` describes; `name` stands in error messages."""
    from archspec.architecture.resolve import resolve
    from archspec.language.source import parse

    return resolve(parse(text, name))


def draw(spec: Architecture | str | Path, format: str = "svg", theme: str = "light") -> bytes:
    """The figure of an architecture, or of the spec at a path, as a file of `format`.

    Args:
        spec: What to draw.
        format: `svg`, `png` or `pdf`.
        theme: `light` or `dark`.

    Raises:
        ArchspecError: `format` or `theme` is not one of those; beside what `load` raises.
    """
    from archspec.draw import render

    return render(_loaded(spec), format, theme)


def inspect(
    spec: Architecture | str | Path,
    context: int | None = None,
    batch: int = 1,
    dtype: str = "bf16",
    source: int | None = None,
) -> Report:
    """Parameters, caches and FLOPs of an architecture, or of the spec at a path.

    Args:
        spec: What to count.
        context: Tokens of a text; those the model is made for by default.
        batch: How many texts.
        dtype: The type of what is cached.
        source: Tokens of an encoder's text; `context` by default.

    Raises:
        ArchspecError: A number or the type is none that can be; beside what `load` raises.
    """
    from archspec.numbers.analysis import analyse

    return analyse(_loaded(spec), context, batch, dtype, source)


def build(
    path: str | Path, package: str | None = None, extras: Collection[str] = ()
) -> dict[str, str]:
    """The PyTorch package of the spec at `path`: {relative path: text}, the same each time.

    Args:
        path: The spec.
        package: What the package is imported as; after the spec's name by default.
        extras: `paged` and `gluon` for what stands beside a model for servers.

    Raises:
        ArchspecError: An extra is not known; beside what `load` raises.
    """
    from archspec import codegen

    text = _text(path)
    known = codegen.extras(",".join(extras)) if extras else ()
    return codegen.build(loads(text, str(path)), text, Path(path).name, package, known)


def diff(before: Architecture | str | Path, after: Architecture | str | Path) -> Difference:
    """What differs between two architectures, or specs at paths, field by field."""
    from archspec.numbers import diff as comparison

    return comparison.diff(_loaded(before), _loaded(after))


def _loaded(spec: Architecture | str | Path) -> Architecture:
    return load(spec) if isinstance(spec, (str, Path)) else spec


def _text(path: str | Path) -> str:
    from archspec.language.source import decode

    return decode(Path(path).read_bytes(), str(path))
