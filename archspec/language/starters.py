"""Starter specs for `archspec new`: valid, commented, and small enough to train on a CPU."""

from __future__ import annotations

import re
from typing import Literal

from archspec.errors import ArchspecError
from archspec.language.emit import scalar

Kind = Literal["decoder", "encoder", "moe"]
KINDS: tuple[Kind, ...] = ("decoder", "encoder", "moe")

# The pattern of `ModelName` in spec/base.py, which would bring pydantic along.
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")

# The name goes in last, and as YAML quotes it: `8`, `1e3` and `null` are not text by themselves.
_TOP = """\
# `archspec check` says whether this is valid; `archspec schema` gives editors the schema.
archspec: 1
name: {name}
"""

_SIZES = """
vocab_size: {vocabulary}       # rows of the token embedding
hidden_size: 128      # width of the residual stream
context_length: {context}
norm: {norm}
"""

_DECODER = """
# Kinds of layer. `extends` takes over another block; what is written here goes over it.
blocks:
  local:
    mixer:
      type: attention
      heads: 4
      kv_heads: 2       # two query heads share a key-value head
      head_dim: 32
      window: 64        # sees the last 64 tokens
      qk_norm: true
      rope: {theta: 10_000}
    feedforward: {type: dense, intermediate_size: 384, activation: silu, gated: true}
  global:
    extends: local
    mixer: {window: null, rope: {theta: 1_000_000}}

# The order of the layers: three times two local layers and a global one.
layers: 3 x (2 x local, global)
head: {tied: true}    # the output layer is the token embedding
"""

_ENCODER = """
# Tokens, learned positions and segments, then a norm.
embedding:
  positions: {type: learned, length: 512}
  token_types: 2
  norm: true

blocks:
  layer:
    norm_position: post     # N(x + f(x))
    mixer:
      type: attention
      heads: 4
      head_dim: 32
      causal: false         # a token sees the whole text
      qkv_bias: true
      output_bias: true
    feedforward: {type: dense, intermediate_size: 512, activation: gelu, gated: false, bias: true}

layers: 6 x layer
final_norm: false
head: null                  # gives hidden states; no output layer
"""

_MOE = """
# What every block starts from.
defaults:
  mixer:
    type: attention
    heads: 4
    kv_heads: 1
    head_dim: 32
    rope: {theta: 10_000}

blocks:
  dense:
    feedforward: {type: dense, intermediate_size: 512, activation: silu, gated: true}
  sparse:
    feedforward:
      type: moe
      experts: 8
      top_k: 2              # experts that work on one token
      intermediate_size: 128  # width inside one expert
      activation: silu
      renormalize: true     # the weights of the chosen experts add up to one

layers: dense, 5 x sparse
head: {tied: false}
"""

_RMSNORM, _LAYERNORM = "{type: rmsnorm, eps: 1.0e-6}", "{type: layernorm, eps: 1.0e-12}"
_BODIES: dict[Kind, tuple[int, int, str, str]] = {
    "decoder": (8192, 2048, _RMSNORM, _DECODER),
    "encoder": (8192, 512, _LAYERNORM, _ENCODER),
    "moe": (8192, 2048, _RMSNORM, _MOE),
}


def new(name: str, kind: Kind = "decoder") -> str:
    """The YAML text of a starter spec; raises `ArchspecError` for a name a model cannot have."""
    if not _NAME.fullmatch(name):
        raise ArchspecError(
            f"{name!r} cannot name a model; expected lower-case letters, digits, dots, dashes "
            "and underscores, at most 80, the first a letter or a digit"
        )
    vocabulary, context, norm, body = _BODIES[kind]
    sizes = _SIZES.format(vocabulary=vocabulary, context=context, norm=norm)
    return _TOP.format(name=scalar(name)) + sizes + body
