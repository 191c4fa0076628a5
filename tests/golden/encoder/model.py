# Built by archspec 0.1.0 from encoder.yaml; edit the spec and build again.
"""encoder: 3 layers, 3 x block.

Shapes: B sequences, T new tokens, C = 96, the width of the residual stream.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .attention import Attention
from .feedforward import FeedForward
from .step import Step, make_step


class Layer(nn.Module):
    """Multi-head attention then feed-forward; 3 of 3 layers."""

    def __init__(self):
        super().__init__()
        self.self_attn = Attention()
        self.post_attention_layernorm = nn.LayerNorm(96, eps=1e-12)
        self.mlp = FeedForward()
        self.post_feedforward_layernorm = nn.LayerNorm(96, eps=1e-12)

    def forward(self, x: Tensor, step: Step) -> Tensor:
        x = self.post_attention_layernorm(x + self.self_attn(x, step))
        x = self.post_feedforward_layernorm(x + self.mlp(x))
        return x


LAYERS = 3 * [Layer]


class Model(nn.Module):
    """Token ids to hidden states: 3 layers, 458,784 parameters."""

    def __init__(self):
        super().__init__()
        self.embed_tokens = nn.Embedding(1024, 96)
        self.embed_positions = nn.Embedding(256, 96)
        self.embed_token_types = nn.Embedding(2, 96)
        self.embed_norm = nn.LayerNorm(96, eps=1e-12)
        self.layers = nn.ModuleList(layer() for layer in LAYERS)
        self.initialise()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
    ) -> Tensor:
        """Read whole texts and return hidden states (B, T, C).

        Args:
            input_ids: (B, T) token ids.
            attention_mask: (B, T), 1 for a real token and 0 for padding, on either side.
            token_type_ids: (B, T) segments, 0 … 1; all 0 when left out.
        """
        tokens = input_ids.shape[1]
        if tokens > 256:
            raise ValueError(f"{tokens} tokens; the model has 256 positions")
        padding = attention_mask.bool() if attention_mask is not None else None
        step = make_step(0, tokens, padding, self.embed_tokens.weight)
        x = self.embed_tokens(input_ids)  # (B, T, C)
        if token_type_ids is None:
            token_type_ids = torch.zeros_like(input_ids)
        x = x + self.embed_token_types(token_type_ids)
        x = x + self.embed_positions(step.positions)
        x = self.embed_norm(x)
        for layer in self.layers:
            x = layer(x, step)
        return x

    @torch.no_grad()
    def initialise(self) -> None:
        """Draw fresh weights: matrices normal with standard deviation 0.02, biases zero."""
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
            elif parameter.ndim > 1:
                parameter.normal_(std=0.02)
