"""What a mechanism reads beside the hidden states of its layer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor


@dataclass
class Beside:
    """One text in each row, all of one length and without padding; a text begins at position 0."""

    layer: int = 0
    """The layer's index in its stack, from 0."""

    prefix: int = 0
    """How many tokens at the start of each text see each other both ways."""

    source: Tensor | None = None
    """The encoder's states, (B, S, C)."""

    vector: Tensor | None = None
    """The vector of each token for this layer, (B, T, P)."""

    tables: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    """What all layers of the stack share, by name."""

    handed: dict[Any, Any] = field(default_factory=dict[Any, Any])
    """What earlier layers left for later ones."""
