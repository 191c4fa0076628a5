"""Architecture → the same model as one file of plain PyTorch, for reading and hacking."""

from __future__ import annotations

from archspec.codegen.plain.file import build_plain

__all__ = ["build_plain"]
