# Built by archspec 0.1.0 from layer-vectors.yaml; edit the spec and build again.
"""layer-vectors: 6 layers, 2 x near, whole, 2 x near_reader, whole_reader.

Shapes: B sequences, T new tokens, C = 128, the width of the residual stream.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import (
    NearAttention,
    NearReaderAttention,
    WholeAttention,
    WholeReaderAttention,
)
from .cache import Cache, KeyValueCache, RollingCache
from .feedforward import NearFeedForward, NearReaderFeedForward
from .loss import next_token_loss
from .norm import RMSNorm
from .per_layer import PerLayerEmbedding
from .step import Step, make_step


class NearLayer(nn.Module):
    """Grouped-query attention then feed-forward then per-layer embedding; 2 of 6 layers."""

    def __init__(self):
        super().__init__()
        self.input_layernorm = RMSNorm(128, eps=1e-06)
        self.self_attn = NearAttention()
        self.post_attention_layernorm = RMSNorm(128, eps=1e-06)
        self.pre_feedforward_layernorm = RMSNorm(128, eps=1e-06)
        self.mlp = NearFeedForward()
        self.post_feedforward_layernorm = RMSNorm(128, eps=1e-06)
        self.per_layer = PerLayerEmbedding()
        self.layer_scale = nn.Buffer(torch.ones(1))

    def forward(self, x: Tensor, step: Step, cache: RollingCache | None, vector: Tensor) -> Tensor:
        y = self.post_attention_layernorm(self.self_attn(self.input_layernorm(x), step, cache))
        x, y = self.pre_feedforward_layernorm.add(x, y)
        x = x + self.post_feedforward_layernorm(self.mlp(y))
        x = x + self.per_layer(x, vector)
        return self.layer_scale * x

    @staticmethod
    def new_cache(batch_size: int, max_length: int, like: Tensor) -> RollingCache:
        return NearAttention.new_cache(batch_size, max_length, like)


class WholeLayer(nn.Module):
    """Multi-query attention then feed-forward then per-layer embedding; 1 of 6 layers."""

    def __init__(self):
        super().__init__()
        self.input_layernorm = RMSNorm(128, eps=1e-06)
        self.self_attn = WholeAttention()
        self.post_attention_layernorm = RMSNorm(128, eps=1e-06)
        self.pre_feedforward_layernorm = RMSNorm(128, eps=1e-06)
        self.mlp = NearFeedForward()
        self.post_feedforward_layernorm = RMSNorm(128, eps=1e-06)
        self.per_layer = PerLayerEmbedding()
        self.layer_scale = nn.Buffer(torch.ones(1))

    def forward(self, x: Tensor, step: Step, cache: KeyValueCache | None, vector: Tensor) -> Tensor:
        y = self.post_attention_layernorm(self.self_attn(self.input_layernorm(x), step, cache))
        x, y = self.pre_feedforward_layernorm.add(x, y)
        x = x + self.post_feedforward_layernorm(self.mlp(y))
        x = x + self.per_layer(x, vector)
        return self.layer_scale * x

    @staticmethod
    def new_cache(batch_size: int, max_length: int, like: Tensor) -> KeyValueCache:
        return WholeAttention.new_cache(batch_size, max_length, like)


class NearReaderLayer(nn.Module):
    """Grouped-query attention then feed-forward then per-layer embedding; 2 of 6 layers."""

    def __init__(self):
        super().__init__()
        self.input_layernorm = RMSNorm(128, eps=1e-06)
        self.self_attn = NearReaderAttention()
        self.post_attention_layernorm = RMSNorm(128, eps=1e-06)
        self.pre_feedforward_layernorm = RMSNorm(128, eps=1e-06)
        self.mlp = NearReaderFeedForward()
        self.post_feedforward_layernorm = RMSNorm(128, eps=1e-06)
        self.per_layer = PerLayerEmbedding()
        self.layer_scale = nn.Buffer(torch.ones(1))

    def forward(self, x: Tensor, step: Step, cache: None, vector: Tensor) -> Tensor:
        y = self.post_attention_layernorm(self.self_attn(self.input_layernorm(x), step))
        x, y = self.pre_feedforward_layernorm.add(x, y)
        x = x + self.post_feedforward_layernorm(self.mlp(y))
        x = x + self.per_layer(x, vector)
        return self.layer_scale * x

    @staticmethod
    def new_cache(batch_size: int, max_length: int, like: Tensor) -> None:
        return None


class WholeReaderLayer(nn.Module):
    """Multi-query attention then feed-forward then per-layer embedding; 1 of 6 layers."""

    def __init__(self):
        super().__init__()
        self.input_layernorm = RMSNorm(128, eps=1e-06)
        self.self_attn = WholeReaderAttention()
        self.post_attention_layernorm = RMSNorm(128, eps=1e-06)
        self.pre_feedforward_layernorm = RMSNorm(128, eps=1e-06)
        self.mlp = NearReaderFeedForward()
        self.post_feedforward_layernorm = RMSNorm(128, eps=1e-06)
        self.per_layer = PerLayerEmbedding()
        self.layer_scale = nn.Buffer(torch.ones(1))

    def forward(self, x: Tensor, step: Step, cache: None, vector: Tensor) -> Tensor:
        y = self.post_attention_layernorm(self.self_attn(self.input_layernorm(x), step))
        x, y = self.pre_feedforward_layernorm.add(x, y)
        x = x + self.post_feedforward_layernorm(self.mlp(y))
        x = x + self.per_layer(x, vector)
        return self.layer_scale * x

    @staticmethod
    def new_cache(batch_size: int, max_length: int, like: Tensor) -> None:
        return None


LAYERS = 2 * [NearLayer] + [WholeLayer] + 2 * [NearReaderLayer] + [WholeReaderLayer]


class Model(nn.Module):
    """Token ids to logits, with the token embedding's weight: 6 layers, 1,351,958 parameters."""

    def __init__(self):
        super().__init__()
        self.embed_tokens = nn.Embedding(512, 128)
        self.embed_tokens_per_layer = nn.Embedding(512, 6 * 16)
        self.per_layer_projection = nn.Linear(128, 6 * 16, bias=False)
        self.per_layer_norm = RMSNorm(16, eps=1e-06)
        self.layers = nn.ModuleList(layer() for layer in LAYERS)
        self.norm = RMSNorm(128, eps=1e-06)
        self.initialise()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        cache: Cache | None = None,
        text_ids: Tensor | None = None,
    ) -> Tensor:
        """Read tokens and return logits (B, T, 512), or the loss when there are labels.

        Args:
            input_ids: (B, T) token ids.
            attention_mask: (B, T), 1 for a real token and 0 for padding, on either side.
            labels: (B, T) token ids, −100 where there is none; the loss is the mean next-token
                cross-entropy.
            cache: from `new_cache`; the tokens continue the text that it holds.
            text_ids: (B, T), numbers from 0, where texts stand side by side in a row: equal ones
                next to each other are one text, which sees nothing of the others and is
                counted from its first token. It takes no cache.
        """
        batch, tokens = input_ids.shape
        start = cache.length if cache is not None else 0
        if cache is not None and start + tokens > cache.max_length:
            raise ValueError(f"{start + tokens} tokens; the cache holds {cache.max_length}")
        padding = attention_mask.bool() if attention_mask is not None else None
        if cache is not None:
            padding = cache.extend_padding(padding, batch, tokens)
        if text_ids is not None:
            if cache is not None:
                raise ValueError("packed texts are read at once, without a cache")
            if padding is not None:  # which is a text of its own
                text_ids = torch.where(padding, text_ids, -1)
            if labels is not None:  # no text is asked for the first token of the next
                begins = F.pad(text_ids[:, 1:] != text_ids[:, :-1], (1, 0))
                labels = labels.masked_fill(begins, -100)
        step = make_step(start, tokens, padding, self.embed_tokens.weight, texts=text_ids)
        x = self.embed_tokens(input_ids) * 11.313708498984761  # (B, T, C)
        vectors = self.layer_vectors(input_ids, x)
        for index, layer in enumerate(self.layers):
            kept = cache.layers[index] if cache is not None else None
            x = layer(x, step, kept, vectors[:, :, index])
        if cache is not None:
            cache.length += tokens
        x = self.norm(x)
        if labels is not None:
            return next_token_loss(x, self.embed_tokens.weight, None, labels)
        logits = F.linear(x, self.embed_tokens.weight)
        return 30.0 * torch.tanh(logits / 30.0)

    def layer_vectors(self, input_ids: Tensor, x: Tensor) -> Tensor:
        """A vector of each token for every layer, from a table and from x: (B, T, 6, 16)."""
        shape = (*input_ids.shape, 6, 16)
        vectors = self.embed_tokens_per_layer(input_ids).view(shape) * 4.0
        projected = self.per_layer_projection(x).view(shape)
        return (self.per_layer_norm(projected) + vectors) * 0.5

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
