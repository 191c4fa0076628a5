# Built by archspec 0.1.0 from encoder.yaml; edit the spec and build again.
"""encoder: 3 layers, 3 x block.

Shapes: B sequences, T new tokens, C = 96, the width of the residual stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import Attention
from .checks import check_positions, check_tokens, embedded
from .feedforward import FeedForward
from .padding import front
from .step import Step, make_step

if TYPE_CHECKING:
    from .tracing import Trace


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
        return self.post_feedforward_layernorm(x + self.mlp(x))


LAYERS = 3 * [Layer]


class Model(nn.Module):
    """Token ids to hidden states: 3 layers, 458,784 parameters."""

    def __init__(self):
        super().__init__()
        device = torch.get_default_device()
        # What modules draw as they are made is drawn over, and takes no random numbers from it.
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            self.embed_tokens = nn.Embedding(1024, 96)
            self.embed_positions = nn.Embedding(256, 96)
            self.embed_token_types = nn.Embedding(2, 96)
            self.embed_norm = nn.LayerNorm(96, eps=1e-12)
            self.layers = nn.ModuleList(layer() for layer in LAYERS)
        self.initialise()

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
    ) -> Tensor:
        """Read whole texts and return hidden states (B, T, C).

        Args:
            input_ids: (B, T) token ids.
            attention_mask: (B, T), 1 for a real token and 0 for padding, wherever that is.
            token_type_ids: (B, T) segments, 0 … 1; all 0 when left out.
            position_ids: (B, T), where tokens stand, in place of a count from 0 in each
                text, for what turns or adds positions; what a token sees goes by its place.
            inputs_embeds: (B, T, 96), vectors as the embedding gives them,
                in place of `input_ids`.
        """
        batch, tokens = check_tokens(
            input_ids, inputs_embeds, token_type_ids=token_type_ids, position_ids=position_ids
        )
        if position_ids is None and tokens > 256:
            raise ValueError(f"{tokens} tokens; the model has 256 positions")
        check_positions(position_ids)
        fronted = real = None
        if attention_mask is not None:  # the real tokens of each row to its front
            fronted = front(attention_mask, (batch, tokens))
            real = fronted.real
            input_ids, inputs_embeds, token_type_ids, position_ids = fronted.move_all(
                input_ids, inputs_embeds, token_type_ids, position_ids
            )
        if inputs_embeds is not None:
            x = inputs_embeds
        else:
            x = embedded(self.embed_tokens, input_ids)  # (B, T, C)
        step = make_step(0, tokens, real, x, position_ids=position_ids)
        if token_type_ids is None:
            token_type_ids = x.new_zeros(x.shape[:2], dtype=torch.long)
        x = x + self.embed_token_types(token_type_ids)
        x = x + self.embed_positions(step.positions)
        x = self.embed_norm(x)
        for layer in self.layers:
            x = layer(x, step)
        if fronted is not None:
            x = fronted.back(x)
        return x

    def encode(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        pooling: str = "mean",
        normalize: bool = True,
    ) -> Tensor:
        """One vector for each text, (B, 96): of unit length where `normalize` says so.

        `pooling` takes the "mean" of its real tokens, or its first one, "cls". The other arguments
        are those of a call.

        Raises:
            ValueError: `pooling` is another word.
        """
        x: Tensor = self(input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds)
        if attention_mask is None:
            attention_mask = x.new_ones(x.shape[:2])
        real = attention_mask.bool()[..., None]  # (B, T, 1)
        if pooling == "mean":
            x = x.masked_fill(~real, 0).sum(dim=1) / real.sum(dim=1).clamp(min=1)
        elif pooling == "cls":
            x = x.take_along_dim(real.int().argmax(dim=1, keepdim=True), dim=1)[:, 0]
        else:
            raise ValueError(f"pooling is {pooling!r}; expected 'mean' or 'cls'")
        return F.normalize(x, dim=-1) if normalize else x

    def trace(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Trace:
        """What each layer gives for (B, T) token ids, and where each head looks; see `tracing.trace`."""
        from .tracing import trace

        return trace(self, input_ids, attention_mask)

    @torch.no_grad()
    def initialise(self) -> None:
        """Write fresh weights over all there are: matrices drawn from a normal distribution with
        standard deviation 0.02, biases zero, and other tensors as their modules start them.
        """
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                for name, parameter in module.named_parameters(recurse=False):
                    if name.endswith("bias"):
                        parameter.zero_()
                    else:
                        parameter.normal_(std=0.02)
            elif [*module.parameters(recurse=False), *module.buffers(recurse=False)]:
                reset = getattr(module, "reset_parameters", None)
                if reset is None:
                    raise TypeError(f"{type(module).__name__} needs a reset_parameters()")
                reset()
