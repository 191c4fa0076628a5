"""The modules of multi-token prediction, in the intermediate representation."""

from __future__ import annotations

from dataclasses import dataclass

from archspec.architecture.block import Block
from archspec.architecture.graph import INPUT, GraphBuilder, Operator, OperatorGraph, linear
from archspec.architecture.operators import norm_operator
from archspec.spec.norm import Norm


@dataclass(frozen=True)
class MtpModules:
    """`depth` modules, each with a layer of the kind `block`; see the language's `mtp`."""

    depth: int
    block: Block
    loss_weight: float
    norm: Norm

    def graph(self, hidden_size: int) -> OperatorGraph:
        """One module, from the last hidden state to what the head reads."""
        width = (hidden_size,)
        build = GraphBuilder(hidden_size)
        hidden = build.add(norm_operator("hidden_norm", self.norm, hidden_size), INPUT)
        token = build.add(Operator("next_token", "shared", "Vector of the next token", width))
        token = build.add(norm_operator("token_norm", self.norm, hidden_size), token)
        joint = build.add(Operator("join", "join", "Joined", (2 * hidden_size,)), hidden, token)
        x = build.add(linear("proj", "Linear", 2 * hidden_size, width), joint)
        inside = self.block.graph(hidden_size)
        x = build.add(Operator("layer", "module", self.block.name, width, inside=inside), x)
        return build.done(build.add(norm_operator("norm", self.norm, hidden_size), x))
