"""Rotary positions (arXiv 2104.09864) and their scalings."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor


def rotate(rope: Any, x: Tensor) -> Tensor:
    """Turn the heads of x (B, T, H, D), token t at position t of a text of T tokens.

    A pair (a, b) becomes (a cos φ − b sin φ, b cos φ + a sin φ) with φ = position · frequency, or
    with −φ where the rotation goes the other way round.
    """
    tokens, width = x.shape[1], x.shape[-1]
    turning = width if rope.proportional else int(width * rope.fraction)
    first = width - turning if rope.last else 0
    speeds, size = frequencies(rope, turning, tokens)
    out = x.clone()
    for pair, speed in enumerate(speeds):
        if rope.pairing == "half":
            i, j = first + pair, first + pair + turning // 2
        else:
            i, j = first + 2 * pair, first + 2 * pair + 1
        angle = torch.arange(tokens, dtype=torch.float64, device=x.device)[:, None] * speed
        angle = -angle if rope.reversed else angle
        cos, sin = size * torch.cos(angle), size * torch.sin(angle)  # (T, 1)
        out[..., i] = x[..., i] * cos - x[..., j] * sin
        out[..., j] = x[..., j] * cos + x[..., i] * sin
    return out


def frequencies(rope: Any, width: int, tokens: int) -> tuple[list[float], float]:
    """Of each pair of `width` dimensions in a text of so many tokens, and what scales all."""
    theta, scaling = rope.theta, rope.scaling
    if scaling is not None and scaling.type == "ntk":  # arXiv 2309.00071, section 3.1
        theta = theta * scaling.factor ** (width / (width - 2))
    if scaling is not None and scaling.type == "dynamic":  # the same, section 3.3
        length = max(tokens, scaling.original_context)
        grown = scaling.factor * length / scaling.original_context - (scaling.factor - 1)
        theta = theta * grown ** (width / (width - 2))
    plain = [theta ** (-2 * i / width) for i in range(width // 2)]
    if rope.proportional:
        turning = int(rope.fraction * width // 2)
        return [speed if i < turning else 0.0 for i, speed in enumerate(plain)], 1.0
    if scaling is None or scaling.type in ("ntk", "dynamic"):
        return plain, 1.0
    if scaling.type == "linear":  # arXiv 2306.15595
        return [speed / scaling.factor for speed in plain], 1.0
    if scaling.type == "llama3":
        return [by_wavelength(scaling, speed) for speed in plain], 1.0
    if scaling.type == "longrope":  # arXiv 2402.13753
        long = tokens > scaling.original_context
        divisors = scaling.long_factors if long else scaling.short_factors
        divided = [speed / by for speed, by in zip(plain, divisors, strict=True)]
        return divided, scaling.attention_factor
    assert scaling.type == "yarn"
    return yarn(scaling, rope.theta, plain)


def by_wavelength(scaling: Any, speed: float) -> float:
    """ArXiv 2407.21783: waves that fit often into the old context stay as they are."""
    fits = scaling.original_context * speed / (2 * math.pi)  # how often
    if fits >= scaling.high_frequency_factor:
        return speed
    if fits < scaling.low_frequency_factor:
        return speed / scaling.factor
    range_ = scaling.high_frequency_factor - scaling.low_frequency_factor
    kept = (fits - scaling.low_frequency_factor) / range_
    return kept * speed + (1 - kept) * speed / scaling.factor


def yarn(scaling: Any, theta: float, plain: list[float]) -> tuple[list[float], float]:
    """YaRN (arXiv 2309.00071, sections 3.2 and 3.4): interpolated by how often a pair turns."""
    width = 2 * len(plain)

    def pair_that_turns(times: float) -> float:
        """Over the old context, from the first pair on; between two of them a fraction."""
        wave = scaling.original_context / (2 * math.pi * times)
        return width * math.log(wave) / (2 * math.log(theta))

    low, high = pair_that_turns(scaling.beta_fast), pair_that_turns(scaling.beta_slow)
    if scaling.truncate:
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, width - 1)
    high = high + 0.001 if low == high else high  # as published code avoids the division by zero
    speeds: list[float] = []
    for i, speed in enumerate(plain):
        stretched = min(max((i - low) / (high - low), 0.0), 1.0)
        speeds.append(stretched * speed / scaling.factor + (1 - stretched) * speed)
    size = scaling.attention_factor
    if size is None:
        size = 0.1 * math.log(scaling.factor) + 1 if scaling.factor > 1 else 1.0
    return speeds, size
