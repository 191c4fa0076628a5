"""Architecture → a standalone PyTorch package, as {path: text}."""

from __future__ import annotations

from archspec.codegen.extras import ALL, extras, known
from archspec.codegen.modules import default_folder, import_name
from archspec.codegen.names import package_name
from archspec.codegen.package import build

__all__ = ["ALL", "build", "default_folder", "extras", "import_name", "known", "package_name"]
