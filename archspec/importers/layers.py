"""Which kind each layer is: `layer_types` as published, or the family's rule for them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

from archspec.importers.config import Config
from archspec.importers.family import Fields
from archspec.language.schedule import MAX_LAYERS

SLIDING = "sliding_attention"
FULL = "full_attention"

MAX_MTP = 64

NAMES = {SLIDING: "sliding", FULL: "full"}
LOCAL_GLOBAL = {SLIDING: "local", FULL: "global"}

Item = TypeVar("Item")


def count(config: Config, key: str = "num_hidden_layers") -> int:
    """How many layers there are; raises `ConfigError` beyond what a schedule may hold."""
    layers = config.size(key)
    if layers > MAX_LAYERS:
        config.refuse(key, f"a spec has at most {MAX_LAYERS:,} layers")
    return layers


def mtp(config: Config, key: str) -> int:
    """How many modules for multi-token prediction there are; raises `ConfigError` beyond reason."""
    modules = config.number(key, 0)
    if modules != int(modules) or not 0 <= modules <= MAX_MTP:
        config.refuse(key, f"expected a count of modules, at most {MAX_MTP}")
    return int(modules)


def kinds(
    config: Config, rule: Callable[[int], str], known: Collection[str] = (SLIDING, FULL)
) -> list[str]:
    """The published kind of every layer: `layer_types`, else `rule` of the layer's index.

    Raises:
        ConfigError: `layer_types` has another length, or a kind that is not expressed.
    """
    layers = count(config)
    if not config.given("layer_types"):
        return [rule(index) for index in range(layers)]
    types = per_layer(config, "layer_types", config.words("layer_types"))
    for kind in dict.fromkeys(types):
        if kind not in known:
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


def window(config: Config) -> int | None:
    """The window of a family that has one in every layer, or none."""
    return None if config.value("sliding_window") is None else config.size("sliding_window")


def flags(config: Config, key: str, rule: Callable[[int], bool]) -> list[bool]:
    """Yes or no for every layer: ones and zeros under `key`, else `rule` of the layer's index.

    Raises:
        ConfigError: the list has another length.
    """
    layers = count(config)
    # An empty list means what null does.
    if not config.value(key):
        return [rule(index) for index in range(layers)]
    return [bool(one) for one in per_layer(config, key, config.integers(key))]


def per_layer(config: Config, key: str, items: list[Item]) -> list[Item]:
    """`items`, after a check that there is one for each layer."""
    if len(items) != (layers := count(config)):
        config.fail(f"`{key}` has {len(items)} entries for {layers} layers")
    return items


def blocks(
    types: Sequence[str], describe: Callable[[str], Fields], names: Mapping[str, str] = NAMES
) -> tuple[list[str], dict[str, Fields]]:
    """The block of every layer, and each block as `describe` says; one kind is just `block`."""
    found = list(dict.fromkeys(types))
    if len(found) == 1:
        return ["block"] * len(types), {"block": describe(found[0])}
    return [names[kind] for kind in types], {names[kind]: describe(kind) for kind in found}


def combined(
    kinds: Sequence[tuple[str, ...]],
    describe: Callable[..., Fields],
    names: Mapping[str, str] = NAMES,
) -> tuple[list[str], dict[str, Fields]]:
    """The same for kinds of several words, such as `("sliding", "dense")`.

    A block is named by the words it takes to tell the kinds apart, each by its name in `names`.
    """
    found = list(dict.fromkeys(kinds))
    needed = list(range(len(found[0])))
    # The first word says most, so it is the last to go.
    for index in [*needed[1:], 0]:
        rest = [other for other in needed if other != index]
        if len({tuple(kind[i] for i in rest) for kind in found}) == len(found):
            needed = rest
    called = {
        kind: "_".join(names.get(kind[i], kind[i]) for i in needed) or "block" for kind in found
    }
    return [called[kind] for kind in kinds], {called[kind]: describe(*kind) for kind in found}
