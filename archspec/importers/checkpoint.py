"""Rules that map a family's published tensor names to ours."""

from __future__ import annotations

from collections.abc import Mapping

from archspec.importers.family import Fields

OURS = "layers.{layer}."
QKV = [f"self_attn.{name}_proj" for name in "qkv"]
GATE_UP = ["mlp.gate_proj", "mlp.up_proj"]


def layered(names: Mapping[str, str | list[str] | Fields], theirs: str = OURS) -> Fields:
    """Rules for what a layer holds: its names after `theirs` → our names within a layer."""
    out: Fields = {}
    for name, to in names.items():
        if isinstance(to, dict):
            out[theirs + name] = {"to": _ours(to["to"]), **{k: to[k] for k in to if k != "to"}}
        else:
            out[theirs + name] = _ours(to)
    return out


def _ours(to: str | list[str]) -> str | list[str]:
    return OURS + to if isinstance(to, str) else [OURS + name for name in to]
