"""Architectures of every shape that a figure has to hold."""

from __future__ import annotations

from pathlib import Path

import pytest

import archspec
from archspec.architecture.model import Architecture
from archspec.draw.page import Page, page

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ("encoder-decoder", "given-states", "looking-ahead", "half-sandwich", "shared-keys")
MECHANISMS = ("mixers/attention", "embeddings/per_layer", "feedforward/dense")
SPECS = [
    *sorted((Path(__file__).parent / "specs").glob("*.yaml")),
    *sorted((ROOT / "gallery").glob("*.yaml")),
    *(ROOT / f"examples/{name}.yaml" for name in EXAMPLES),
    *(ROOT / f"archspec/mechanisms/{name}/example.yaml" for name in MECHANISMS),
]


def _name(path: Path) -> str:
    return path.parent.name if path.stem == "example" else path.stem


@pytest.fixture(scope="session", params=SPECS, ids=_name)
def drawn(request: pytest.FixtureRequest) -> tuple[Architecture, Page]:
    """An architecture and its page."""
    architecture = archspec.load(request.param)
    return architecture, page(architecture)


def spec(title: str = "Tiny", summary: str = "", block: str = "block") -> str:
    """A small spec with free text of one's choice."""
    import json

    return f"""
archspec: 1
name: tiny
title: {json.dumps(title, ensure_ascii=False)}
about: {{summary: {json.dumps(summary, ensure_ascii=False)}}}
vocab_size: 100
hidden_size: 16
context_length: 64
blocks:
  {block}:
    mixer: {{type: attention, heads: 2, head_dim: 8, rope: {{theta: 10_000}}}}
    feedforward: {{type: dense, intermediate_size: 32, activation: silu, gated: true}}
layers: 2 x {block}
head: {{tied: false}}
"""
