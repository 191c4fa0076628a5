# Built by archspec 0.1.0 from sparse.yaml; edit the spec and build again.
"""sparse: 6 layers, dense, 5 x sparse.

Shapes: B sequences, T new tokens, C = 128, the width of the residual stream.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import Attention
from .cache import Cache, KeyValueCache
from .experts import MixtureOfExperts
from .feedforward import FeedForward
from .loss import next_token_loss
from .norm import RMSNorm
from .step import Step, make_step


class DenseLayer(nn.Module):
    """Grouped-query attention then feed-forward; 1 of 6 layers."""

    def __init__(self):
        super().__init__()
        self.input_layernorm = RMSNorm(128, eps=1e-06)
        self.self_attn = Attention()
        self.post_attention_layernorm = RMSNorm(128, eps=1e-06)
        self.mlp = FeedForward()

    def forward(self, x: Tensor, step: Step, cache: KeyValueCache | None) -> Tensor:
        y = self.self_attn(self.input_layernorm(x), step, cache)
        x, y = self.post_attention_layernorm.add(x, y)
        x = x + self.mlp(y)
        return x

    @staticmethod
    def new_cache(batch_size: int, max_length: int, like: Tensor) -> KeyValueCache:
        return Attention.new_cache(batch_size, max_length, like)


class SparseLayer(nn.Module):
    """Grouped-query attention then mixture of experts; 5 of 6 layers."""

    def __init__(self):
        super().__init__()
        self.input_layernorm = RMSNorm(128, eps=1e-06)
        self.self_attn = Attention()
        self.post_attention_layernorm = RMSNorm(128, eps=1e-06)
        self.mlp = MixtureOfExperts()

    def forward(self, x: Tensor, step: Step, cache: KeyValueCache | None) -> Tensor:
        y = self.self_attn(self.input_layernorm(x), step, cache)
        x, y = self.post_attention_layernorm.add(x, y)
        x = x + self.mlp(y)
        return x

    @staticmethod
    def new_cache(batch_size: int, max_length: int, like: Tensor) -> KeyValueCache:
        return Attention.new_cache(batch_size, max_length, like)


LAYERS = [DenseLayer] + 5 * [SparseLayer]


class Model(nn.Module):
    """Token ids to logits: 6 layers, 2,726,552 parameters."""

    def __init__(self):
        super().__init__()
        self.embed_tokens = nn.Embedding(1024, 128)
        self.layers = nn.ModuleList(layer() for layer in LAYERS)
        self.norm = RMSNorm(128, eps=1e-06)
        self.lm_head = nn.Linear(128, 1024, bias=False)
        self.initialise()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        cache: Cache | None = None,
        text_ids: Tensor | None = None,
    ) -> Tensor:
        """Read tokens and return logits (B, T, 1024), or the loss when there are labels.

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
        x = self.embed_tokens(input_ids)  # (B, T, C)
        for index, layer in enumerate(self.layers):
            x = layer(x, step, cache.layers[index] if cache is not None else None)
        if cache is not None:
            cache.length += tokens
        x = self.norm(x)
        if labels is not None:
            return next_token_loss(x, self.lm_head.weight, None, labels)
        return self.lm_head(x)

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
