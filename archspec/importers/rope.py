"""Rotary positions as published: `rope_parameters`, or older, `rope_theta` and `rope_scaling`."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any, cast

from archspec.importers.config import Config
from archspec.importers.family import Fields

THETA = 10_000.0
"""The configuration classes' own base, where the family has no other."""


def rope(
    config: Config,
    theta: float = THETA,
    default: Fields | None = None,
    *,
    fraction: float | None = None,
    ignored: Collection[str] = (),
    **more: Any,
) -> Fields:
    """The rotation that all layers share; `default` stands for absent `rope_parameters`.

    `fraction` is the share of a head that rotates where the file does not say; without it the
    family rotates whole heads. `ignored` are options among the parameters that change nothing, and
    `more` further fields of the language.

    Raises:
        ConfigError: a kind of scaling, or an option of it, that archspec does not express.
    """
    key, given = parameters(config)
    base = config.number("rope_theta", theta)
    given = {name: value for name, value in given.items() if name not in ignored}
    return _rotation(config, config.inner(key, given or default or {}), base, fraction) | more


def ropes(
    config: Config,
    older: Mapping[str, tuple[str, float]],
    fractions: Mapping[str, float] | None = None,
) -> dict[str, Fields]:
    """The rotation of each kind of layer.

    `older` gives, for each kind, the key that held its base before there was
    `rope_parameters`, and its default; `rope_scaling` was for the first kind alone.
    `fractions` are as in `rope`, for each kind.

    Raises:
        ConfigError: as `rope`, or one set of parameters where each kind should have its own.
    """
    key, given = parameters(config)
    if key == "rope_scaling":
        given = {next(iter(older)): given}
    outer = config.inner(key, given)
    out: dict[str, Fields] = {}
    for kind, (base_key, default) in older.items():
        base = config.number(base_key, default)
        inside = outer.mapping(kind)
        # `rope_scaling` is written flat, so the way to its keys has no kind of layer in it.
        way = "rope_scaling" if key == "rope_scaling" else f"{key}.{kind}"
        out[kind] = _rotation(config, config.inner(way, inside), base, (fractions or {}).get(kind))
    outer.close()
    return out


def reach(config: Config) -> int:
    """The longest text, in tokens, that the rotations were stretched to.

    Files with `linear` or `dynamic` scaling keep the length before it in `max_position_embeddings`,
    as transformers asks. Those with another may state either length there: the longer one counts,
    and with `yarn` what its factor gives, if that is longer still (Qwen3's files have 40,960 beside
    32,768 × 4). vLLM derives the same lengths.

    Raises:
        ConfigError: a length or a factor that is no number of a usual size.
    """
    stated = config.size("max_position_embeddings")
    if config.seen.isdisjoint(("rope_parameters", "rope_scaling")):
        return stated  # the family has none
    key, given = parameters(config)
    inner = [(k, cast("Fields", v)) for k, v in given.items() if isinstance(v, dict)]
    each = [config.inner(f"{key}.{kind}", one) for kind, one in inner]
    return max(_reach(config, one, stated) for one in each or [config.inner(key, given)])


def _reach(config: Config, given: Config, stated: int) -> int:
    kind = given.value("rope_type") or given.value("type")
    factor = given.number("factor", 1.0)
    if kind in ("linear", "dynamic"):
        original = given.size_or("original_max_position_embeddings", stated)
    elif kind in ("yarn", "llama3", "longrope", "su"):
        original = _original_context(config, given)
    else:
        return stated
    if stated > original and kind != "yarn":
        return stated
    return max(stated, round(original * factor))


def parameters(config: Config) -> tuple[str, dict[str, Any]]:
    """The key that the rotation is described under, and the description; empty without one."""
    new, old = config.mapping("rope_parameters"), config.mapping("rope_scaling")
    if new and old and new != old:
        config.fail("`rope_parameters` and `rope_scaling` are both set and disagree")
    return ("rope_scaling", old) if old and not new else ("rope_parameters", new)


