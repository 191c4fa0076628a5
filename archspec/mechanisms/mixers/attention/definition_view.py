"""What a package's definition of attention takes, so that it covers every function of attend.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archspec.mechanisms.mixers.attention.functions import Attend

PARAMETERS = {
    "window": "window: int | None = None",
    "chunk": "chunk: int | None = None",
    "blocks": "size: int = 0, local: int = 0, first: int = 0, stride: int | None = None, "
    "shift: int = 0",
    "softcap": "softcap: float | None = None",
    "sinks": "sinks: Tensor | None = None",
    "slopes": "slopes: Tensor | None = None",
    "relative": "relative: Tensor | None = None",
    "gate": 'gate: Tensor | None = None, activation: str = "sigmoid"',
}


@dataclass(frozen=True)
class Definition:
    """One function for all; `has` names what any of them needs beside the scale."""

    has: frozenset[str]

    @staticmethod
    def of(functions: Sequence[Attend]) -> Definition:
        """What covers these."""
        found: set[str] = set()
        for f in functions:
            own = {"causal": f.causal, "bidirectional": not f.causal}
            own |= {"window": f.kind == "sliding", "chunk": f.kind == "chunked"}
            own |= {"blocks": f.kind == "block_sparse", "relative": f.kind.startswith("relative")}
            own |= {"softcap": f.core_view.capped, "sinks": f.core_view.sinks}
            own |= {"slopes": f.core_view.alibi, "gate": f.gate is not None}
            found |= {name for name, there in own.items() if there}
        return Definition(frozenset(found))

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
        """The expression for which keys a token does not see at least."""
        return "(distance < 0) & causal" if self.mixed else "distance < 0"
