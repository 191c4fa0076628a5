"""What the attention templates see: names decided, numbers worked out."""

from __future__ import annotations

from dataclasses import dataclass, replace

from archspec.codegen.norms import IN_KERNELS, own_class
from archspec.codegen.rotary import Turn, turn
from archspec.codegen.site import Check, Site, Submodule
from archspec.mechanisms.mixers.attention.functions import (
    ATTEND,
    Attend,
    Core,
    Distances,
    RelativeView,
    shared,
)
from archspec.mechanisms.mixers.attention.hopper import HOPPER_KERNELS, HopperView, hopper_view
from archspec.mechanisms.mixers.attention.kernels import ATTENTION_KERNELS, KernelView
from archspec.mechanisms.mixers.attention.parts import (
    GATES,
    Alibi,
    ClippedTemperature,
    FloorTemperature,
    LearnedTemperature,
    PowerTemperature,
)
from archspec.mechanisms.mixers.attention.spec import Attention
from archspec.mechanisms.mixers.selection.parts import TokenSelection
from archspec.mechanisms.mixers.selection.view import (
    SELECT,
    SelectionView,
    indexer_name,
    selection_view,
)

__all__ = ["CACHES", "CHECK", "FILE", "PURPOSE", "SHARED", "shared", "view"]

FILE = "attention.py"
PURPOSE = "the attention of each kind of layer"
SHARED = (ATTEND, ATTENTION_KERNELS, HOPPER_KERNELS, SELECT)
CACHES = {
    "KeyValueCache": "templates/caches/key_value.py.jinja",
    "RollingCache": "templates/caches/rolling.py.jinja",
    "SourceCache": "templates/caches/source.py.jinja",
    "IndexedKeyValueCache": "templates/caches/indexed_key_value.py.jinja",
}
CHECK = Check(
    "attention",
    "check_attention",
    "Attention is compared with its definition in float64.",
    "from . import attend\nfrom .launch import use_kernels",
)

PLACE = "mechanisms/mixers/attention/forward_{}.py.jinja"


@dataclass(frozen=True)
class TemperatureView:
    """What queries are multiplied by: its expression, its shape, and how it meets theirs."""

    growth: str
    shape: str
    spread: str


