"""Commands that make something of a spec: a package, a figure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archspec.cli.app import Force, Spec, Theme
from archspec.cli.files import load, put
from archspec.cli.streams import say
from archspec.errors import ArchspecError
from archspec.errors.printing import clipped
from archspec.output.place import shown

if TYPE_CHECKING:
    from archspec.architecture.model import Architecture


def build(
    spec: Spec,
    output: Annotated[
        str | None,
        typer.Option(
            "-o", "--output", help="The package's folder, ./NAME by default; with --plain a file."
        ),
    ] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="One file of plain PyTorch, for reading and hacking.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Write over files that were edited by hand.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit code 1 and a diff if outdated.")
    ] = False,
    also: Annotated[
        str | None,
        typer.Option(
            "--with",
            help="What else the package has: paged, gluon, both with a comma between them; none"
            " for nothing. As the folder has it by default.",
        ),
    ] = None,
) -> None:
    """Write a standalone PyTorch package for a spec.

    All files are written or none. A folder that archspec did not write is refused, and files
    edited by hand are not overwritten without --force. A folder that Python would import in place
    of another module, like torch or json, is refused.

    With --plain the same model is written as one file, ./NAME.py by default and - to print it:
    PyTorch without kernels, for reading, teaching and changing.

    `--with paged` adds attention to keys in pages, for servers, and `--with gluon` attention's
    forward pass in Gluon for sm_90. The folder's archspec.lock remembers them for the next build.

    Example: archspec build gallery/gemma-3-270m.yaml -o gemma
    """
    from archspec import codegen
    from archspec.output.difference import compare
    from archspec.output.folder import asked
    from archspec.output.package import write_package

    architecture, text, name = load(spec)
    if plain:
        if also is not None:
            raise ArchspecError("--with adds to a package\n  help: leave out --plain, or --with")
        _build_plain(architecture, Path(name).name, output, force, check)
        return
    directory = Path(output or codegen.default_folder(architecture.name))
    package = codegen.import_name(directory)
    extras = codegen.known(asked(directory)) if also is None else codegen.extras(also)
    files = codegen.build(architecture, text, Path(name).name, package, extras)
    if check:
        difference = compare(files, directory)
        put(None, difference)
        if difference:
            raise typer.Exit(1)
        print(f"{directory}: up to date")
        return
    written = write_package(files, directory, force)
    if not written:
        print(f"{directory}: up to date")
        return
    count = f"{len(files)} files" if len(written) >= len(files) else f"{len(written)} changed"
    if package:
        print(f"wrote {directory}: {count}; next: python -m {package}.selftest")
    else:
        print(f"wrote {directory}: {count}")
        better = codegen.package_name(directory.resolve().name.lower())
        say(f"  note: Python imports it under a name like {better}")


def _build_plain(
    architecture: Architecture, name: str, output: str | None, force: bool, check: bool
) -> None:
    from archspec.codegen.modules import default_folder, import_name
    from archspec.codegen.plain import build_plain
    from archspec.output.difference import compare_file
    from archspec.output.signature import is_signed, signed

    target = Path(output or f"{default_folder(architecture.name)}.py")
    if output != "-":
        if target.suffix != ".py":
            raise ArchspecError(
                f"{shown(target)}: --plain writes one file\n  help: its name ends in .py"
            )
        import_name(target.with_suffix(""))
    content = signed(build_plain(architecture, name).encode(), "py")
    if check:
        difference = compare_file(content, target)
        put(None, difference)
        if difference:
            raise typer.Exit(1)
        print(f"{target}: up to date")
        return
    put(output or str(target), content, force, lambda old: is_signed(old, "py"))
    if output != "-":
        print(f"wrote {target}: {len(content.splitlines())} lines")


def draw(
    spec: Spec,
    output: Annotated[
        str | None,
        typer.Option(
            "-o", "--output", help="A .svg, .png, .pdf or .dot file; NAME.svg by default, - prints."
        ),
    ] = None,
    theme: Annotated[Theme, typer.Option(help="The colours.")] = Theme.light,
    force: Force = False,
) -> None:
    """Draw the architecture.

    A figure that archspec drew is drawn anew; any other file that is there is kept without
    --force.

    Example: archspec draw gallery/gemma-3-270m.yaml -o gemma.png --theme dark
    """
    kinds = ("svg", "png", "pdf", "dot")
    suffix = "svg" if output in (None, "-") else Path(output or "").suffix[1:].lower()
    if suffix not in kinds:
        raise ArchspecError(
            f"{output}: cannot draw .{suffix}; the name ends in .svg, .png, .pdf or .dot"
        )
    architecture, _, _ = load(spec)
    from archspec.draw import dot, foreign, render
    from archspec.output.signature import is_signed, signed

    if suffix == "dot":
        content = dot(architecture, theme=theme.value).encode()
    else:
        content = render(architecture, format=suffix, theme=theme.value)
    target = output or f"{architecture.name}.svg"
    put(target, signed(content, suffix), force, lambda old: is_signed(old, suffix))
    if suffix in ("png", "pdf") and (unknown := foreign(architecture)):
        say(
            f"  note: the carried font lacks {len(unknown)} characters of this figure "
            f"({clipped(unknown, 20)}); a font of this machine shows them, where it has one"
        )
    if target != "-":
        print(f"wrote {target}")
