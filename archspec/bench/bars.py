"""What the kernels are to reach on a GPU of the H200's class in bfloat16, and what they did."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]


@dataclass(frozen=True)
class Bar:
    """At least `wanted` times as fast as `peer` in every row that `asks` picks.

    Where `peer` is "copy", at least that share of the bandwidth of a copy.
    """

    name: str
    peer: str
    wanted: float
    asks: Callable[[Row], bool]

    def value(self, row: Row) -> float | None:
        """What a row says of it; None where nothing was measured."""
        if self.peer == "copy":
            return row.get("share")
        ratio = row.get("ratios", {}).get(self.peer)
        return ratio[0] if ratio else None

    def surely(self, row: Row) -> float | None:
        """What three quarters of the rounds reached: the lower quartile, where it was measured."""
        if self.peer == "copy":
            share, slow = row.get("share"), row.get("quartiles", {}).get("ours")
            if share is None or slow is None:
                return share
            return share * row["milliseconds"]["ours"] / slow[1]
        ratio = row.get("ratios", {}).get(self.peer)
        return ratio[1] if ratio else None


def _dense(operation: str) -> Callable[[Row], bool]:
    def asks(row: Row) -> bool:
        widths = row.get("head_dim"), row.get("value_dim")
        plain = row.get("plain") and row.get("causal") and row["heads"] > row["kv_heads"]
        return bool(
            row["section"] == "attention"
            and row["operation"] == operation
            and plain
            and widths == (128, 128)
        )

    return asks


def _special(row: Row) -> bool:
    own = row["section"] == "attention" and not row["plain"]
    return bool(own and row["operation"] == "forward")


def _latent(row: Row) -> bool:
    widths = row.get("head_dim"), row.get("value_dim")
    own = row["section"] == "attention" and widths == (192, 128)
    return bool(own and row["operation"] == "forward")


def _decode(row: Row) -> bool:
    return bool(row["section"] == "decode")


def _odd_decode(row: Row) -> bool:
    return _decode(row) and bool(row["group"] & (row["group"] - 1))


def _rows(row: Row) -> bool:
    named = row.get("operator", "").startswith(("rms_norm", "rotate", "norm_rotate", "gated_"))
    return bool(row["section"] == "rows" and named)


def _whole(operation: str) -> Callable[[Row], bool]:
    return lambda row: bool(
        row["section"] == "model" and row["operation"] == operation and row.get("barred")
    )


FORWARD, BOTH = _dense("forward"), _dense("forward and backward")
BARS = (
    Bar("causal, grouped heads of 128, forward", "sdpa", 1.6, FORWARD),
    Bar("causal, grouped heads of 128, forward", "flex", 1.5, FORWARD),
    Bar("causal, grouped heads of 128, forward", "sdpa cudnn", 0.95, FORWARD),
    Bar("causal, grouped heads of 128, with backward", "sdpa", 1.4, BOTH),
    Bar("causal, grouped heads of 128, with backward", "flex", 1.4, BOTH),
    Bar("causal, grouped heads of 128, with backward", "sdpa cudnn", 0.9, BOTH),
    Bar("window, soft cap, ALiBi, sinks, forward", "flex and mask", 1.5, _special),
    Bar("window, soft cap, ALiBi, sinks, forward", "flex", 1.2, _special),
    Bar("latent, 192 and 128, forward", "flex", 1.6, _latent),
    Bar("decode, caches of 64 MB and more", "copy", 0.85, _decode),
    Bar("decode, caches of 64 MB and more", "flex", 2.0, _decode),
    Bar("decode, groups that are no power of two", "flex", 4.0, _odd_decode),
    Bar("norms, rotations, gates", "copy", 0.85, _rows),
    Bar("8B, decode a token, of the weights' bound", "copy", 0.8, _whole("decode a token")),
    Bar("8B, a training step", "transformers compiled", 1.15, _whole("train")),
    Bar("8B, a training step, in transformers' place", "pytorch compiled", 1.15, _whole("train")),
)


def reached(rows: list[Row]) -> list[Row]:
    """For each bar the worst and the best row, and whether the worst is enough.

    A bar is met where the lower quartile of every row reaches it. `met` is None where nothing was
    measured, with the reasons that the rows give.
    """
    return [_reached(bar, [row for row in rows if _asked(bar, row)]) for bar in BARS]


def _asked(bar: Bar, row: Row) -> bool:
    return "section" in row and "operation" in row and bar.asks(row)


def _reached(bar: Bar, rows: list[Row]) -> Row:
    found = [value for row in rows if (value := bar.value(row)) is not None]
    made: Row = {"bar": bar.name, "peer": bar.peer, "wanted": bar.wanted, "rows": len(found)}
    failed = sum("failed" in row for row in rows)
    made |= {"failed": failed} if failed else {}
    if found:
        # A kernel that failed its check has reached nothing, however fast others are.
        sure = [value for row in rows if (value := bar.surely(row)) is not None]
        met = min(sure) >= bar.wanted and not failed
        return made | {"worst": min(found), "best": max(found), "met": met}
    why = {row.get("failed") or row.get("left_out") or _skipped(bar, row) for row in rows}
    reason = "; ".join(sorted(w for w in why if w)) or "nothing of the kind was timed"
    return made | {"worst": None, "best": None, "met": None, "reason": reason}


def _skipped(bar: Bar, row: Row) -> str | None:
    skipped = row.get("skipped", {})
    return skipped.get(bar.peer) or skipped.get(bar.peer.partition(" ")[0])