@dataclass(frozen=True)
class AttentionView:
    """One attention class."""

    class_name: str
    caption: str
    hidden_size: int
    heads: int
    kv_heads: int
    head_dim: int
    value_dim: int
    qkv_bias: bool
    key_bias: bool
    template: str
    prefix: bool
    relative: RelativeView | None
    output_bias: bool
    own_values: bool
    takes: str | None
    gives: str | None
    clip: float | None
    width_norm: bool
    modules: tuple[Submodule, ...]
    stages: tuple[str, ...]
    turn: Turn | None
    temperature: TemperatureView | None
    slopes: str | None
    sinks: bool
    softcap: float | None
    causal: bool
    window: int | None
    chunk: int | None
    scale: float
    gate: str | None
    gate_activation: str
    select: SelectionView | None
    cache: str | None
    function: Attend
    kernel: KernelView | None
    only: tuple[str, ...] = ("q", "k", "v")
    """What the stages at hand work on."""

    def project(self, name: str) -> str:
        """The expression for q, k or v before it is cut into heads."""
        made = f"self.{name}_proj(x)"
        if not self.width_norm or name == "v":
            return made
        clip = f".clamp(-{self.clip!r}, {self.clip!r})" if self.clip is not None else ""
        return f"self.{name}_norm({made}{clip})"

    @property
    def hopper(self) -> HopperView | None:
        """The kernel for Hopper GPUs, where there is one for its shape."""
        return hopper_view(self.kernel)

    @property
    def values(self) -> str:
        """The expression for the value heads."""
        if not self.own_values:
            return "k"
        return (
            f"{self.project('v')}.view(batch, tokens, {self.kv_heads}, {self.value_dim})"
            ".transpose(1, 2)"
        )

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
        return _product(self.heads, self.head_dim)

    @property
    def k_width(self) -> str:
        """The width of all keys."""
        return _product(self.kv_heads, self.head_dim)

    @property
    def v_width(self) -> str:
        """The width of all values."""
        return _product(self.kv_heads, self.value_dim)

    @property
    def o_width(self) -> str:
        """The width of what attention gives."""
        return _product(self.heads, self.value_dim)

    @property
    def arguments(self) -> str:
        """What a layer passes it after x."""
        return ", step, cache" if self.cache else ", step"

    @property
    def attend(self) -> str:
        """The function that it calls."""
        return self.function.name

    @property
    def kept(self) -> str:
        """How many tokens its cache has room for."""
        limit = self.window or self.chunk
        if self.cache == "SourceCache":
            return "source_length"
        return f"min({limit}, max_length)" if limit else "max_length"

    @property
    def attend_arguments(self) -> str:
        """What follows q, k and v in the call."""
        if self.cache == "SourceCache":
            return self._arguments("self.sinks", "step.start", "step.source_padding")
        return self._arguments("self.sinks", "step.start", "step.padding")

    @property
    def padding(self) -> str:
        """Which keys are real."""
        return "step.source_padding" if self.cache == "SourceCache" else "step.padding"

    @property
    def kernel_arguments(self) -> str:
        """What follows q, k and v where kernels compute it."""
        return self._beside("self.sinks", "step.start")

    @property
    def selftest_kernel_arguments(self) -> str:
        """The same on a text from its start."""
        return self._beside("sinks", "0")

    def _beside(self, sinks: str, start: str) -> str:
        parts = [sinks] if self.sinks else []
        parts += ["slopes"] if self.slopes else []
        return "".join(f", {part}" for part in parts + ([start] if self.chunk else []))

    @property
    def both_ways_arguments(self) -> str:
        """What follows the output, q, k and v in the call that reads a prefix."""
        parts = ["self.sinks"] if self.sinks else []
        parts += ["step.prefix", "step.padding", repr(self.scale)]
        return ", ".join(parts + ([repr(self.softcap)] if self.softcap else []))

    @property
    def kept_of(self) -> str:
        """Whose length its cache has room for."""
        return "source_length" if self.cache == "SourceCache" else "max_length"

    @property
    def selftest_arguments(self) -> str:
        """The same call on a text from its start."""
        return f"q, k, v, {self._arguments('sinks', '0', 'None')}"

    @property
    def definition_arguments(self) -> str:
        """The arguments of the definition that the selftest compares with."""
        parts = ["q, k, v", repr(self.scale)]
        for name in ("window", "chunk", "softcap"):
            value = getattr(self, name)
            parts += [f"{name}={value!r}"] if value else []
        parts += ["sinks=sinks"] if self.sinks else []
        parts += ["slopes=slopes"] if self.slopes else []
        parts += ["relative=relative"] if self.relative else []
        return ", ".join(parts)

    @property
    def options(self) -> list[str]:
        """What the definition must know beside the scale."""
        names = ("window", "chunk", "sinks", "slopes", "relative", "softcap")
        kind = "causal" if self.causal else "bidirectional"
        return [kind, *(name for name in names if getattr(self, name))]

    def _arguments(self, sinks: str, start: str, padding: str) -> str:
        parts = [sinks] if self.sinks else []
        parts += ["slopes"] if self.slopes else []
        parts += ["relative"] if self.relative else []
        parts += [start, padding] if self.causal else [padding]
        parts += [f"window={self.window}"] if self.window else []
        parts += [f"chunk={self.chunk}"] if self.chunk else []
        parts.append(f"scale={self.scale!r}")
        parts += [f"softcap={self.softcap!r}"] if self.softcap else []
        return ", ".join(parts)


