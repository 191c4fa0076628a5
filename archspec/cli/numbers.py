"""Commands that count and compare."""

from __future__ import annotations

from typing import Annotated

import typer

from archspec.cli.app import Dtype, Json, Spec, put_json
from archspec.cli.files import load
from archspec.errors import ArchspecError


def inspect(
    spec: Spec,
    json: Json = False,
    context: Annotated[
        int | None, typer.Option(help="Tokens in the cache; the model's context length by default.")
    ] = None,
    source: Annotated[
        int | None, typer.Option(help="Tokens an encoder reads; its context length by default.")
    ] = None,
    batch: Annotated[int, typer.Option(help="Sequences in the cache.")] = 1,
    dtype: Annotated[Dtype, typer.Option(help="The type of a number in the cache.")] = Dtype.bf16,
) -> None:
    """Count parameters, cache and FLOPs.

    For the model and for each kind of layer; --json lists every layer. FLOPs are those of
    matrix products, a multiply-add being two, for one sequence: `prefill` reads the context at
    once, and the source with it where there is an encoder, `decode` adds one token to it.

    Example: archspec inspect gallery/gemma-3-270m.yaml --context 8192 --batch 4
    """
    from archspec.numbers.analysis import analyse

    architecture, _, _ = load(spec)
    report = analyse(architecture, context, batch, dtype.value, source)
    if json:
        put_json(report.to_dict())
        return
    from archspec.cli.show import show_report

    show_report(architecture, report)


def diff(
    before: Annotated[str, typer.Argument(metavar="A", help="A spec.")],
    after: Annotated[str, typer.Argument(metavar="B", help="Another; one of them may be -.")],
    json: Json = False,
) -> None:
    """Compare two architectures, field by field.

    Compares what the specs mean, not how they are written. Names, titles, `about` and the
    layout of a checkpoint do not count. Exit code 0 when equal, 1 when they differ.

    Example: archspec diff gallery/gemma-3-270m.yaml mine.yaml
    """
    from archspec.numbers.diff import diff as compare

    if before == after == "-":
        raise ArchspecError("only one of the two specs can be read from standard input")
    a, _, _ = load(before)
    b, _, _ = load(after)
    found = compare(a, b)
    if json:
        put_json(found.to_dict())
    else:
        from archspec.cli.show import show_difference

        show_difference(found)
    if found.changes:
        raise typer.Exit(1)
