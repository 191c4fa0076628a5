"""Decoding's gradients: what joins or changes scores, in statements of PyTorch.

They are written out for one new token, for all kinds of a package in one function.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from archspec.kernels.attention.extra_tensors import Beside
from archspec.kernels.attention.heads import Heads

Lines = tuple[str, ...]

CAP = (
    "tanhs = scores.new_zeros(())",
    "if softcap is not None:",
    "    tanhs = torch.tanh(scores / softcap)",
    "    scores = softcap * tanhs",
)
SLOPES = (
    "if slopes is not None:",
    "    behind = torch.arange(1 - keys, 1, device=q.device)",
    "    scores = scores + slopes.view(kv_heads, -1, 1) * behind",
)
BIASES = (
    "if relative is not None:",
    "    behind = torch.arange(keys - 1, -1, -1, device=q.device).clamp(max=relative.shape[1] - 1)",
    "    scores = scores + relative.float()[:, behind].view(kv_heads, -1, keys)",
)
BIASES_LEARN = (
    "drelative = None",
    "if relative is not None:",
    "    by_distance = (ds / scale).sum(dim=0).view(-1, keys).flip(1)",
    "    cut = (relative.shape[1] - 1, keys - relative.shape[1] + 1)",
    "    near, far = by_distance.split(cut, dim=1)",
    "    drelative = torch.cat((near, far.sum(dim=1, keepdim=True)), dim=1).to(relative.dtype)",
)
BLOCKS = (
    "if blocks is not None:",
    '    scores = scores.masked_fill(~Blocks(*blocks).seen(k), float("-inf"))',
)
SINKS = (
    "if sinks is not None:",
    "    lse = torch.logaddexp(lse, sinks.float().view(kv_heads, -1, 1))",
)
SINKS_LEARN = (
    "dsinks = None",
    "if sinks is not None:",
    "    p = (sinks.float().view(kv_heads, -1, 1) - lse).exp()",
    "    dsinks = -(p * delta).sum(dim=0).flatten().to(sinks.dtype)",
)
GATE_LEARNS = (
    "dgate = None",
    "if gate is not None:",
    "    out = p @ v.float()  # what was gated",
    "    gates = gate.view(batch, kv_heads, rows.shape[2], -1).float()  # of each number, or head",
    "    opened = GATES[activation](gates)",
    '    slope = opened * (1 - opened) if activation == "sigmoid" else torch.sigmoid(gates)',
    "    dgate = (dout * out * slope).sum_to_size(gates.shape).view_as(gate).to(gate.dtype)",
    "    dout = dout * opened",
)


@dataclass(frozen=True)
class OneToken:
    """Of all shapes of a package together."""

    beside: Beside
    capped: bool
    blocks: bool

    @staticmethod
    def of(beside: Beside, shapes: Sequence[Heads]) -> OneToken:
        """Of these shapes, with the tensors that any kind has."""
        capped = any(shape.softcap for shape in shapes)
        return OneToken(beside, capped, blocks=any(shape.blocks for shape in shapes))

    @property
    def counting(self) -> Lines:
        """Before keys are shared out: how many are seen."""
        return ("seen = Blocks(*blocks).count(keys) if blocks else keys",) if self.blocks else ()

    @property
    def seen(self) -> str:
        """The expression for that."""
        return "seen" if self.blocks else "keys"

    @property
    def joining(self) -> Lines:
        """From products to scores."""
        found = CAP if self.capped else ()
        found += SLOPES if self.beside.slopes else ()
        return found + (BIASES if self.beside.relative else ())

    @property
    def hiding(self) -> Lines:
        """What is not seen of a text, beside padding."""
        return BLOCKS if self.blocks else ()

    @property
    def summing(self) -> Lines:
        """What joins the sum of a softmax."""
        return SINKS if self.beside.sinks else ()

    @property
    def gating(self) -> Lines:
        """Between what was gated and what came of it."""
        return GATE_LEARNS if self.beside.gate else ()

    @property
    def to_products(self) -> Lines:
        """From gradients of scores to those of products."""
        return ("ds = ds * (1 - tanhs.square())",) if self.capped else ()

    @property
    def learning(self) -> Lines:
        """The gradients of what queries, keys and values do not give."""
        found = SINKS_LEARN if self.beside.sinks else ()
        return found + (BIASES_LEARN if self.beside.relative else ())
