"""Architecture → a standalone PyTorch package, as {path: text}."""

from __future__ import annotations

from archspec.codegen.names import package_name
from archspec.codegen.package import LOCK, build

__all__ = ["LOCK", "build", "package_name"]
