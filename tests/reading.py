"""How a built model is called in tests, whatever it reads beside its tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from archspec.architecture.model import Architecture

SOURCE = 11
"""Tokens of an encoder's text."""

Inputs = dict[str, Any]


@dataclass(frozen=True)
class Reading:
    """The calls of one architecture's model."""

    architecture: Architecture

    @property
    def source_length(self) -> int:
        """Tokens of the encoder's text; 0 without an encoder."""
        return SOURCE if self.architecture.encoder else 0

    def source(self, batch: int) -> Inputs:
        """What the model reads beside its tokens: an encoder's text or states, else nothing."""
        encoder = self.architecture.encoder
        if encoder is None:
            return {}
        generator = torch.Generator().manual_seed(2)
        if encoder.layers:
            size = (1, SOURCE)
            read = torch.randint(self.architecture.vocab_size, size, generator=generator)
            return {"input_ids": read.expand(batch, -1)}
        read = torch.randn(1, SOURCE, self.architecture.hidden_size, generator=generator)
        read = read.to(torch.get_default_dtype())
        return {"encoder_states": read.expand(batch, -1, -1)}

    def inputs(self, tokens: Tensor, mask: Tensor | None = None, first: bool = True) -> Inputs:
        """The arguments for `tokens`; a call after the `first` of a cache has read the source."""
        if self.architecture.encoder is None:
            return {"input_ids": tokens} | ({} if mask is None else {"attention_mask": mask})
        source = self.source(tokens.shape[0])
        source = source if first else dict.fromkeys(source)
        given = {} if mask is None else {"decoder_attention_mask": mask}
        return {**source, "decoder_input_ids": tokens, **given}

    def new_cache(self, model: nn.Module, batch: int, length: int) -> Any:
        """An empty cache, with room for the source where there is one."""
        make: Callable[..., Any] = model.new_cache  # type: ignore[assignment]
        source = {"source_length": SOURCE} if self.architecture.encoder else {}
        return make(batch_size=batch, max_length=length, **source)

    def in_parts(
        self, model: nn.Module, parts: Sequence[Tensor], run: Callable[..., Tensor] | None = None
    ) -> Tensor:
        """What the model gives for `parts` of a text, one after the other."""
        length = sum(part.shape[1] for part in parts)
        cache = self.new_cache(model, parts[0].shape[0], length)
        given = [self.inputs(part, first=number == 0) for number, part in enumerate(parts)]
        call = model if run is None else run
        return torch.cat([call(**one, cache=cache) for one in given], dim=1)

    def labels(self, tokens: Tensor) -> Tensor:
        """What asks for the next token: the tokens, or with an encoder those after each."""
        if self.architecture.encoder is None:
            return tokens
        return nn.functional.pad(tokens[:, 1:], (0, 1), value=-100)

    def loss(self, model: nn.Module, tokens: Tensor, labels: Tensor) -> Tensor:
        """The loss as its definition says, from the logits."""
        mtp = self.architecture.mtp
        if self.architecture.encoder:
            logits = model(**self.inputs(tokens))
            return nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
        loss = next_token_loss(model(**self.inputs(tokens)), labels)
        if mtp:
            ahead: list[Tensor] = model.mtp_logits(tokens)  # type: ignore[operator]
            losses = [
                next_token_loss(logits, labels[:, number:])
                for number, logits in enumerate(ahead, start=1)
            ]
            loss = loss + mtp.loss_weight * torch.stack(losses).mean()
        return loss


def next_token_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """The mean cross-entropy of each next token."""
    return nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())
