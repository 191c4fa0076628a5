"""transformers models to compare with: small, and random enough that mistakes show.

At a standard deviation of 0.02 a wrong softmax scale, head order or window passes unseen; so
matrices have 0.1 or more, and norms, biases, sinks and stored buffers get noise.
"""

from __future__ import annotations

import json
from typing import Any

import torch
from cases import CASES
from torch import nn
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForSeq2SeqLM
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

# Its eager path adds ALiBi twice, to the scores and with the mask; the other one once.
SDPA = {"falcon-rw"}


def oracle(case: str) -> tuple[nn.Module, dict[str, Any]]:
    """The transformers model of a case, and its config.json as data."""
    return rough(*CASES[case], "sdpa" if case in SDPA else "eager")


def rough(
    kind: str, options: dict[str, Any], chosen: str = "eager", auto: Any = None
) -> tuple[nn.Module, dict[str, Any]]:
    """A transformers model of type `kind` with weights that differ, and its config.json."""
    torch.manual_seed(0)
    config = CONFIG_MAPPING[kind](**options)
    usual = AutoModel if kind == "bert" else AutoModelForCausalLM
    usual = AutoModelForSeq2SeqLM if config.is_encoder_decoder else usual
    make = auto._from_config if auto else usual.from_config
    model = make(config, attn_implementation=chosen).eval()
    if not getattr(config, "scale_decoder_outputs", True):
        # Published files have a head of their own; a model that is made anew ties it.
        model.lm_head.weight = nn.Parameter(model.lm_head.weight.detach().clone())
    stored = model.state_dict().keys()
    tensors = dict(model.named_parameters()) | {
        name: buffer for name, buffer in model.named_buffers() if name in stored
    }
    for name, tensor in tensors.items():
        _roughen(name, tensor.detach())
    return model, json.loads(config.to_json_string(use_diff=False))


WORKED_OUT = ("slope_rate", "_decay")
"""Endings of stored buffers that are formulas of a layer's index, and nothing to be learned."""


def _roughen(name: str, tensor: torch.Tensor) -> None:
    if name.endswith(WORKED_OUT):
        return
    if tensor.ndim == 1 or "bias" in name or "norm" in name:
        tensor.add_(torch.randn_like(tensor) * 0.1)
    elif tensor.std() < 0.05:
        tensor.normal_(0.0, 0.1)
