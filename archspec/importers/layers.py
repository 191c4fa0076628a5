"""Which kind each layer is: `layer_types` as published, or the family's rule for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from archspec.importers.config import Config
from archspec.importers.family import Fields
from archspec.schedule import MAX_LAYERS

SLIDING = "sliding_attention"
FULL = "full_attention"

NAMES = {SLIDING: "sliding", FULL: "full"}
LOCAL_GLOBAL = {SLIDING: "local", FULL: "global"}


def count(config: Config) -> int:
    """How many layers there are; raises `ConfigError` beyond what a schedule may hold."""
    layers = config.size("num_hidden_layers")
    if layers > MAX_LAYERS:
        config.refuse("num_hidden_layers", f"a spec has at most {MAX_LAYERS:,} layers")
    return layers


def kinds(config: Config, rule: Callable[[int], str]) -> list[str]:
    """The published kind of every layer: `layer_types`, else `rule` of the layer's index.

    Raises:
        ConfigError: `layer_types` has another length, or a kind that is not expressed.
    """
    layers = count(config)
    if not config.given("layer_types"):
        return [rule(index) for index in range(layers)]
    types = config.words("layer_types")
    if len(types) != layers:
        config.fail(f"`layer_types` has {len(types)} entries for {layers} layers")
    for kind in dict.fromkeys(types):
        if kind not in NAMES:
            config.fail(f"`layer_types` has {kind[:60]!r}; archspec does not express that")
    return types


def window_of(config: Config, kind: str) -> int | None:
    """The window of a layer of `kind`; raises `ConfigError` when it needs one and has none."""
    window = config.value("sliding_window")
    if kind != SLIDING:
        return None
    if window is None:
        config.refuse("sliding_window", "but some layers are sliding_attention")
    return config.size("sliding_window")


def blocks(
    types: Sequence[str], describe: Callable[[str], Fields], names: Mapping[str, str] = NAMES
) -> tuple[list[str], dict[str, Fields]]:
    """The block of every layer, and each block as `describe` says; one kind is just `block`."""
    found = list(dict.fromkeys(types))
    if len(found) == 1:
        return ["block"] * len(types), {"block": describe(found[0])}
    return [names[kind] for kind in types], {names[kind]: describe(kind) for kind in found}
