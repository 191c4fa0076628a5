"""Which mechanisms of a package share a file, and what each of them sees of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from archspec.codegen.files import SharedFile
from archspec.codegen.site import ModuleView, view_module
from archspec.mechanisms.base import Mechanism


@dataclass(frozen=True)
class Sharing:
    """The views of a package's modules by their mechanism, and who names which shared file."""

    kinds: dict[type[Mechanism], list[Any]]
    owners: dict[SharedFile, list[type[Mechanism]]]

    def views(self, file: SharedFile) -> list[Any]:
        """The views of all mechanisms that name `file`; of none, where the package has none."""
        return [view for kind in self.owners.get(file, ()) for view in self.kinds[kind]]

    def named(self, kind: type[Mechanism]) -> dict[str, Any]:
        """What the files that a mechanism shares tell its templates, the same to each owner."""
        found: dict[str, Any] = {}
        for file in view_module(kind).SHARED:
            found |= file.names(self.views(file))
        return found


def sharing(modules: Mapping[Mechanism, ModuleView]) -> Sharing:
    """Of the views of a package's mechanisms, in order of first appearance."""
    kinds: dict[type[Mechanism], list[Any]] = {}
    for mechanism, module in modules.items():
        kinds.setdefault(type(mechanism), []).append(module)
    owners: dict[SharedFile, list[type[Mechanism]]] = {}
    for kind in kinds:
        for file in view_module(kind).SHARED:
            owners.setdefault(file, []).append(kind)
    return Sharing(kinds, owners)