def view(mechanism: Attention, site: Site) -> AttentionView:
    """Decide names and numbers for one attention."""
    a = mechanism
    turned = turn(a.rope, a.head_dim, site.rotaries)
    stages = tuple(_stages(a, turned))
    if turned:
        for heads in {a.heads} if a.shared_keys else {a.heads, a.key_heads}:
            site.turns(turned, heads, normed="norm_rotate" in stages)
    core = Core(a.sinks, a.softcap is not None, a.alibi is not None)
    return AttentionView(
        class_name=site.class_name,
        caption=a.caption(site.hidden_size),
        hidden_size=site.hidden_size,
        heads=a.heads,
        kv_heads=a.key_heads,
        head_dim=a.head_dim,
        value_dim=a.value_width,
        qkv_bias=a.qkv_bias,
        key_bias=a.qkv_bias and a.key_bias,
        template=PLACE.format("source" if a.source == "encoder" else "own"),
        prefix=a.prefix,
        relative=_relative(a),
        output_bias=a.output_bias,
        own_values=not a.keys_as_values and not a.shared_keys,
        takes=a.takes() if a.shared_keys else None,
        gives=a.gives() if a.gives() in site.taken and not a.select else None,
        clip=a.clip,
        width_norm=bool(a.qk_norm and a.qk_norm.scope == "width"),
        modules=tuple(_modules(a, site)),
        stages=stages,
        turn=turned,
        temperature=_temperature(a),
        slopes=_slopes(a.alibi, a.heads, a.score_scale) if a.alibi else None,
        sinks=a.sinks,
        softcap=a.softcap,
        causal=a.causal and a.source == "self",
        window=a.window,
        chunk=a.chunk,
        scale=a.score_scale,
        gate=a.gate.per if a.gate else None,
        gate_activation=GATES[a.gate.activation] if a.gate else "",
        select=selection_view(a.select, site, "heads"),
        only=("q",) if a.shared_keys else ("q", "k", "v"),
        cache=_cache(a) if site.decodes and a.is_causal() and not a.shared_keys else None,
        function=Attend(_kind(a), core),
        kernel=None if a.relative_bias or a.select else _kernel(a, Attend(_kind(a), core)),
    )


def _kernel(a: Attention, function: Attend) -> KernelView:
    return KernelView(
        kind=function.name.removeprefix("attend_"),
        heads=a.heads,
        kv_heads=a.key_heads,
        head_dim=a.head_dim,
        value_dim=a.value_width,
        causal=a.causal and a.source == "self",
        window=a.window,
        chunk=a.chunk,
        scale=a.score_scale,
        softcap=a.softcap,
        sinks=a.sinks,
        slopes=a.alibi is not None,
    )


def _kind(a: Attention) -> str:
    if a.relative_bias:
        return "relative" if a.causal else "relative_both"
    if not a.causal or a.source == "encoder":
        return "bidirectional"
    return "sliding" if a.window else "chunked" if a.chunk else "causal"


def _relative(a: Attention) -> RelativeView | None:
    own = a.relative_bias
    if own is None:
        return None
    table = "step.relative_bias" if own.shared else "self.relative_bias.weight"
    count = "step.start + tokens" if a.causal else "tokens"
    arguments = f"{table}, {count}"
    if own.buckets:
        near = own.buckets // (2 if a.causal else 4)
        arguments += f", near={near}, furthest={own.max_distance}"
    kind = "buckets" if own.buckets else "each"
    return RelativeView(Distances(kind), not a.causal, arguments)


def _cache(a: Attention) -> str:
    if a.source == "encoder":
        return "SourceCache"
    if isinstance(a.select, TokenSelection):
        return "IndexedKeyValueCache"
    return "RollingCache" if a.window or a.chunk else "KeyValueCache"


