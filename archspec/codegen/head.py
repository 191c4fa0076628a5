"""What the templates see of a head: the expressions for its logits, its weight and its bias."""

from __future__ import annotations

from dataclasses import dataclass

from archspec.architecture import Head


@dataclass(frozen=True)
class HeadView:
    """Expressions in the model's forward pass."""

    weight: str
    bias: str
    logits: str
    """The logits of x, before any soft cap."""

    scale: str | None
    times: str
    """The same as a factor, to be appended."""

    softcap: str | None

    @property
    def lines(self) -> list[str]:
        """The statements that give the logits of x, as `out`."""
        if self.softcap is None:
            return [f"out = {self.logits}"]
        capped = f"out = {self.softcap} * torch.tanh(logits / {self.softcap})"
        return [f"logits = {self.logits}", capped]


def head_view(head: Head) -> HeadView:
    """A linear layer of its own, or the token embedding's weight."""
    scale = repr(head.scale) if head.scale is not None else None
    times = f" * {scale}" if scale else ""
    weight = "self.embed_tokens.weight" if head.tied else "self.lm_head.weight"
    bias = "self.lm_head_bias" if head.tied else "self.lm_head.bias"
    logits = "self.lm_head(x)"
    if head.tied:
        logits = f"F.linear(x, {weight}{f', {bias}' if head.bias else ''})"
    return HeadView(
        weight,
        bias if head.bias else "None",
        logits + times,
        scale,
        times,
        repr(head.softcap) if head.softcap else None,
    )
