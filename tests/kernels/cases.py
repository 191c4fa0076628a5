"""Shapes of attention that its kernels are tested on: a sample that covers, and all of them."""

from __future__ import annotations

from itertools import product
from typing import Any

Case = dict[str, Any]

NAMED = ("keys", "start", "bounds", "gaps", "texts", "prefix", "page", "lengths")
"""What belongs to a call: keys and tokens before it, padding, several texts, a prefix, pages."""

TILES = (32, 32, 4, 1)
"""Smaller than on a GPU, so that short texts have several tiles and windows have edges in them."""


def case(tokens: int, dtype: str = "float32", opcheck: bool = False, **shape: Any) -> Case:
    """A text of `tokens` tokens; `keys` and `start` say what was read before."""
    where = {name: shape.pop(name) for name in NAMED if name in shape}
    if "prefix" in where:
        shape["prefix"] = True
    made: Case = {"shape": shape, "tokens": tokens, "dtype": dtype, "opcheck": opcheck} | where
    return made if dtype == "float32" else made | {"tiles": TILES}


def heads(group: int, width: int = 16, kv_heads: int = 1, **more: Any) -> Case:
    """`group` query heads for each key-value head."""
    return {"heads": group * kv_heads, "kv_heads": kv_heads, "head_dim": width} | more


ELEMENT, HEAD = ("element", "sigmoid"), ("head", "softplus")
"""Gates: for what there is one, and its function."""


def both_ways(group: int, width: int = 16, **more: Any) -> Case:
    """A learned bias for distances on either side."""
    return heads(group, width, causal=False, decodes=False, **more)


