"""The words of a plain file: what differs from a plain decoder, and the legend of shapes."""

from __future__ import annotations

from archspec.architecture.model import Architecture
from archspec.codegen.plain.model import PlainModel


def docstring(a: Architecture) -> list[str]:
    """The lines of the file's docstring."""
    return [f"{a.name} in one file of plain PyTorch."]


def forward_doc(model: PlainModel) -> list[str]:
    """The lines of the docstring of the model's forward pass."""
    return ["Logits."]
