"""A record as tables of words: headings and rows, which a terminal or a library lays out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

Row = dict[str, Any]


@dataclass
class Table:
    """A title, headings, and rows of as many cells; the first column is text, others numbers."""

    title: str
    headings: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list[tuple[str, ...]])


def tables(record: Row) -> list[Table]:
    """Tests, times and bars."""
    found = [_tests(record), _times(record), _bars(record)]
    return [table for table in found if table.rows]


def notes(record: Row) -> list[str]:
    """What stands below: what was not done, and why."""
    found = [record["note"]] if "note" in record else []
    if record["missing_peers"]:
        found.append(f"peers that are not installed: {', '.join(record['missing_peers'])}")
    found += sorted({f"{peer}: {why}" for peer, why in _skipped(record["rows"])})
    left = sum("left_out" in row for row in record["rows"])
    if left:
        found.append(f"{left} measurements were left out: the time was up")
    untimed = {(row["not_timed"], row["operator"]) for row in record["rows"] if "not_timed" in row}
    for why in sorted({why for why, _ in untimed}):
        names = ", ".join(sorted(name for reason, name in untimed if reason == why))
        found.append(f"not timed ({why}): {names}")
    for row in record["rows"]:
        if "failed" in row:
            found.append(f"failed: {row['package']}, {_named(row)}: {row['failed']}")
    return found


def _skipped(rows: Iterable[Row]) -> Iterable[tuple[str, str]]:
    for row in rows:
        yield from row.get("skipped", {}).items()


def _tests(record: Row) -> Table:
    made = Table("tests", ("test", "result"))
    for row in record["tests"]:
        ok = row.get("ok", False)
        word = "ok" if ok else "not run" if ok is None else "WRONG"
        found = row.get("found") or row.get("failed") or row.get("left_out", "")
        made.rows.append((f"{row['package']}: {row.get('test', 'all')}", f"{word}: {found}"))
    return made


def _times(record: Row) -> Table:
    made = Table("times", ("measured", "ms", "of a copy", "peer", "ms", "ratio", "quartiles"))
    for row in record["rows"]:
        if "milliseconds" not in row:
            continue
        share = f"{row['share']:.0%}" if "share" in row else "–"
        own = f"{row['milliseconds']['ours']:.4g}"
        ratios = row["ratios"] or {"–": None}
        for number, (peer, ratio) in enumerate(ratios.items()):
            first = (_named(row), own, share) if number == 0 else ("", "", "")
            if ratio is None:
                made.rows.append((*first, "–", "–", "–", "–"))
                continue
            theirs = f"{row['milliseconds'][peer]:.4g}"
            spread = f"{ratio[1]:.2f} to {ratio[2]:.2f}"
            made.rows.append((*first, peer, theirs, f"{ratio[0]:.2f} x", spread))
    return made


def _named(row: Row) -> str:
    """What a row is of, in a few words."""
    what = [row.get("attention") or row.get("operator") or "", row.get("operation", "")]
    if "heads" in row:
        widths = f"{row['head_dim']}"
        if row["value_dim"] != row["head_dim"]:
            widths += f"/{row['value_dim']}"
        what.append(f"{row['heads']}/{row['kv_heads']} heads of {widths}")
    what += [f"{row['batch']} x {row['tokens']:,}"] if "tokens" in row else []
    if "keys" in row and row["keys"] != row.get("tokens"):
        what.append(f"over {row['keys']:,}")
    if "shapes" in row:
        what.append(" ".join(str(n) for n in row["shapes"][0]))
    what += [f"{row['layers']} layers"] if "layers" in row else []
    return " ".join(word for word in what if word) or row["section"]


def _bars(record: Row) -> Table:
    made = Table("what was to be reached", ("measured", "beside", "wanted", "worst", "best", ""))
    for bar in record.get("bars", []):
        copy = bar["peer"] == "copy"
        shown = [_number(bar[name], copy) for name in ("wanted", "worst", "best")]
        met = {True: "reached", False: "MISSED", None: f"not measured: {bar.get('reason')}"}
        made.rows.append((bar["bar"], bar["peer"], *shown, met[bar["met"]]))
    return made


def _number(value: float | None, share: bool) -> str:
    if value is None:
        return "–"
    return f"{value:.0%}" if share else f"{value:.2f} x"


def text(record: Row) -> str:
    """The tables in plain columns."""
    lines: list[str] = []
    for table in tables(record):
        grid = [table.headings, *table.rows]
        widths = [max(len(row[i]) for row in grid) for i in range(len(table.headings) - 1)]
        lines += ["", table.title]
        for row in grid:
            cells = [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=True)]
            lines.append("  ".join([*cells, row[-1]]).rstrip())
    return "\n".join([*lines, "", *notes(record)])
