"""One class of attention as `module.py.jinja` sees it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from archspec.codegen.members import Member, product
from archspec.codegen.rotary import Turn
from archspec.kernels.attention.hopper import HopperView, hopper_view
from archspec.kernels.attention.view import KernelView
from archspec.mechanisms.common.selection.view import SelectionView
from archspec.mechanisms.mixers.attention.scores import Scores
from archspec.mechanisms.mixers.attention.stages import TemperatureView


@dataclass(frozen=True)
class AttentionView(Scores):
    """One attention class."""

    class_name: str
    caption: str
    hidden_size: int
    heads: int
    kv_heads: int
    head_dim: int
    value_head_dim: int
    qkv_bias: bool
    key_bias: bool
    template: str
    output_bias: bool
    own_values: bool
    takes: str | None
    gives: str | None
    clip_qkv: float | None
    width_norm: bool
    modules: tuple[Member, ...]
    starts: tuple[str, ...]
    """The statements that write what its own tensors start as."""

    stages: tuple[str, ...]
    turn: Turn | None
    temperature: TemperatureView | None
    select: SelectionView | None
    cache: str | None
    kept_of: str
    """Whose length its cache has room for."""

    bounds: str
    """The expression for where the keys of each text begin and end."""

    kernel: KernelView | None
    factor: float
    """What scores are multiplied by."""

    distances: int | None
    """How many have a learned bias, that of none included; where there are such."""

    absorbs: bool = False
    file: str = "attention"
    """The module of its class."""

    only: tuple[str, ...] = ("q", "k", "v")
    """What the stages at hand work on."""

    def project(self, name: str) -> str:
        """The expression for q, k or v before it is cut into heads."""
        made = f"self.{name}_proj(x)"
        if not self.width_norm or name == "v":
            return made
        clip = f".clamp(-{self.clip_qkv!r}, {self.clip_qkv!r})" if self.clip_qkv is not None else ""
        return f"self.{name}_norm({made}{clip})"

    @property
    def keys(self) -> str:
        """The expression for the key heads."""
        return self._cut(self.project("k"), self.head_dim)

    @property
    def values(self) -> str:
        """The expression for the value heads."""
        if not self.own_values:
            return "k"
        return self._cut(self.project("v"), self.value_head_dim)

    def _cut(self, made: str, width: int) -> str:
        if self.kv_heads == 1:
            return f"{made}[:, None]"
        return f"{made}.view(batch, tokens, -1, {width}).transpose(1, 2)"

    @property
    def clipped(self) -> list[str]:
        """What is clipped after it is cut into heads."""
        # A norm over all heads comes before the cut, and the clip before the norm.
        names = ["v"] if self.width_norm else ["q", "k", "v"]
        return [name for name in names if name in self.only]

    @property
    def turned(self) -> list[str]:
        """What is normed and rotated here."""
        return [name for name in ("q", "k") if name in self.only]

    def part(self, *names: str) -> AttentionView:
        """The same where the stages work on some of q, k and v alone."""
        first = {"clip": self.clipped, "v_norm": ["v"], "temperature": ["q"]}
        stages = (s for s in self.stages if set(first.get(s, self.turned)) & set(names))
        return replace(self, only=names, stages=tuple(stages))

    @property
    def q_width(self) -> str:
        """The width of all queries, as a product where there are several heads."""
        return product(self.heads, self.head_dim)

    @property
    def k_width(self) -> str:
        """The width of all keys."""
        return product(self.kv_heads, self.head_dim)

    @property
    def v_width(self) -> str:
        """The width of all values."""
        return product(self.kv_heads, self.value_head_dim)

    @property
    def o_width(self) -> str:
        """The width of what attention gives."""
        return product(self.heads, self.value_head_dim)

    @property
    def arguments(self) -> str:
        """What a layer passes it after x."""
        return ", step, cache" if self.cache else ", step"

    @property
    def decode_kernel(self) -> KernelView | None:
        """The kernels, where a call may bring a single new token."""
        return self.kernel if self.kernel and self.kernel.decodes else None

    @property
    def asked(self) -> dict[str, Any]:
        """What it asks of its kernels, as a benchmark is told: counts, widths and numbers."""
        gate = self.kernel and self.kernel.gate
        return {
            "heads": self.heads,
            "kv_heads": self.kv_heads,
            "window": self.window,
            "chunk": self.chunk,
            "blocks": self.blocks and asdict(self.blocks),
            "scale": self.factor,
            "softcap": self.softcap,
            "relative": self.distances,
            "gate": {"per": gate.per, "activation": self.activation} if gate else None,
        }

    @property
    def paged_kernel(self) -> KernelView | None:
        """The kernels, where its keys may lie in pages."""
        return self.kernel if self.kernel and self.kernel.paged else None

    @property
    def hopper(self) -> HopperView | None:
        """The kernel for Hopper GPUs, where there is one for its shape."""
        return hopper_view(self.kernel)

    @property
    def kept(self) -> str:
        """How many tokens its cache has room for."""
        return f"min(cls.{self.reach}, {self.kept_of})" if self.reach else self.kept_of