def sparse(size: int, local: int, **more: int) -> Any:
    """Blocks that are seen; `by` is how many key-value heads have stripes of their own."""
    by = more.pop("by", 1)
    shift = {"shift": max(1, more["stride"] // by), "heads": by} if by > 1 else {}
    return {"size": size, "local": local} | more | shift


SAMPLE = {
    "causal": case(37, **heads(3, 32, 2)),
    "causal-16-bits": case(75, "float16", **heads(3, 80)),
    "one-token-text": case(1, **heads(2)),
    "below-a-tile": case(5, **heads(5, 24)),
    "after-others": case(7, **heads(1, 96), keys=40),
    "sinks": case(21, **heads(2, sinks=True)),
    "sinks-16-bits": case(40, "float16", **heads(8, 64, sinks=True, window=17)),
    "window": case(50, **heads(3, kv_heads=2, window=5)),
    "window-of-one": case(20, **heads(1, window=1)),
    "window-of-a-tile": case(49, **heads(1, window=16)),
    "window-longer-than-the-text": case(30, **heads(2, window=4096)),
    "wide-window": case(160, **heads(1, 24, window=130), keys=165),
    "wide-window-16-bits": case(190, "float16", **heads(2, window=129), keys=200),
    "window-after-others": case(9, **heads(2, window=12), keys=20),
    "chunk": case(50, opcheck=True, **heads(5, chunk=19), keys=60, start=33),
    "wide-chunk-16-bits": case(200, "float16", **heads(1, chunk=130), keys=220, start=33),
    "softcap": case(37, **heads(2, softcap=3.0)),
    "softcap-sinks-window": case(37, **heads(2, softcap=3.0, sinks=True, window=9)),
    "softcap-16-bits": case(70, "float16", **heads(3, softcap=2.0)),
    "alibi": case(37, **heads(2, kv_heads=2, slopes=True)),
    "alibi-16-bits": case(70, "float16", **heads(1, kv_heads=4, slopes=True)),
    "both-ways": case(37, **heads(2, causal=False), keys=21),
    "both-ways-16-bits": case(40, "float16", **heads(3, causal=False), keys=70),
    "scale": case(21, **heads(1, scale=0.7)),
    "128": case(40, "float16", **heads(1, 128)),
    "192-128": case(33, **heads(2, 192, value_dim=128)),
    "192-128-16-bits": case(40, "float16", **heads(1, 192, value_dim=128)),
    "256": case(20, **heads(1, 256)),
    "512": case(20, **heads(1, 512)),
    "paged-512": case(20, **heads(1, 512), keys=30, page=16, lengths=[30, 22]),
    "12-40": case(20, **heads(3, 12, value_dim=40)),
    "decode": case(1, **heads(3, 80, 2), keys=150),
    "decode-16-bits": case(1, "float16", **heads(5, 64), keys=150),
    "decode-sinks-softcap": case(1, **heads(8, sinks=True, softcap=3.0), keys=70),
    "decode-alibi": case(1, **heads(2, kv_heads=2, slopes=True), keys=50),
    "decode-window": case(1, **heads(3, window=16), keys=16),
    "decode-chunk": case(1, **heads(5, chunk=19), keys=8, start=64),
    "padded": case(50, **heads(3, kv_heads=2), bounds=[[17, 50], [0, 21]]),
    "padded-both-sides-16-bits": case(130, "float16", **heads(5), bounds=[[40, 99], [65, 66]]),
    "padded-window": case(60, **heads(2, window=9), bounds=[[0, 60], [20, 37]]),
    "padded-wide-window": case(190, **heads(1, window=130), bounds=[[20, 190], [0, 177]]),
    "padded-chunk": case(60, **heads(3, chunk=13), bounds=[[7, 60], [2, 45]]),
    "padded-wide-chunk-16-bits": case(
        200, "float16", **heads(1, chunk=130), bounds=[[33, 200], [0, 140]]
    ),
    "padded-alibi": case(40, **heads(1, kv_heads=2, slopes=True), bounds=[[9, 40], [0, 30]]),
    "padded-sinks-softcap": case(
        40, opcheck=True, **heads(2, sinks=True, softcap=3.0), bounds=[[9, 40], [0, 30]]
    ),
    "padded-both-ways": case(37, **heads(2, causal=False), keys=45, bounds=[[0, 20], [18, 45]]),
    "decode-padded": case(
        1,
        opcheck=True,
        **heads(3, 32, 2),
        keys=150,
        bounds=[[70, 150], [0, 150]],
        gaps=[[1, 40], [1, 41]],
    ),
    "decode-padded-window": case(
        1,
        **heads(2, window=20, sinks=True),
        keys=20,
        start=47,
        bounds=[[33, 48], [0, 48]],
        gaps=[[1, 40]],
    ),
    "prefix": case(50, **heads(3), prefix=21),
    "prefix-window": case(60, **heads(2, window=9), prefix=25),
    "prefix-wide-window": case(200, **heads(1, window=130), prefix=150),
    "prefix-16-bits": case(90, "float16", **heads(2, 64), prefix=40),
    "prefix-padded": case(60, **heads(2, window=20), prefix=25, bounds=[[11, 60], [0, 20]]),
    "packed": case(50, **heads(3, kv_heads=2), texts=[[17, 1, 20, 12], [50]]),
    "packed-at-tile-edges": case(64, **heads(1), texts=[[16, 16, 32], [32, 1, 31]]),
    "packed-16-bits": case(130, "float16", **heads(5, 64), texts=[[64, 32, 34], [1, 1, 1, 127]]),
    "packed-window": case(60, **heads(2, window=9), texts=[[5, 30, 25], [20, 20, 20]]),
    "packed-wide-window": case(190, **heads(1, window=130), texts=[[10, 170, 10], [190]]),
    "packed-wide-window-16-bits": case(
        190, "float16", **heads(3, window=129), texts=[[33, 157], [150, 1, 39]]
    ),
    "packed-chunk": case(60, **heads(5, chunk=13), texts=[[7, 40, 13], [1, 59]]),
    "packed-wide-chunk-16-bits": case(
        200, "float16", **heads(1, chunk=130), texts=[[33, 167], [140, 60]]
    ),
    "packed-alibi": case(40, **heads(1, kv_heads=2, slopes=True), texts=[[9, 31], [20, 20]]),
    "packed-sinks-softcap": case(
        40, opcheck=True, **heads(2, sinks=True, softcap=3.0), texts=[[9, 31], [39, 1]]
    ),
    "packed-192-128": case(40, **heads(2, 192, value_dim=128), texts=[[3, 37], [16, 24]]),
    "packed-256": case(40, **heads(1, 256), texts=[[19, 21], [40]]),
    "packed-prefix": case(60, **heads(3), prefix=7, texts=[[25, 5, 30], [7, 53]]),
    "packed-prefix-wide-window": case(
        220, **heads(1, window=130), prefix=150, texts=[[20, 200], [160, 60]]
    ),
    "paged": case(20, opcheck=True, **heads(3, kv_heads=2), keys=70, page=16, lengths=[70, 41]),
    "paged-short": case(20, **heads(1), keys=40, page=8, lengths=[7, 40]),
    "paged-16-bits": case(70, "float16", **heads(2, 80), keys=140, page=64, lengths=[140, 75]),
    "paged-window-sinks": case(
        20, **heads(2, window=9, sinks=True), keys=50, page=12, lengths=[50, 33]
    ),
    "paged-wide-chunk": case(30, **heads(2, chunk=130), keys=170, page=16, lengths=[170, 99]),
    "paged-alibi": case(9, **heads(1, kv_heads=2, slopes=True), keys=40, page=16, lengths=[40, 21]),
    "paged-decode": case(1, **heads(3, 32, 2), keys=300, page=16, lengths=[300, 5]),
    "paged-decode-window": case(
        1, **heads(5, window=50, softcap=3.0), keys=200, page=32, lengths=[200, 41]
    ),
    "paged-decode-chunk": case(1, **heads(2, chunk=64), keys=200, page=16, lengths=[200, 193]),
    "paged-decode-sinks-16-bits": case(
        1, "float16", **heads(8, 64, sinks=True), keys=150, page=64, lengths=[150, 70]
    ),
    "paged-decode-alibi": case(
        1, **heads(1, kv_heads=2, slopes=True), keys=90, page=16, lengths=[64, 90]
    ),
    "blocks": case(
        85, opcheck=True, **heads(3, kv_heads=2, blocks=sparse(16, 1, first=1, stride=3, by=2))
    ),
    "blocks-stripes": case(130, **heads(4, blocks=sparse(32, 2, stride=2))),
    "blocks-first": case(101, **heads(1, blocks=sparse(16, 2, first=2))),
    "blocks-more-first-than-stride": case(
        120, **heads(1, kv_heads=3, blocks=sparse(16, 1, first=2, stride=2, by=3))
    ),
    "blocks-few-heads": case(140, **heads(1, kv_heads=2, blocks=sparse(16, 2, stride=4, by=2))),
    "blocks-many-local": case(
        230, **heads(2, kv_heads=2, blocks=sparse(16, 9, first=1, stride=3, by=2))
    ),
    "blocks-many-local-16-bits": case(
        330, "float16", **heads(3, 24, blocks=sparse(96, 2, first=1, stride=2))
    ),
    "blocks-below-one": case(9, **heads(3, blocks=sparse(16, 1, first=1, stride=2))),
    "blocks-one-and-a-token": case(17, **heads(4, blocks=sparse(16, 1, stride=2))),
    "blocks-after-others": case(
        21, **heads(3, kv_heads=2, blocks=sparse(16, 3, stride=4, by=2)), keys=130
    ),
    "blocks-alibi": case(
        90, **heads(1, kv_heads=2, slopes=True, blocks=sparse(16, 1, first=1, stride=3, by=2))
    ),
    "blocks-sinks-16-bits": case(
        150, "float16", **heads(4, 64, sinks=True, blocks=sparse(32, 1, first=1, stride=3))
    ),
    "blocks-softcap": case(80, **heads(2, softcap=3.0, blocks=sparse(16, 2, first=1, stride=3))),
    "blocks-256": case(70, **heads(1, 256, blocks=sparse(16, 1, stride=2))),
    "blocks-padded": case(
        110,
        **heads(3, kv_heads=2, blocks=sparse(16, 1, first=1, stride=3, by=2)),
        bounds=[[13, 110], [0, 91]],
    ),
    "blocks-padded-many-local": case(
        230, **heads(1, blocks=sparse(16, 9, stride=4)), bounds=[[21, 215], [0, 170]]
    ),
    "blocks-padded-16-bits": case(
        190, "float16", **heads(4, blocks=sparse(32, 2, stride=2)), bounds=[[40, 187], [65, 66]]
    ),
    "decode-blocks": case(
        1,
        opcheck=True,
        **heads(3, kv_heads=2, blocks=sparse(16, 2, first=1, stride=3, by=2)),
        keys=250,
    ),
    "decode-blocks-first": case(1, **heads(2, blocks=sparse(16, 1, first=2)), keys=97),
    "decode-blocks-below-one": case(1, **heads(4, blocks=sparse(16, 1, stride=2)), keys=7),
    "decode-blocks-alibi": case(
        1, **heads(1, kv_heads=2, slopes=True, blocks=sparse(16, 1, stride=2)), keys=112
    ),
    "decode-blocks-sinks-softcap-16-bits": case(
        1,
        "float16",
        **heads(5, 64, sinks=True, softcap=3.0, blocks=sparse(32, 2, first=1, stride=4)),
        keys=400,
    ),
    "decode-wide-group": case(1, **heads(70, 16), keys=40),
    "relative": case(50, opcheck=True, **heads(3, 16, 2, relative=9)),
    "relative-64": case(60, **heads(1, 64, 2, relative=33)),
    "relative-16-bits": case(140, "float16", **heads(3, 80, relative=20)),
    "relative-after-others": case(7, **heads(2, relative=6), keys=40),
    "relative-below-a-tile": case(5, **heads(3, relative=40)),
    "relative-one-distance": case(20, **heads(1, relative=1)),
    "relative-192-128": case(40, **heads(1, 192, value_dim=128, relative=12)),
    "relative-padded": case(90, **heads(3, kv_heads=2, relative=20), bounds=[[37, 90], [0, 51]]),
    "relative-padded-16-bits": case(
        130, "float16", **heads(1, relative=33), bounds=[[40, 99], [65, 66]]
    ),
    "relative-packed": case(70, **heads(3, relative=9), texts=[[30, 1, 17, 22], [70]]),
    "relative-packed-at-tile-edges": case(
        64, **heads(1, kv_heads=2, relative=40), texts=[[16, 16, 32], [32, 1, 31]]
    ),
    "gate-packed": case(40, **heads(2, gate=ELEMENT), texts=[[9, 31], [39, 1]]),
    "relative-both-ways": case(70, opcheck=True, **both_ways(3, kv_heads=2, relative=9)),
    "relative-both-ways-64": case(90, **both_ways(1, 64, relative=33)),
    "relative-both-ways-16-bits": case(140, "float16", **both_ways(3, 80, relative=20)),
    "relative-both-ways-below-a-tile": case(5, **both_ways(2, relative=40)),
    "relative-both-ways-one-token": case(1, **both_ways(2, relative=40)),
    "relative-both-ways-one-distance": case(20, **both_ways(1, relative=1)),
    "relative-both-ways-padded": case(
        90, **both_ways(2, kv_heads=2, relative=12), bounds=[[37, 90], [20, 51]]
    ),
    "gate": case(50, opcheck=True, **heads(3, 32, 2, gate=ELEMENT)),
    "gate-for-a-head": case(50, opcheck=True, **heads(3, 24, 2, gate=HEAD)),
    "gate-16-bits": case(75, "float16", **heads(3, 80, gate=("element", "softplus"))),
    "gate-for-a-head-16-bits": case(75, "float16", **heads(1, 80, 2, gate=("head", "sigmoid"))),
    "gate-sinks-softcap-window": case(
        37, opcheck=True, **heads(5, 64, sinks=True, softcap=3.0, window=9, gate=ELEMENT)
    ),
    "gate-chunk": case(50, **heads(2, chunk=19, gate=HEAD), keys=60, start=33),
    "gate-relative": case(40, opcheck=True, **heads(2, relative=9, gate=ELEMENT)),
    "gate-alibi": case(40, **heads(1, kv_heads=2, slopes=True, gate=HEAD)),
    "gate-192-128": case(33, **heads(2, 192, value_dim=128, gate=ELEMENT)),
    "gate-192-192": case(33, **heads(1, 192, gate=HEAD)),
    "gate-256": case(20, **heads(1, 256, gate=ELEMENT)),
    "gate-both-ways": case(37, **heads(2, causal=False, gate=ELEMENT), keys=21),
    "gate-padded": case(50, **heads(3, kv_heads=2, gate=ELEMENT), bounds=[[17, 50], [0, 21]]),
    "gate-prefix": case(50, **heads(3, gate=HEAD), prefix=21),
    "gate-below-a-tile": case(5, **heads(3, gate=ELEMENT)),
    "paged-gate": case(20, **heads(3, gate=ELEMENT), keys=70, page=16, lengths=[70, 41]),
    "paged-decode-gate": case(1, **heads(3, gate=ELEMENT), keys=90, page=16, lengths=[90, 5]),
    "decode-gate": case(1, opcheck=True, **heads(3, 80, 2, gate=ELEMENT), keys=150),
    "decode-gate-for-a-head": case(
        1, opcheck=True, **heads(5, sinks=True, softcap=3.0, gate=HEAD), keys=70
    ),
    "decode-gate-16-bits": case(1, "float16", **heads(5, 64, gate=ELEMENT), keys=150),
    "decode-relative": case(1, opcheck=True, **heads(3, 32, 2, relative=9), keys=70),
    "decode-relative-16-bits": case(1, "float16", **heads(1, 64, 4, relative=33), keys=90),
    "decode-relative-below-a-tile": case(1, **heads(2, relative=40), keys=3),
    "decode-relative-padded": case(
        1, **heads(2, relative=30), keys=70, bounds=[[31, 70], [0, 70]], gaps=[[1, 20], [1, 21]]
    ),
}

VIEWS: list[Case] = [
    {},
    {"window": 33},
    {"window": 131},
    {"chunk": 33},
    {"chunk": 131},
    {"sinks": True},
    {"softcap": 3.0},
    {"softcap": 3.0, "sinks": True, "window": 20},
    {"slopes": True},
    {"causal": False},
    {"gate": ELEMENT},
    {"gate": HEAD, "sinks": True, "window": 20},
    {"relative": 40},
    {"relative": 40, "causal": False, "decodes": False},
    {"blocks": sparse(32, 1, stride=2)},
]
WIDTHS = [(64, 64), (80, 80), (96, 96), (128, 128), (192, 128), (256, 256)]


def every() -> dict[str, Case]:
    """Each view of the text with each width, group, type and length."""
    found: dict[str, Case] = {}
    for view, (width, value), group in product(VIEWS, WIDTHS, (1, 3, 5, 8)):
        shape = heads(group, width, 2 if group < 5 else 1, value_dim=value, **view)
        name = "-".join(
            [f"{k}_{_shown(v)}" for k, v in view.items()] + [f"{width}x{value}", f"{group}"]
        )
        tokens = 45 if group > 3 else 77
        keys = tokens if view.get("decodes") is False else 90
        for dtype in ("float32", "float16"):
            found[f"{name}-{dtype}"] = case(tokens, dtype, **shape, keys=keys)
    return found


def _shown(value: Any) -> str:
    parts = value.values() if isinstance(value, dict) else [value]
    return "_".join(map(str, parts))
