"""A benchmark's record as tables for people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from archspec.bench.show import notes, tables


def show_bench(title: str, record: dict[str, Any], written: Path | None) -> None:
    """Print the machine, a table for tests, times and bars, and what was left out."""
    console = Console(highlight=False, soft_wrap=True)
    machine = record["machine"]
    console.print(Text(title, style="bold"))
    where = machine["gpu"] or f"{machine['cpu']}, {machine['threads']} threads"
    console.print(Text(f"{where}; torch {machine['torch']}, triton {machine['triton']}"))
    for found in tables(record):
        console.print()
        console.print(Text(found.title, style="bold"))
        table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
        for number, heading in enumerate(found.headings):
            widths = [len(heading), *(len(row[number]) for row in found.rows)]
            table.add_column(
                heading,
                justify="left" if number == 0 or heading in ("peer", "result", "") else "right",
                min_width=max(widths),
            )
        for row in found.rows:
            table.add_row(*(Text(cell) for cell in row))
        console.print(table)
    console.print()
    for note in notes(record):
        console.print(Text(note))
    if written:
        console.print(f"wrote {written}")
