"""One class of attention as `module.py.jinja` sees it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from archspec.codegen.members import Member, product
from archspec.codegen.rotary import Turn
from archspec.kernels.attention.hopper import HopperView, hopper_view
from archspec.kernels.attention.view import KernelView
from archspec.mechanisms.common.selection.view import SelectionView
from archspec.mechanisms.mixers.attention.finish import Finish
from archspec.mechanisms.mixers.attention.functions import Attend
from archspec.mechanisms.mixers.attention.scores import Scores
from archspec.mechanisms.mixers.attention.stages import TemperatureView

_ALIKE = "(step.starts is None or tokens == 1)"


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
    prefix_lm: bool
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
    finish: Finish
    select: SelectionView | None
    cache: str | None
    kept_of: str
    """Whose length its cache has room for."""

    bounds: str
    """The expression for where the keys of each text begin and end."""

    function: Attend
    kernel: KernelView | None
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
    def attend(self) -> str:
        """The function that it calls."""
        return self.function.name

    @property
    def decode_kernel(self) -> KernelView | None:
        """The kernels, where a call may bring a single new token."""
        return self.kernel if self.kernel and self.kernel.decodes else None

    @property
    def paged_kernel(self) -> KernelView | None:
        """The kernels, where its keys may lie in pages."""
        return self.kernel if self.kernel and self.kernel.paged else None

    @property
    def hopper(self) -> HopperView | None:
        """The kernel for Hopper GPUs, where there is one for its shape."""
        return hopper_view(self.kernel)

    @property
    def attends(self) -> str:
        """The template of what gives the output."""
        return "attends_in_kernels" if self.kernel else "attends"

    @property
    def in_kernels(self) -> str:
        """When kernels compute it: of texts that differ in length one token each, in its place."""
        used = "use_kernels(q, k, v)"
        if not (self.causal and self.decode_kernel):
            return used
        alike = _ALIKE if self.decode_kernel.ragged else "step.starts is None"
        return f"{alike} and {used}"

    @property
    def kernel_arguments(self) -> str:
        """What follows q, k and v where kernels compute it."""
        prefix = "step.prefix if step.start == 0 else 0"
        return self._beside("self.sinks", "step.start", prefix, self.bounds, True)

    @property
    def selftest_kernel_arguments(self) -> str:
        """The same on a text from its start."""
        return self._beside("sinks", "0", "0", "None")

    def _beside(
        self, sinks: str, start: str, prefix: str, bounds: str, of_step: bool = False
    ) -> str:
        parts = [sinks] if self.sinks else ["slopes"] if self.slopes else []
        parts += ["relative"] if self.relative else []
        parts += ["gate"] if self.finish.in_kernels else []
        parts += [start] if self.chunk else []
        parts += [prefix] if self.prefix_lm else []
        parts.append(bounds)
        one = self.kernel.for_one if self.kernel else ""
        known = {"starts": "step.starts", "real": "step.source_real"}
        return ", ".join(parts + ([known[one]] if of_step and one else []))

    @property
    def kept(self) -> str:
        """How many tokens its cache has room for."""
        limit = self.window or self.chunk
        return f"min({limit}, {self.kept_of})" if limit else self.kept_of
