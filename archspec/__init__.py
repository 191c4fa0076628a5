"""A compiler for model architectures.

One YAML description gives a figure (`draw`), exact numbers (`analyse`), a structural comparison
(`diff`) and a standalone PyTorch package (`build`). None of them needs torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from archspec.errors import ArchspecError, SpecError

if TYPE_CHECKING:
    from archspec.architecture.model import Architecture

__version__ = "0.1.0"

__all__ = ["ArchspecError", "SpecError", "__version__", "load", "loads"]


def load(path: str | Path) -> Architecture:
    """The architecture that the spec at `path` describes.

    Raises:
        SpecError: everything that is wrong with the spec.
        OSError: the file cannot be read.
    """
    from archspec.language.source import decode

    return loads(decode(Path(path).read_bytes(), str(path)), str(path))


def loads(text: str, name: str = "<spec>") -> Architecture:
    """The architecture that the spec in `text` describes; `name` stands in error messages."""
    from archspec.architecture.resolve import resolve
    from archspec.language.source import parse

    return resolve(parse(text, name))
