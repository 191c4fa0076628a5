"""What the benchmark is given: built packages, and what their code does not say of them."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from archspec import __version__, codegen
from archspec.architecture.model import Architecture
from archspec.codegen.sharing import sharing
from archspec.codegen.view import PackageView
from archspec.kernels.attention.files import OPERATORS
from archspec.kernels.attention.names import kinds
from archspec.numbers.analysis import analyse
from archspec.output.place import put_files


def facts(architecture: Architecture) -> dict[str, Any]:
    """What archspec/bench/package.py lists."""
    numbers = analyse(architecture).parameters
    encoder = architecture.encoder
    kind = "pair" if encoder else "decoder" if architecture.is_causal else "encoder"
    return {
        "name": architecture.name,
        "kind": kind,
        "encodes": bool(encoder and encoder.layers),
        "head": architecture.head is not None,
        "sparse": architecture.is_sparse,
        "vocab_size": architecture.vocab_size,
        "hidden_size": architecture.hidden_size,
        "context_length": architecture.context_length,
        "parameters": numbers.total,
        "read_share": numbers.active / numbers.total,
        "attention": _attention(architecture),
    }


def _attention(architecture: Architecture) -> list[dict[str, Any]]:
    """Every call that attention has kernels for, and the function that computes it."""
    views = sharing(PackageView(architecture, "", __version__).modules).views(OPERATORS)
    found: list[dict[str, Any]] = []
    for kind, those in kinds(views).items():
        for own in (view for view in views if view.kernel in those):
            kernel = next(kernel for kernel in those if kernel == own.kernel)
            facts = asdict(kernel) | own.asked | {"entry": kind}
            found += [facts] if facts not in found else []
    return [{name: own[name] for name in own if name not in CUT} for own in found]


CUT = ("narrow", "group", "block")
"""What tiles are chosen by, and no benchmark reads."""


def put_package(
    architecture: Architecture, text: str, name: str, folder: Path, **more: Any
) -> Path:
    """Build the package into a folder of its own below `folder`, its facts beside it.

    `text` is the spec as written and `name` its file's; `more` facts join those of the
    architecture.
    """
    package = folder / codegen.default_folder(architecture.name)
    put_files(codegen.build(architecture, text, name, extras=codegen.ALL), package)
    said = json.dumps(facts(architecture) | more, indent=1) + "\n"
    package.with_suffix(".json").write_text(said, encoding="utf-8")
    return package
