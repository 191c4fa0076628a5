"""One-layer specs around a feed-forward."""

from __future__ import annotations

import torch
from torch import nn

import archspec
from archspec.mechanisms.base import Mechanism

SPEC = """archspec: 1
name: tiny
vocab_size: 16
hidden_size: 8
context_length: 32
blocks:
  only:
    mixer: {{type: attention, heads: 1, head_dim: 8, rope: {{theta: 10_000}}}}
    feedforward: {fields}
layers: only
head: {{tied: true}}
"""
EXPERTS = "type: moe, experts: 8, top_k: 3, intermediate_size: 6"


def spec(fields: str) -> str:
    """The text of a spec with this feed-forward."""
    return SPEC.format(fields="{" + fields + "}")


def moe(options: str) -> str:
    """The text of a spec with eight experts, three of them active, and `options`."""
    given = [option.split(":")[0] for option in options.split(", ")]
    usual = {"activation": "silu", "renormalize": "false"}
    added = [f"{name}: {value}" for name, value in usual.items() if name not in given]
    return spec(", ".join([EXPERTS, *added, options]))


def feedforward(text: str) -> Mechanism:
    """The feed-forward of a spec."""
    return archspec.loads(text).blocks[0].branches[-1].body


def noisy(module: nn.Module, std: float = 0.7) -> nn.Module:
    """`module` with every parameter and buffer drawn anew."""
    torch.manual_seed(0)
    with torch.no_grad():
        for tensor in module.state_dict(keep_vars=True).values():
            tensor.normal_(std=std)
    return module
