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

    states: str
    """What it reads of the last states x."""

    loss: str
    """The loss of states {0} and the label of each, {1}."""

    logits: str
    """The logits of x, before any soft cap."""

    scale: str | None
    times: str
    """The same as a factor, to be appended."""

    softcap: str | None

    def loss_of(self, states: str, labels: str) -> str:
        """The expression for the loss of `states`, whose next tokens are `labels`."""
        return self.loss.format(states, labels)

    @property
    def lines(self) -> list[str]:
        """The statements that return the logits of x."""
        lines = [f"x = {self.states}"] if self.states != "x" else []
        if self.softcap is None:
            return [*lines, f"return {self.logits}"]
        capped = f"return {self.softcap} * torch.tanh(logits / {self.softcap})"
        return [*lines, f"logits = {self.logits}", capped]


def head_view(head: Head, vocab_size: int, widens: bool) -> HeadView:
    """A linear layer of its own or the vectors of all tokens, which are narrower if it `widens`."""
    scale = repr(head.scale) if head.scale is not None else None
    times = f" * {scale}" if scale else ""
    own = "self.lm_head_bias" if head.tied and head.bias else None
    loss, logits = "head_loss({0}, self.lm_head, {1}, reduction)", "self.lm_head(x)"
    if head.tied:
        table = f"table(self.embed_tokens, {vocab_size}, x.device)"
        logits = f"F.linear(x, {table}{f', {own}' if own else ''})"
        loss = f"token_loss({{0}}, {table}, {own}, {{1}}, reduction)"
    return HeadView(
        tied=head.tied,
        bias=own,
        states="self.embed_out(x)" if widens else "x",
        loss=loss,
        logits=logits + times,
        scale=scale,
        times=times,
        softcap=repr(head.softcap) if head.softcap else None,
    )
