"""What the templates see of a head: the expressions for its logits and for its loss."""

from __future__ import annotations

from dataclasses import dataclass

from archspec.architecture.model import Head


@dataclass(frozen=True)
class HeadView:
    """Expressions in the model's forward pass."""

    tied: bool
    bias: str | None
    """The bias of a tied head, which is a parameter of the model."""

    loss: str
    """The mean loss of states {0} and the next tokens' labels {1}."""

    logits: str
    """The logits of x, before any soft cap."""

    scale: str | None
    times: str
    """The same as a factor, to be appended."""

    softcap: str | None

    def loss_of(self, states: str, labels: str) -> str:
        """The expression for the mean loss of `states`, where `labels` name the tokens."""
        return self.loss.format(states, labels)

    @property
    def lines(self) -> list[str]:
        """The statements that give the logits of x, as `out`."""
        if self.softcap is None:
            return [f"out = {self.logits}"]
        capped = f"out = {self.softcap} * torch.tanh(logits / {self.softcap})"
        return [f"logits = {self.logits}", capped]


def head_view(head: Head, vocab_size: int) -> HeadView:
    """A linear layer of its own, or the vectors of all tokens."""
    scale = repr(head.scale) if head.scale is not None else None
    times = f" * {scale}" if scale else ""
    own = "self.lm_head_bias" if head.tied and head.bias else None
    loss, logits = "head_loss({0}, self.lm_head, {1})", "self.lm_head(x)"
    if head.tied:
        table = f"table(self.embed_tokens, {vocab_size}, {{}}.device)"
        logits = f"F.linear(x, {table.format('x')}{f', {own}' if own else ''})"
        loss = f"next_token_loss({{0}}, {table.format('{0}')}, {own}, {{1}})"
    return HeadView(
        tied=head.tied,
        bias=own,
        loss=loss,
        logits=logits + times,
        scale=scale,
        times=times,
        softcap=repr(head.softcap) if head.softcap else None,
    )
