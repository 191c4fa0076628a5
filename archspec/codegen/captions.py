"""What docstrings say of a whole model."""

from __future__ import annotations

from archspec.architecture.model import Architecture


def layers_caption(a: Architecture) -> str:
    """How many layers there are, and their schedule."""
    text = f"{len(a.layers)} layers, {a.schedule}."
    if a.encoder and a.encoder.layers:
        text = f"an encoder of {len(a.encoder.layers)} layers, {a.encoder.schedule}; {text}"
    return text


def model_caption(a: Architecture) -> str:
    """What it makes of token ids, and its parameters."""
    total = sum(p.size for p in a.parameters())
    if a.head is None:
        end = "hidden states"
    else:
        end = "logits, with the token embedding's weight" if a.head.tied else "logits"
    count = f"{len(a.layers)} layers"
    if a.encoder:
        count = f"{len(a.encoder.layers)} layers that read, {len(a.layers)} that write"
        count = count if a.encoder.layers else f"{len(a.layers)} layers beside given states"
    return f"Token ids to {end}: {count}, {total:,} parameters."
