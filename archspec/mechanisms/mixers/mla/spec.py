"""Multi-head latent attention (arXiv 2405.04434, section 2.1)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from archspec.architecture.graph import OperatorGraph
from archspec.architecture.mask import Mask
from archspec.mechanisms.base import Mechanism, State
from archspec.mechanisms.common.selection import fields as selection
from archspec.mechanisms.common.selection.fields import Selection
from archspec.mechanisms.mixers.attention.fields import Gate
from archspec.mechanisms.mixers.mla.graph import latent_graph
from archspec.spec.base import Factor, Size, reject
from archspec.spec.norm import OptionalNorm
from archspec.spec.rope import Rope


class LatentAttention(Mechanism):
    """Softmax attention whose keys and values are linear maps of one small latent per token.

    The stages, in order: project to latents → norm → rope → expand to heads → scores → values →
    gate → output.
    """

    attribute: ClassVar[str] = "self_attn"
    noun: ClassVar[str] = "LatentAttention"

    type: Literal["mla"]
    heads: Size = Field(description="Query heads; each has keys and values of its own.")
    query_rank: Size | None = Field(
        default=None, description="Width of the latent of queries; without it there is none."
    )
    kv_rank: Size = Field(description="Width of the latent that keys and values are made from.")
    nope_dim: Size = Field(description="Width of the part of a head that does not rotate.")
    rope_dim: Annotated[int, Field(ge=0, le=1 << 20)] = Field(
        description="Width of the part that rotates: one key of it serves all heads. May be 0."
    )
    value_head_dim: Size = Field(description="Width of one value head.")
    latent_bias: bool = Field(
        default=False, description="The layers that make the latents have biases."
    )
    output_bias: bool = Field(default=False, description="The output layer has a bias.")
    latent_norm: OptionalNorm = Field(default=None, description="A norm over each latent.")
    rope: Rope | None = Field(
        default=None, description="Rotary positions on the `rope_dim` part of queries and keys."
    )
    scale: Factor | None = Field(
        default=None,
        description="Multiplies the scores; (nope_dim + rope_dim)^-0.5 when left out.",
    )
    select: Selection | None = Field(
        default=None, description="Which of the earlier tokens are seen, where that is learned."
    )
    gate: Gate | None = Field(default=None, description="A gate on what attention gives.")

    @model_validator(mode="after")
    def _check(self) -> LatentAttention:
        if self.rope is None:
            return self
        if not self.rope_dim:
            reject("rope", "`rope_dim` is 0: there is nothing to rotate")
        if self.rope.fraction != 1:
            hint = "rope_dim is the width that rotates"
            reject(("rope", "fraction"), "all of `rope_dim` rotates", hint)
        self.rope.check(self.rope_dim, "rope_dim")
        return self

    @property
    def head_dim(self) -> int:
        """Width of one query or key head."""
        return self.nope_dim + self.rope_dim

    @property
    def kept_dim(self) -> int:
        """Width of what is kept for a token: the latent and the key that all heads share."""
        return self.kv_rank + self.rope_dim

    @property
    def score_scale(self) -> float:
        """What the scores are multiplied by."""
        return self.scale if self.scale is not None else self.head_dim**-0.5

    def mask(self) -> Mask:
        """Causal, or of what came before the best."""
        return selection.mask(self.select)

    def rotary(self) -> tuple[Rope, int] | None:
        """Its rotary positions and the width that they turn in."""
        return (self.rope, self.rope_dim) if self.rope else None

    def rotaries(self) -> dict[str, tuple[Rope, int]]:
        """The same, and that of the selection."""
        return super().rotaries() | selection.rotaries(self.select)

    def gives(self) -> str | None:
        """The tokens that it chose."""
        return selection.given(self.select)

    def takes(self) -> str | None:
        """The tokens that an earlier layer chose."""
        return selection.taken(self.select)

    def state(self) -> State:
        """A latent and a rotated key for each token, and what it is chosen by, for all heads."""
        return State(self.kept_dim + selection.kept_dim(self.select))

    def packs(self) -> bool:
        """Where it looks back at all of a text."""
        return not self.select

    def title(self) -> str:
        """The name on the block."""
        return "Sparse latent attention" if self.select else "Multi-head latent attention"

    def role(self) -> str:
        """Named by what it sees."""
        return "SparseLatentAttention" if self.select else "LatentAttention"

    def caption(self, hidden_size: int) -> str:
        """Its heads, their width, and what they read."""
        heads = f"{self.heads:,} heads" if self.heads > 1 else "1 head"
        kept = f"a latent of {self.kv_rank:,}"
        kept += f" and a shared key of {self.rope_dim}" if self.rope_dim else ""
        sees = f"the best {self.select.top_k:,}" if self.select else "all"
        return f"Attends to {sees} earlier tokens: {heads} of width {self.head_dim} read {kept}."

    def graph(self, hidden_size: int) -> OperatorGraph:
        """From the layer's input to its output, stage by stage."""
        return latent_graph(self, hidden_size)
