"""The learned choice of tokens in a plain file: a mask of the best of all visible keys."""

from __future__ import annotations

import re

from archspec.codegen.plain.facts import Facts, number
from archspec.codegen.plain.rotations import literals
from archspec.codegen.plain.site import PlainClass, PlainSite, linear
from archspec.mechanisms.common.selection.fields import TokenSelection

TEMPLATE = "mechanisms/common/selection/templates/indexer.py.jinja"


def indexer(s: TokenSelection, site: PlainSite, latent: int | None) -> PlainClass:
    """The class that scores tokens; queries are made from a latent of that width, or from x."""
    width = number(s.head_dim)
    made = [linear("wq_b", number(latent) if latent else site.width, f"{s.heads} * {width}")]
    made.append(linear("wk", site.width, width))
    if s.norm:
        made.append(f"self.k_norm = {site.norm(s.norm, width)}")
    made.append(linear("weights_proj", site.width, number(s.heads)))
    key = "self.k_norm(self.wk(x))" if s.norm else "self.wk(x)"
    turn = site.rotations[s.rope, s.head_dim] if s.rope else None
    given = literals(s.rope)
    return PlainClass(
        re.sub(r"Attention(\d*)$", r"Indexer\1", site.class_name),
        f"{s.heads} heads of width {s.head_dim} score every earlier token; the best "
        f"{s.top_k:,} are seen.",
        Facts(),
        tuple(made),
        (),
        template=TEMPLATE,
        more={
            "reads": "q_latent" if latent else "x",
            "heads": number(s.heads),
            "head_dim": width,
            "top_k": number(s.top_k),
            "index": turn.call(f"{key}[:, None]", given) if turn else f"{key}[:, None]",
            "queries": turn.call("q", given) if turn else None,
        },
    )
