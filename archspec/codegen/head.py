"""What the templates see of a head: the expressions for its logits and for its loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from archspec.architecture.model import Head

OWNED = {"scale": "logit_scale", "softcap": "logit_softcap"}
"""What the model calls each number that it changes logits by."""


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

    numbers: Mapping[str, float]
    """What logits are changed by, by the keys of `OWNED`: the model owns it, the loss is told."""

    @property
    def members(self) -> list[str]:
        """The statements by which the model owns these."""
        return [f"{OWNED[name]} = {value!r}" for name, value in self.numbers.items()]

    @property
    def typed(self) -> str:
        """They as arguments of a function."""
        return "".join(f", {name}: float" for name in self.numbers)

    @property
    def passed(self) -> str:
        """They as such a function passes them on."""
        return "".join(f", {name}" for name in self.numbers)

    @property
    def constants(self) -> str:
        """They as a kernel takes them."""
        return "".join(f"{name.upper()}: tl.constexpr, " for name in self.numbers)

    @property
    def scale(self) -> bool:
        """Whether logits are multiplied by a number."""
        return "scale" in self.numbers

    @property
    def times(self) -> str:
        """The factor in a kernel, to be appended."""
        return " * SCALE" if self.scale else ""

    @property
    def softcap(self) -> bool:
        """Whether logits have a soft cap."""
        return "softcap" in self.numbers

    def loss_of(self, states: str, labels: str) -> str:
        """The expression for the loss of `states`, whose next tokens are `labels`."""
        return self.loss.format(states, labels)

    @property
    def lines(self) -> list[str]:
        """The statements that return the logits of x."""
        lines = [f"x = {self.states}"] if self.states != "x" else []
        if not self.softcap:
            return [*lines, f"return {self.logits}"]
        cap = f"self.{OWNED['softcap']}"
        return [*lines, f"logits = {self.logits}", f"return {cap} * torch.tanh(logits / {cap})"]


def head_view(head: Head, vocab_size: int, widens: bool) -> HeadView:
    """A linear layer of its own or the vectors of all tokens, which are narrower if it `widens`."""
    given = {"scale": head.scale, "softcap": head.softcap or None}
    numbers = {name: value for name, value in given.items() if value is not None}
    told = "".join(f", self.{OWNED[name]}" for name in numbers)
    own = "self.lm_head_bias" if head.tied and head.bias else None
    loss, logits = f"head_loss({{0}}, self.lm_head, {{1}}{told}, reduction)", "self.lm_head(x)"
    if head.tied:
        table = f"table(self.embed_tokens, {vocab_size}, x.device)"
        logits = f"F.linear(x, {table}{f', {own}' if own else ''})"
        loss = f"token_loss({{0}}, {table}, {own}, {{1}}{told}, reduction)"
    times = f" * self.{OWNED['scale']}" if "scale" in numbers else ""
    return HeadView(
        tied=head.tied,
        bias=own,
        states="self.embed_out(x)" if widens else "x",
        loss=loss,
        logits=logits + times,
        numbers=numbers,
    )
