# Built by archspec 0.1.0 from block-sparse.yaml; edit the spec and build again.
"""block-sparse: 8 layers, 4 x (dense, striped).

Shapes: B sequences, T new tokens, C = 128, the width of the residual stream.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import BlockSparseAttention, GlobalAttention
from .cache import Cache, KeyValueCache
from .checks import check_tokens, embedded
from .feedforward import FeedForward
from .loss import next_labels, token_loss
from .padding import front
from .plain import table
from .step import Step, make_step

if TYPE_CHECKING:
    from .tracing import Trace


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
        return x + self.mlp(self.post_attention_layernorm(x))

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
        return x + self.mlp(self.post_attention_layernorm(x))

    @staticmethod
    def new_cache(batch_size: int, max_length: int, like: Tensor) -> KeyValueCache:
        return BlockSparseAttention.new_cache(batch_size, max_length, like)


LAYERS = 4 * [DenseLayer, StripedLayer]


class Model(nn.Module):
    """Token ids to logits, with the token embedding's weight: 8 layers, 1,718,528 parameters."""

    def __init__(self):
        super().__init__()
        device = torch.get_default_device()
        # What modules draw as they are made is drawn over, and takes no random numbers from it.
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            self.embed_tokens = nn.Embedding(1024, 128)
            self.layers = nn.ModuleList(layer() for layer in LAYERS)
            self.norm = nn.LayerNorm(128, eps=1e-05)
        self.initialise()

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        cache: Cache | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        reduction: str = "mean",
        last_only: bool = False,
    ) -> Tensor:
        """Read tokens and return logits (B, T, 1024), or with labels the loss.

        Args:
            input_ids: (B, T) token ids.
            attention_mask: (B, T), 1 for a real token and 0 for padding, wherever that is.
            labels: (B, T) token ids, −100 where there is none; the loss is the next-token
                cross-entropy.
            cache: from `new_cache`; the tokens continue the text that it holds.
            position_ids: (B, T), where tokens stand, in place of a count from 0 in each
                text, for what turns or adds positions; what a token sees goes by its place.
                A cache counts tokens, not these: they are given in each call, or in none.
            inputs_embeds: (B, T, 128), vectors as the embedding gives them,
                in place of `input_ids`.
            reduction: What becomes of the losses of all labels: their "mean", their "sum", or
                "none": each by itself, (B, T), 0 without a label. `count_labels` counts them.
            last_only: Whether to give the logits of the last place alone, (B, 1, V): what
                `generate` reads, and all that it computes.
        """
        check_tokens(input_ids, inputs_embeds, labels=labels)
        x, step = self.read(input_ids, attention_mask, cache, position_ids, inputs_embeds)
        if labels is not None:
            asked = next_labels(labels, attention_mask)
            out = token_loss(x, table(self.embed_tokens, 1024, x.device), None, asked, reduction)
        else:
            out = self.logits(x[:, -1:] if last_only else x)
        if cache is not None:
            cache.count(step, x.shape[1])
        return out

    def hidden_states(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        cache: Cache | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
    ) -> Tensor:
        """What the head reads of each token, (B, T, 128); the arguments are those of a call."""
        x, step = self.read(input_ids, attention_mask, cache, position_ids, inputs_embeds)
        if cache is not None:
            cache.count(step, x.shape[1])
        return x

    def read(
        self,
        input_ids: Tensor | None,
        attention_mask: Tensor | None,
        cache: Cache | None,
        position_ids: Tensor | None,
        inputs_embeds: Tensor | None,
    ) -> tuple[Tensor, Step]:
        """What the head reads of each token, (B, T, C), and the step; no cache counts it yet."""
        batch, tokens = check_tokens(input_ids, inputs_embeds, position_ids=position_ids)
        start = cache.room(batch, tokens) if cache is not None else 0
        fronted = real = None
        if attention_mask is not None:  # the real tokens of each row to its front
            fronted = front(attention_mask, (batch, tokens))
            real = fronted.real
            input_ids, inputs_embeds, position_ids = fronted.move_all(
                input_ids, inputs_embeds, position_ids
            )
        if inputs_embeds is not None:
            x = inputs_embeds
        else:
            x = embedded(self.embed_tokens, input_ids)  # (B, T, C)
        step = make_step(
            start,
            tokens,
            real,
            x,
            cache.lengths if cache is not None else None,
            position_ids=position_ids,
        )
        for index, layer in enumerate(self.layers):
            x = layer(x, step, cache.layers[index] if cache is not None else None)
        x = self.norm(x)
        if fronted is not None:
            x = fronted.back(x)
        return x, step

    def logits(self, x: Tensor) -> Tensor:
        """The head: (B, T, 128) → (B, T, 1024)."""
        return F.linear(x, table(self.embed_tokens, 1024, x.device))

    def new_cache(self, batch_size: int, max_length: int) -> Cache:
        """An empty cache for texts of up to `max_length` tokens, of the weights' type and place."""
        weight = next(self.parameters())
        like = torch.empty(0, dtype=weight.dtype, device=weight.device)
        stack = cast("Iterable[Any]", self.layers)
        layers = [layer.new_cache(batch_size, max_length, like) for layer in stack]
        return Cache(layers, batch_size, max_length)

    def generate(
        self,
        input_ids: Tensor,
        max_new_tokens: int,
        temperature: float = 0.0,
        attention_mask: Tensor | None = None,
        stop_tokens: int | Iterable[int] | Tensor = (),
    ) -> Tensor:
        """Continue (B, T) token ids by up to `max_new_tokens`; see `generate.generate`."""
        from .generate import generate

        return generate(self, input_ids, max_new_tokens, temperature, attention_mask, stop_tokens)

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
