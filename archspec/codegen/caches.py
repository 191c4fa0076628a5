"""What the template of cache.py sees: the classes of what layers keep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from archspec.architecture.model import Architecture
from archspec.codegen.layers import LayerView
from archspec.codegen.site import template, view_module

ONE = "[layer for layer in self.layers if layer]"
SEVERAL = (
    "[state for layer in self.layers if layer "
    "for state in (layer if isinstance(layer, tuple) else (layer,))]"
)
"""The expressions for what all layers keep, where each keeps one thing, or some several."""


def cache_context(
    a: Architecture, names: Sequence[str], layers: Sequence[LayerView]
) -> dict[str, Any]:
    """The templates of the classes called `names`, and what any of `layers` keeps."""
    places = {
        cache: template(type(mechanism), where)
        for mechanism in a.mechanisms
        for cache, where in view_module(type(mechanism)).CACHES.items()
    }
    kept = dict.fromkeys(layer.cache or "None" for layer in layers if layer.decodes)
    return {
        "cache_templates": [places[name] for name in names],
        "cache_classes": ["Cache", *names],
        "by_place": any(
            state.per_token and not state.window
            for state in (mechanism.state() for mechanism in a.mechanisms)
        ),
        "layer_caches": sorted(kept, key=lambda name: (name == "None", name)),
        "states": SEVERAL if any(len(layer.keepers) > 1 for layer in layers) else ONE,
    }
