"""The keys that a tile of rows sees: bounds, loops and masks of kernels that go over keys."""

from __future__ import annotations

from archspec.kernels.attention.ranges import (
    BOUNDED,
    CLOSES,
    DIAGONAL,
    FAR,
    OPENS,
    PARTLY,
    TEXT,
    WHOLE,
    Loop,
    Ranges,
    View,
)


def key_ranges(view: View) -> Ranges:
    """The keys that a tile of rows sees; heads of a token that share them are rows of one tile."""
    if not view.causal:
        return _all_keys()
    token, group = ("token", " // GROUP") if view.grouped else ("row", "")
    past = f"(tile * ROWS + ROWS - 1){group}"
    lines = [
        "earlier = keys - tokens  # keys before the first query",
        f"last = earlier + {token}  # the last key a row sees, its own",
        f"lowest = earlier + {'start' if group else 'tile * ROWS'}",
        f"highest = earlier + tl.minimum({past}, tokens - 1)",
        *_first_keys(view),
    ]
    if view.padded:
        lines += _first_keys_of_texts(view)
    lines += ["last = tl.where(last < reach, reach - 1, last)"] if view.prefix else []
    seen, stop = "key[None, :] <= last[:, None]", "stop" if view.prefix else "highest + 1"
    since = "key[None, :] >= since[:, None]"
    seen = f"({seen}) & ({since})" if view.near else seen
    within = since if view.padded and not view.near else ""
    if view.narrow:
        return Ranges(tuple(lines), (Loop("begin", stop, True, PARTLY),), seen)
    full = "begin + tl.maximum(lowest + 1 - begin, 0) // KEYS * KEYS"
    diagonal = Loop("full", stop, True, DIAGONAL)
    if not view.near and not view.padded:
        loops = (Loop("begin", "full", False, WHOLE), diagonal)
        return Ranges((*lines, f"full = {full}"), loops, seen)
    if view.near:
        lines.append("edge = begin + tl.cdiv(tl.maximum(far - begin, 0), KEYS) * KEYS")
    lines.append(f"full = tl.maximum({full}, edge)")
    loops = (Loop("begin", "edge", True, FAR), Loop("edge", "full", False, WHOLE), diagonal)
    return Ranges(tuple(lines), loops, seen, within=within)


def _first_keys(view: View) -> list[str]:
    """Where keys begin, for a text from the first key on: of a tile, of its rows, of its last."""
    lines: list[str] = []
    if view.near:
        lines += [f"begin = tl.maximum({view.first('lowest')}, 0)", f"since = {view.first('last')}"]
        lines += [] if view.narrow else [f"far = {view.first('highest')}"]
    else:
        lines.append("begin, edge = 0, 0" if view.padded else "begin = 0")
    if view.prefix and view.near:
        lines.append("begin = tl.where(lowest < prefix, 0, begin)")
        lines.append("since = tl.where(last < prefix, 0, since)")
    if view.prefix:
        lines.append("reach, stop = prefix, tl.maximum(highest + 1, prefix)")
    return lines


def _first_keys_of_texts(view: View) -> list[str]:
    """The same where texts have bounds."""
    lines = [f"{BOUNDED}  # no key in front of a row's text", OPENS]
    if view.prefix:
        lines.append(CLOSES)
    places = {"begin": "lowest", "since": "last"} | ({} if view.narrow else {"far": "highest"})
    for name, at in places.items():
        mask = ", mask=real, other=0" if at == "last" else ""
        opens = f"tl.load(opens_at + {at}{mask})"
        if not view.prefix or name == "far":
            lines.append(f"    {name} = {view.first_of(at, opens, name)}")
            continue
        seen = f"tl.where({at} < opens + prefix, opens, {view.first_of(at, 'opens', name)})"
        lines += [f"    opens = {opens}", f"    {name} = {seen if view.near else 'opens'}"]
    if view.prefix:  # `opens` is that of each row still
        closes = "tl.load(closes_at + last, mask=real, other=0)"
        lines.append(f"    reach = tl.minimum(opens + prefix, {closes})")
        reach = "tl.load(opens_at + highest) + prefix, tl.load(closes_at + highest)"
        lines.append(f"    stop = tl.maximum(highest + 1, tl.minimum({reach}))")
    if not view.near:
        lines.append("    edge = begin + tl.cdiv(far - begin, KEYS) * KEYS")
    return lines


def _all_keys() -> Ranges:
    lines = (
        *TEXT,
        "full = opens + (closes - opens) // KEYS * KEYS",
    )
    loops = (
        Loop("opens", "full", False, WHOLE),
        Loop("full", "closes", True, "where the keys end"),
    )
    return Ranges(lines, loops, "key[None, :] < closes", begin="opens")