def _modules(a: Attention, site: Site) -> list[Submodule]:
    found: list[Submodule] = []
    if a.qk_norm:
        both = [("q_norm", a.heads), ("k_norm", a.key_heads)]
        for name, heads in both[:1] if a.shared_keys else both:
            width = heads * a.head_dim if a.qk_norm.scope == "width" else a.head_dim
            each = heads if a.qk_norm.scope == "each_head" and a.qk_norm.weight else None
            found.append(Submodule(name, site.norm(a.qk_norm, width, each)))
    if a.v_norm:
        found.append(Submodule("v_norm", site.norm(a.v_norm, a.value_width)))
    if a.gate:
        width = _product(a.heads, a.value_width) if a.gate.per == "element" else str(a.heads)
        linear = f"nn.Linear({site.hidden_size}, {width}, bias={a.gate.bias})"
        found.append(Submodule("gate_proj", linear))
    if a.relative_bias and not a.relative_bias.shared:
        rows = a.relative_bias.rows(a.causal)
        found.append(Submodule("relative_bias", f"nn.Embedding({rows}, {a.heads})"))
    if isinstance(a.select, TokenSelection):
        found.append(Submodule("indexer", f"{indexer_name(site.class_name)}()"))
    if isinstance(a.temperature, LearnedTemperature):
        for name, made in (("scale", "zeros"), ("bias", "ones")):
            constructor = f"nn.Parameter(torch.{made}({a.heads}))"
            found.append(Submodule(f"temperature_{name}", constructor))
    if a.sinks:
        found.append(Submodule("sinks", f"nn.Parameter(torch.zeros({a.heads}))"))
    return found


def _stages(a: Attention, turned: Turn | None) -> list[str]:
    width = bool(a.qk_norm and a.qk_norm.scope == "width")
    norm = ["qk_norm"] if a.qk_norm and not width else []
    rotate = ["rotate" if turned.whole else "rotate_part"] if turned else []
    after = bool(a.qk_norm and a.qk_norm.after_rope)
    stages = ["clip"] if a.clip is not None and not (width and a.shared_keys) else []
    stages += ["v_norm"] if a.v_norm else []
    if norm and rotate == ["rotate"] and not after and _in_kernels(a):
        stages += ["norm_rotate"]
    else:
        stages += rotate + norm if after else norm + rotate
    return stages + (["temperature"] if a.temperature else [])


def _in_kernels(a: Attention) -> bool:
    """Whether the norm of queries and keys has kernels."""
    each = a.heads if a.qk_norm and a.qk_norm.scope == "each_head" else None
    return bool(a.qk_norm) and own_class(a.qk_norm, each) in IN_KERNELS


def _temperature(a: Attention) -> TemperatureView | None:
    own = a.temperature
    if own is None:
        return None
    if isinstance(own, LearnedTemperature):
        positions = "torch.log(step.positions + 1.0)[:, None]"
        growth = f"self.temperature_scale[:, None] * {positions} + self.temperature_bias[:, None]"
        return TemperatureView(growth, "(1 or B, H, T)", "[..., None]")
    if isinstance(own, PowerTemperature):
        growth = f"(1 + (step.positions + 1) / {own.original_context}) ** {own.exponent!r}"
    elif isinstance(own, ClippedTemperature):
        ratio = f"((step.positions + 1) / {own.original_context}).clamp(min=1.0)"
        growth = f"1 + {own.scale!r} * torch.log({ratio})"
    elif isinstance(own, FloorTemperature):
        steps = f"((step.positions + 1) // {own.floor}).float()"
        growth = f"1 + {own.scale!r} * torch.log1p({steps})"
    else:
        steps = f"(step.positions // {own.original_context}).float()"
        growth = f"1 + {own.scale!r} * torch.log1p({steps})"
    return TemperatureView(growth, "(1 or B, T)", "[:, None, :, None]")


def _slopes(alibi: Alibi, heads: int, scale: float) -> str:
    exponents = alibi.exponents(heads)
    factor = f"{scale!r} * " if alibi.scaled else ""
    first = exponents[0]
    if exponents == [first * (i + 1) for i in range(heads)]:
        return f"{factor}2.0 ** (-{first!r} * torch.arange(1, {heads + 1}, device=x.device))"
    return f"{factor}2.0 ** -torch.tensor({exponents!r}, device=x.device)"


def _product(count: int, width: int) -> str:
    return f"{count} * {width}" if count > 1 else f"{width}"
