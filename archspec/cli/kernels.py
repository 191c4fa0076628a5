"""The command that compiles kernels."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from archspec.cli.app import Json, Spec, put_json
from archspec.cli.files import load


class Gpu(StrEnum):
    """What kernels are compiled for."""

    sm_80, sm_89, sm_90 = "sm_80", "sm_89", "sm_90"
    sm_100, sm_120, gfx942 = "sm_100", "sm_120", "gfx942"


def kernels(
    spec: Spec,
    target: Annotated[Gpu, typer.Option(help="The kind of GPU.")] = Gpu.sm_90,
    json: Json = False,
) -> None:
    """Compile the kernels of a package, without a GPU.

    Prints what each takes: registers of a thread, bytes spilled, shared memory, matrix and
    asynchronous copy instructions, seconds. Needs torch and triton. Exit code 1 if a kernel does
    not compile or does not fit.

    Example: archspec kernels gallery/gemma-3-270m.yaml --target sm_90
    """
    from pathlib import Path

    from archspec import codegen
    from archspec.kernels.compile import compile_kernels

    architecture, text, name = load(spec)
    package = codegen.default_folder(architecture.name)
    files = codegen.build(architecture, text, Path(name).name, extras=codegen.ALL)
    found = compile_kernels(files, package, target.value)
    if json:
        rows = [kernel.to_dict() for kernel in found]
        put_json({"model": architecture.name, "target": target.value, "kernels": rows})
    else:
        from archspec.cli.show import show_kernels

        show_kernels(architecture.name, target.value, found)
    if not all(kernel.ok for kernel in found):
        raise typer.Exit(1)