def _rotation(config: Config, given: Config, theta: float, fraction: float | None) -> Fields:
    out: Fields = {"theta": given.number("rope_theta", theta)}
    if proportional := given.value("rope_type") == "proportional":
        fraction = 1.0 if fraction is None else fraction
    for part in (config, given):
        if part.value("partial_rotary_factor") is None:
            continue
        if fraction is None and part.number("partial_rotary_factor") != 1:
            part.refuse("partial_rotary_factor", "this family rotates whole heads")
        if fraction is not None:
            fraction = part.number("partial_rotary_factor")
    if fraction not in (None, 1):
        out["fraction"] = fraction
        out |= {"proportional": True} if proportional else {}
    key = "rope_type" if given.given("rope_type") else "type"
    kind = given.value(key) or "default"
    # A file may carry both spellings; `rope_type` is the one that counts.
    given.seen |= {"rope_type", "type"}
    scaling = _SCALINGS.get(kind) if isinstance(kind, str) else None
    if scaling is None:
        known = ", ".join(_SCALINGS)
        given.refuse(key, f"archspec does not express that kind of scaling, but {known}")
    fields = scaling(config, given)
    given.close()
    if fields:
        out["scaling"] = fields
    return out


def _none(config: Config, given: Config) -> Fields:
    return {}


def _linear(config: Config, given: Config) -> Fields:
    given.value("original_max_position_embeddings")  # which says only how far it reaches
    return {"type": "linear", "factor": given.number("factor")}


def _llama3(config: Config, given: Config) -> Fields:
    return {
        "type": "llama3",
        "factor": given.number("factor"),
        "low_frequency_factor": given.number("low_freq_factor"),
        "high_frequency_factor": given.number("high_freq_factor"),
        "original_context": _original_context(config, given),
    }


def _yarn(config: Config, given: Config) -> Fields:
    original = _original_context(config, given)
    stretched = config.size("max_position_embeddings") / original
    factor = given.number("factor", stretched)
    out: Fields = {"type": "yarn", "factor": factor, "original_context": original}
    for key, usual in (("beta_fast", 32), ("beta_slow", 1)):
        # Zero means the usual value, as null does.
        if (beta := given.number(key, usual) or usual) != usual:
            out[key] = beta
    if given.value("truncate") is not None and not given.flag("truncate"):
        out["truncate"] = False
    usual = _temperature(factor, 1)
    temperature = given.number("attention_factor", _ratio(given, factor))
    if temperature != usual:
        out["attention_factor"] = temperature
    return out


def _ratio(given: Config, factor: float) -> float:
    """What cosine and sine are multiplied by when `attention_factor` is left out."""
    one, all_dimensions = given.number("mscale", 0), given.number("mscale_all_dim", 0)
    if one and all_dimensions:
        return _temperature(factor, one) / _temperature(factor, all_dimensions)
    return _temperature(factor, 1)


def _temperature(factor: float, weight: float) -> float:
    # YaRN, arXiv 2309.00071, section 3.4.
    return 0.1 * weight * math.log(factor) + 1.0 if factor > 1 else 1.0


def _dynamic(config: Config, given: Config) -> Fields:
    # The base that grows counts from the context length that the file states.
    given.value("original_max_position_embeddings")
    context = config.size("max_position_embeddings")
    return {"type": "dynamic", "factor": given.number("factor"), "original_context": context}


def _longrope(config: Config, given: Config) -> Fields:
    original = _original_context(config, given)
    factor = given.number("factor", config.size("max_position_embeddings") / original)
    # LongRoPE, arXiv 2402.13753, section 3.3.
    usual = math.sqrt(1 + math.log(factor) / math.log(original)) if factor > 1 else 1.0
    return {
        "type": "longrope",
        "original_context": original,
        "short_factors": given.numbers("short_factor"),
        "long_factors": given.numbers("long_factor"),
        "attention_factor": given.number("attention_factor", usual),
    }


def _original_context(config: Config, given: Config) -> int:
    # A value beside the parameters wins over one among them.
    if config.value("original_max_position_embeddings") is not None:
        given.value("original_max_position_embeddings")
        return config.size("original_max_position_embeddings")
    whole = config.size("max_position_embeddings")
    return given.size_or("original_max_position_embeddings", whole)


_SCALINGS: dict[str, Callable[[Config, Config], Fields]] = {
    "default": _none,
    "proportional": _none,
    "linear": _linear,
    "llama3": _llama3,
    "yarn": _yarn,
    "dynamic": _dynamic,
    "longrope": _longrope,
    # Its first name.
    "su": _longrope,
}
