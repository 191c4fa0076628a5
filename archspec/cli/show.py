"""Tables for people, at any width of terminal, without colour codes in a pipe."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from archspec.architecture.model import Architecture
from archspec.cli.checks import MAX_SCHEDULE
from archspec.errors.printing import clipped, printable
from archspec.language.emit import flow
from archspec.numbers.analysis import LayerCache, LayerReport, Report
from archspec.numbers.diff import Change, Difference, Number

if TYPE_CHECKING:
    from archspec.kernels.compile import Compiled

MAX_CHANGES = 200
MAX_VALUE = 400
"""Characters of a value or of a schedule on one line."""

SIGNS = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow")}


def show_report(architecture: Architecture, report: Report) -> None:
    """Print the totals, then one row for each kind of layer."""
    console = Console(highlight=False)
    console.print(Text(printable(architecture.title), style="bold"))
    console.print(_totals(architecture, report))
    console.print()
    console.print(_layers(report))


def show_difference(found: Difference) -> None:
    """Print each change with its sign, then the numbers that move."""
    console = Console(highlight=False, soft_wrap=True)
    if not found.changes:
        console.print(Text(f"{found.before} and {found.after} have the same architecture"))
        return
    console.print(Text(f"{found.before} → {found.after}", style="bold"))
    for a, b in found.renamed:
        console.print(Text(f"  block {a} is compared with {b}", style="dim"))
    for change in found.changes[:MAX_CHANGES]:
        console.print(_change(change))
    if (more := len(found.changes) - MAX_CHANGES) > 0:
        console.print(Text(f"and {more:,} more changes; --json lists them all"))
    moved = [number for number in found.numbers if number.delta]
    if moved:
        console.print()
        table = _plain_table()
        table.add_column(no_wrap=True)
        for _ in range(3):
            table.add_column(justify="right", no_wrap=True)
        for number in moved:
            table.add_row(*_moved(number))
        console.print(table)
        console.print(Text(f"cache and FLOPs at {found.context:,} tokens", style="dim"))


def show_kernels(model: str, target: str, kernels: list[Compiled]) -> None:
    """Print a row for each kernel, then the errors of those that did not compile.

    Their work is what tensor cores do, times what their tiles need.
    """
    console = Console(highlight=False, soft_wrap=True)
    if not kernels:
        console.print(f"{model} has no kernels")
        return
    console.print(Text(f"{model} for {target}", style="bold"))
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column("kernel", min_width=max(len(kernel.name) for kernel in kernels))
    for name in ("registers", "spills", "shared", "matrix", "work", "copies", "seconds"):
        table.add_column(name, justify="right")
    for kernel in kernels:
        numbers = (kernel.registers, kernel.spills, kernel.shared_memory, kernel.matrix)
        cells = ["–" if n is None else f"{n:,}" for n in (*numbers, kernel.async_copies)]
        cells.insert(4, "–" if kernel.tensor_work is None else f"{kernel.tensor_work:g} x")
        table.add_row(kernel.name, *cells, f"{kernel.seconds:.2f}")
    console.print(table)
    for kernel in kernels:
        if kernel.error:
            console.print(Text(f"{kernel.name} does not compile: {kernel.error}"))
        elif not kernel.ok:
            console.print(Text(f"{kernel.name} does not fit: too much shared memory"))


def bytes_(count: int) -> str:
    """A count of bytes with a binary unit: `18 KiB`."""
    return _scaled(count, 1024, ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"))


def count_(count: int) -> str:
    """A count with a decimal prefix: `25.2 T`."""
    return _scaled(count, 1000, ("", "K", "M", "G", "T", "P", "E", "Z", "Y")).strip()


def _scaled(count: int, step: int, units: tuple[str, ...]) -> str:
    value, unit = float(count), 0
    # 999.6 would be shown as 1000 of the smaller unit.
    while value >= step - 0.5 and unit < len(units) - 1:
        value, unit = value / step, unit + 1
    digits = f"{value:.3g}" if value < 1000 else f"{value:.0f}"
    return f"{digits} {units[unit]}"


def _plain_table(**options: Any) -> Table:
    return Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0), **options)


def _totals(architecture: Architecture, report: Report) -> Table:
    table = _plain_table()
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    parameters, cache, flops = report.parameters, report.cache, report.flops
    mix = ", ".join(f"{count} {kind}" for kind, count in report.layer_mix.items())
    table.add_row("layers", f"{len(report.layers) + len(report.encoder_layers)}: {mix}")
    if encoder := architecture.encoder:
        reads = f"{report.source:,} tokens" if encoder.layers else f"{report.source:,} given states"
        written = clipped(str(encoder.schedule), MAX_SCHEDULE)
        schedule = f"{written}, " if encoder.layers else ""
        table.add_row("encoder", f"{schedule}reads {reads}" if schedule else reads)
    table.add_row("schedule", clipped(str(architecture.schedule), MAX_SCHEDULE))
    table.add_row("parameters", f"{parameters.total:,}, {parameters.embedding:,} in embeddings")
    if parameters.buffers:
        table.add_row("buffers", f"{parameters.buffers:,} numbers that are stored and not learned")
    if architecture.is_sparse:
        share = parameters.active / parameters.total
        table.add_row("active", f"{parameters.active:,} for each token ({share:.0%})")
    at = f"{report.context:,} tokens"
    if flops.decode is None:
        table.add_row("cache", "none: the model reads a text at once")
        table.add_row("FLOPs", f"{count_(flops.prefill)} to read {at}")
        return table
    texts = f"{report.batch:,} x {at}" if report.batch > 1 else at
    parts = [f"{bytes_(cache.bytes_per_token)} per token"] if cache.bytes_per_token else []
    if cache.bytes_per_source_token:
        parts += [f"{bytes_(cache.bytes_per_source_token)} per token of the source"]
    parts += [f"{bytes_(cache.state_bytes)} fixed"] if cache.state_bytes else []
    about = f" and {report.source:,} of the source" if report.source else ""
    parts += [f"{bytes_(cache.bytes)} at {texts}{about} ({report.dtype})"]
    table.add_row("cache", ", ".join(parts))
    table.add_row(
        "FLOPs", f"{count_(flops.prefill)} to read {at}{about}, {count_(flops.decode)} for the next"
    )
    return table


def _layers(report: Report) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    for name in ("block", "mixer", "feed-forward"):
        # Of words that do not fit, those in the cells are cut before the heading.
        table.add_column(name, overflow="fold", min_width=len(name))
    sourced = ["/source"] if report.source else []
    for name in ("layers", "keeps", "parameters", "cache/token", *sourced):
        table.add_column(name, justify="right", no_wrap=True)
    for stack in (report.encoder_layers, report.layers):
        times = Counter(layer.block for layer in stack)
        first = {layer.block: layer for layer in reversed(stack)}
        for block, count in times.items():
            row = _row(first[block], count)
            table.add_row(*row if sourced else row[:-1])
    return table


def _row(layer: LayerReport, times: int) -> tuple[str, ...]:
    """The last cell is what is kept of the source."""
    cache = layer.cache
    kept = [bytes_(cache.bytes_per_token)] if cache.bytes_per_token else []
    kept += [f"{bytes_(cache.state_bytes)} fixed"] if cache.state_bytes else []
    return (
        layer.block,
        layer.mixer or "–",
        layer.feedforward or "–",
        str(times),
        _kept(layer.cache),
        f"{layer.parameters:,}",
        " + ".join(kept) or "–",
        bytes_(cache.bytes_per_source_token) if cache.bytes_per_source_token else "–",
    )


def _change(change: Change) -> Text:
    sign, style = SIGNS[change.kind]
    line = Text(f"{sign} {change.path}", style=style)
    if change.kind == "changed":
        before, after = _pair(change.before, change.after)
        line.append(f": {before} → {after}", style="default")
    else:
        value = change.after if change.kind == "added" else change.before
        line.append(f": {_value(value)}", style="default")
    return line


def _pair(before: Any, after: Any) -> tuple[str, str]:
    """Two values with as many digits as it takes to tell them apart."""
    a, b = _value(before), _value(after)
    return (a, b) if a != b else (_value(before, 17), _value(after, 17))


def _value(value: Any, digits: int = 6) -> str:
    if isinstance(value, float):
        value = float(f"{value:.{digits}g}")
    return clipped(value if isinstance(value, str) else flow(value), MAX_VALUE)


def _grouped(count: int) -> str:
    return f"{count:,}"


def _exact_bytes(count: int) -> str:
    return f"{count:,} B"


def _moved(number: Number) -> tuple[str, str, str, str]:
    kind = number.name.partition(".")[0]
    show = {"cache": bytes_, "flops": count_}.get(kind, _grouped)
    if show(number.before) == show(number.after):
        show = _exact_bytes if kind == "cache" else _grouped
    sign = "+" if number.delta > 0 else "−"
    ratio = number.after / number.before if number.before else 0.0
    share = f" ({ratio - 1:+.1%})" if 0.5 <= ratio <= 2 else f" (× {ratio:.3g})" if ratio else ""
    before, after = show(number.before), show(number.after)
    return number.name, before, f"→ {after}", f"{sign}{show(abs(number.delta))}{share}"


def _kept(cache: LayerCache) -> str:
    """How many tokens a layer keeps at most."""
    if cache.retained_tokens is None:
        return "all"
    return f"{cache.retained_tokens:,}" if cache.retained_tokens else "–"
