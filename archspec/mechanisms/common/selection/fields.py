"""Which earlier tokens attention looks at, where a learned score decides: fields of a mixer.

A selection is a stage of its own before attention: it names positions, and what reads the tokens
there does not know how they were found. Another way to choose (blocks of tokens, entries that stand
for several) is another member of `Selection`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from archspec.architecture.mask import Mask
from archspec.spec.base import Size, Strict, Tokens
from archspec.spec.norm import OptionalNorm
from archspec.spec.rope import Rope


class TokenSelection(Strict):
    """Small heads score every earlier token, and the best are kept (arXiv 2512.02556, section 2.1).

    score_ts = Σ_h w_th · relu(q_th · k_s), with one key k for all heads. Queries are made from the
    latent of queries where there is one, else from the layer's input.
    """

    type: Literal["lightning_indexer"]
    heads: Size = Field(description="Heads that score.")
    head_dim: Size = Field(description="Width of their queries, and of the one key they share.")
    top_k: Tokens = Field(description="How many tokens each token sees.")
    norm: OptionalNorm = Field(default=None, description="A norm over the keys that are scored.")
    rope: Rope | None = Field(
        default=None, description="Rotary positions of these queries and keys, from the first on."
    )

    @model_validator(mode="after")
    def _check(self) -> TokenSelection:
        if self.rope:
            self.rope.check(self.head_dim, "head_dim")
        return self

    @property
    def scale(self) -> float:
        """What the weights of the heads are multiplied by."""
        return (self.heads * self.head_dim) ** -0.5


class SharedSelection(Strict):
    """What the last earlier layer chose that selects as many tokens by itself."""

    type: Literal["shared"]
    top_k: Tokens = Field(description="How many tokens each token sees.")


Selection = Annotated[TokenSelection | SharedSelection, Field(discriminator="type")]


def kept_dim(selection: TokenSelection | SharedSelection | None) -> int:
    """How many numbers it keeps for each token, to score it by later."""
    return selection.head_dim if isinstance(selection, TokenSelection) else 0


def name(selection: TokenSelection | SharedSelection) -> str:
    """What layers that share a choice call it."""
    return f"best_{selection.top_k}"


def mask(selection: TokenSelection | SharedSelection | None) -> Mask:
    """Causal, and limited where there is a selection."""
    return Mask(best=selection.top_k if selection else None)


def given(selection: TokenSelection | SharedSelection | None) -> str | None:
    """The choice that later layers may take."""
    return name(selection) if isinstance(selection, TokenSelection) else None


def taken(selection: TokenSelection | SharedSelection | None) -> str | None:
    """The choice of an earlier layer."""
    return name(selection) if isinstance(selection, SharedSelection) else None


def rotaries(selection: TokenSelection | SharedSelection | None) -> dict[str, tuple[Rope, int]]:
    """Its rotation and the width it turns in, under the name that a mixer gives it."""
    if isinstance(selection, TokenSelection) and selection.rope:
        return {"index": (selection.rope, selection.head_dim)}
    return {}
