"""What long work is at: one line that changes on a terminal, lines one after another elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager

from archspec.cli.streams import say


@contextmanager
def progress() -> Generator[Callable[[str], None]]:
    """A function that takes a line on what is done now, for standard error."""
    if not sys.stderr.isatty():
        yield say
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = SpinnerColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False)
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False
    ) as shown:
        task = shown.add_task("", total=None)
        yield lambda line: shown.update(task, description=line)
