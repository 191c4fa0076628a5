"""Commands about specs: start one, check, shrink, import, and the schema of the language."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from archspec.cli.app import Force, Json, Kind, Output, Spec, as_json, put_json
from archspec.cli.files import put, read
from archspec.cli.streams import say
from archspec.output.file import need_room


def new(
    name: Annotated[str, typer.Argument(help="The model's name; also the file's.")],
    kind: Annotated[Kind, typer.Option(help="What to start from.")] = Kind.decoder,
    output: Annotated[
        str | None, typer.Option("-o", "--output", help="The file; NAME.yaml by default, - prints.")
    ] = None,
    force: Force = False,
) -> None:
    """Write a small, commented spec to start from.

    Example: archspec new mymodel --kind moe
    """
    from archspec.language.starters import new as starter

    text = starter(name, kind.value)
    target = output or f"{name}.yaml"
    if target != "-":
        # Even the same text is an answer to another question: there is such a model already.
        need_room(Path(target), force)
    put(target, text, force)
    if target != "-":
        print(f"wrote {target}; next: archspec draw {target}")


def check(
    specs: Annotated[list[str], typer.Argument(metavar="SPEC...", help="Specs; - is stdin.")],
    json: Json = False,
) -> None:
    """Say whether specs are valid, and what is wrong.

    Prints one line for each good spec: name, layers, parameters, schedule. Exit code 2 if any
    is wrong.

    Example: archspec check gallery/*.yaml
    """
    from archspec.cli.checks import checked

    results = [checked(spec) for spec in specs]
    if json:
        put_json([result.to_dict() for result in results])
    else:
        for result in results:
            tell = print if result.ok else say
            tell(result.text)
            if result.warned:
                say(result.warned)
    if not all(result.ok for result in results):
        raise typer.Exit(2)


def shrink(
    spec: Spec,
    output: Output = None,
    force: Force = False,
) -> None:
    """Write the same structure at toy size.

    Every kind of block is kept, and what comes out runs on a CPU.

    Example: archspec shrink gallery/gemma-3-270m.yaml -o tiny.yaml
    """
    from archspec.language.source import parse
    from archspec.numbers.shrink import shrink as small

    text, name = read(spec)
    put(output, small(parse(text, name)), force)


def import_(
    config: Annotated[str, typer.Argument(metavar="CONFIG.json", help="A published config.json.")],
    output: Output = None,
    name: Annotated[str | None, typer.Option(help="The model's name.")] = None,
    force: Force = False,
) -> None:
    """Turn a published config.json into a spec.

    Example: archspec import config.json --name qwen3-0.6b -o qwen3-0.6b.yaml
    """
    from archspec import importers

    text, where = read(config)
    put(output, importers.import_config(importers.read_config(text, where), name), force)


def schema(
    output: Output = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="The reference for people instead.")
    ] = False,
    force: Force = False,
) -> None:
    """Print the JSON Schema of the language.

    Editors complete and check by it. A spec names it in its first line:

    # yaml-language-server: $schema=archspec.language.schema.json

    Example: archspec schema -o archspec.language.schema.json
    """
    if markdown:
        from archspec.language.reference import reference

        put(output, reference(), force)
        return
    from archspec.language.schema import json_schema

    put(output, as_json(json_schema()), force)
