"""The command that times what is built."""

from __future__ import annotations

from typing import Annotated

import typer

from archspec.cli.app import Force, Json, Spec, put_json
from archspec.cli.files import load


def bench(
    spec: Spec,
    json: Json = False,
    record: Annotated[
        str | None, typer.Option(help="A JSON file to write, or a folder to write it into.")
    ] = None,
    seconds: Annotated[int, typer.Option(help="The time that all of it may take.")] = 600,
    force: Force = False,
) -> None:
    """Time a package's kernels and the whole model beside their peers.

    Everything is checked first, then timed in turns. A ratio above 1 means that the package is
    faster. Without a GPU only the whole model is timed. Needs torch; on a GPU, triton. Peers that
    are not installed are named. What is done now is told on standard error. Exit code 1 if a
    check says that something is wrong.

    Example: archspec bench gallery/gemma-3-270m.yaml --record bench/results
    """
    from pathlib import Path

    from archspec.bench.benchmark import benchmark
    from archspec.bench.run import wrong
    from archspec.cli.progress import progress

    architecture, text, name = load(spec)
    with progress() as tell:
        found, written = benchmark(
            architecture, text, Path(name).name, seconds, record, force, tell
        )
    if json:
        put_json(found)
    else:
        from archspec.cli.show_bench import show_bench

        show_bench(architecture.title, found, written)
    if wrong(found):
        raise typer.Exit(1)
