"""What the selftest's definition of attention takes, so that it covers every class of a package."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from archspec.mechanisms.mixers.attention.functions import shared
from archspec.mechanisms.mixers.attention.module import AttentionView

PARAMETERS = {
    "window": "window: int = TOKENS",
    "chunk": "chunk: int = TOKENS",
    "blocks": "blocks: tuple[int, int, int, int | None, int] | None = None",
    "sinks": "sinks: Tensor | None = None",
    "slopes": "slopes: Tensor | None = None",
    "relative": "relative: Tensor | None = None",
    "softcap": "softcap: float = 0.0",
}


@dataclass(frozen=True)
class Definition:
    """One function for all; `has` names what any of them needs beside the scale."""

    has: frozenset[str]

    @property
    def mixed(self) -> bool:
        """Whether some look back and others both ways."""
        return {"causal", "bidirectional"} <= self.has

    @property
    def parameters(self) -> str:
        """What it takes after the scale."""
        found = ["causal: bool = True"] if self.mixed else []
        found += [text for name, text in PARAMETERS.items() if name in self.has]
        return "".join(f", {text}" for text in found)

    @property
    def reads_distance(self) -> bool:
        """Whether anything follows from how far apart two tokens are."""
        return not self.has.isdisjoint(("causal", "relative"))

    @property
    def from_first(self) -> str:
        """The expression for a distance counted from the first that has a learned bias."""
        if self.mixed:
            return "(distance + (0 if causal else relative.shape[1] // 2))"
        return "distance" if "causal" in self.has else "(distance + relative.shape[1] // 2)"

    @property
    def hidden(self) -> str:
        """The expression for which keys a token that looks back does not see."""
        text = "(distance < 0) & causal" if self.mixed else "(distance < 0)"
        text += " | (distance >= window)" if "window" in self.has else ""
        chunks = " | (index[:, None] // chunk != index // chunk)"
        return text + (chunks if "chunk" in self.has else "")


def check_context(views: Sequence[AttentionView]) -> dict[str, Any]:
    """What the check sees beside the classes: what they share, and what all are compared with."""
    definition = Definition(frozenset(option for view in views for option in view.options))
    return shared(views) | {"definition": definition}
