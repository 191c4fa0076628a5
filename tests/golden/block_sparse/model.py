# Built by archspec 0.1.0 from block-sparse.yaml; edit the spec and build again.
"""block-sparse: 8 layers, 4 x (dense, striped).

Shapes: B sequences, T new tokens, C = 128, the width of the residual stream.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import BlockSparseAttention, GlobalAttention
from .cache import Cache, KeyValueCache
from .feedforward import FeedForward
from .loss import next_token_loss
from .step import Step, make_step


class DenseLayer(nn.Module):
    """Grouped-query attention then feed-forward; 4 of 8 layers."""

    def __init__(self):
        super().__init__()
        self.input_layernorm = nn.LayerNorm(128, eps=1e-05)
        self.self_attn = GlobalAttention()
        self.post_attention_layernorm = nn.LayerNorm(128, eps=1e-05)
        self.mlp = FeedForward()

    def forward(self, x: Tensor, step: Step, cache: KeyValueCache | None) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), step, cache)
        x = x + self.mlp(self.post_attention_layernorm(x))
        return x

    @staticmethod
    def new_cache(batch_size: int, max_length: int, like: Tensor) -> KeyValueCache:
        return GlobalAttention.new_cache(batch_size, max_length, like)


class StripedLayer(nn.Module):
    """Block-sparse grouped-query attention then feed-forward; 4 of 8 layers."""

    def __init__(self):
        super().__init__()
        self.input_layernorm = nn.LayerNorm(128, eps=1e-05)
        self.self_attn = BlockSparseAttention()
        self.post_attention_layernorm = nn.LayerNorm(128, eps=1e-05)
        self.mlp = FeedForward()

    def forward(self, x: Tensor, step: Step, cache: KeyValueCache | None) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), step, cache)
        x = x + self.mlp(self.post_attention_layernorm(x))
        return x

    @staticmethod
    def new_cache(batch_size: int, max_length: int, like: Tensor) -> KeyValueCache:
        return BlockSparseAttention.new_cache(batch_size, max_length, like)


LAYERS = 4 * [DenseLayer, StripedLayer]


class Model(nn.Module):
    """Token ids to logits, with the token embedding's weight: 8 layers, 1,718,528 parameters."""

    def __init__(self):
        super().__init__()
        self.embed_tokens = nn.Embedding(1024, 128)
        self.layers = nn.ModuleList(layer() for layer in LAYERS)
        self.norm = nn.LayerNorm(128, eps=1e-05)
        self.initialise()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        cache: Cache | None = None,
    ) -> Tensor:
        """Read tokens and return logits (B, T, 1024), or the loss when there are labels.

        Args:
            input_ids: (B, T) token ids.
            attention_mask: (B, T), 1 for a real token and 0 for padding, on either side.
            labels: (B, T) token ids, −100 where there is none; the loss is the mean next-token
                cross-entropy.
            cache: from `new_cache`; the tokens continue the text that it holds.
        """
        batch, tokens = input_ids.shape
        start = cache.length if cache is not None else 0
        if cache is not None and start + tokens > cache.max_length:
            raise ValueError(f"{start + tokens} tokens; the cache holds {cache.max_length}")
        padding = attention_mask.bool() if attention_mask is not None else None
        if cache is not None:
            padding = cache.extend_padding(padding, batch, tokens)
        step = make_step(start, tokens, padding, self.embed_tokens.weight)
        x = self.embed_tokens(input_ids)  # (B, T, C)
        for index, layer in enumerate(self.layers):
            x = layer(x, step, cache.layers[index] if cache is not None else None)
        if cache is not None:
            cache.length += tokens
        x = self.norm(x)
        if labels is not None:
            return next_token_loss(x, self.embed_tokens.weight, None, labels)
        return F.linear(x, self.embed_tokens.weight)

    def new_cache(self, batch_size: int, max_length: int) -> Cache:
        """An empty cache for texts of up to `max_length` tokens, of the weights' type and place."""
        like = self.embed_tokens.weight
        layers = [layer.new_cache(batch_size, max_length, like) for layer in LAYERS]
        return Cache(layers, max_length)

    def generate(
        self,
        input_ids: Tensor,
        max_new_tokens: int,
        temperature: float = 0.0,
        attention_mask: Tensor | None = None,
        stop_tokens: tuple[int, ...] = (),
    ) -> Tensor:
        """Continue (B, T) token ids by up to `max_new_tokens`; see `generate.generate`."""
        from .generate import generate

        return generate(self, input_ids, max_new_tokens, temperature, attention_mask, stop_tokens)

    @torch.no_grad()
    def initialise(self) -> None:
        """Draw fresh weights: matrices normal with standard deviation 0.02, biases zero."""
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
            elif parameter.ndim > 1:
                parameter.normal_(std=0.02)
