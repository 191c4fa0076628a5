"""What the attention templates see: names decided, numbers worked out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from archspec.codegen.site import Check, SharedFile, Site
from archspec.mechanisms.mixers.attention.functions import Attend, Core
from archspec.mechanisms.mixers.attention.parts import Alibi, FloorTemperature
from archspec.mechanisms.mixers.attention.spec import Attention

FILE = "attention.py"
PURPOSE = "the attention of each kind of layer"
SHARED = (
    SharedFile("attend.py", "attend.py.jinja", "softmax attention over ready queries and keys"),
)
CACHES = {
    "KeyValueCache": "templates/caches/key_value.py.jinja",
    "RollingCache": "templates/caches/rolling.py.jinja",
}
CHECK = Check(
    "attention",
    "check_attention",
    "Attention is compared with its definition in float64.",
    "from . import attend",
)


@dataclass(frozen=True)
class Submodule:
    """A module of the class beside its projections, and the expression that makes it."""

    name: str
    constructor: str


@dataclass(frozen=True)
class TemperatureView:
    """Queries × (1 + scale · log1p(⌊position / step⌋))."""

    position: str
    step: int
    scale: float


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
    output_bias: bool
    own_values: bool
    takes: str | None
    gives: str | None
    clip: float | None
    width_norm: bool
    modules: tuple[Submodule, ...]
    stages: tuple[str, ...]
    rotary: str | None
    rotary_width: int
    rotate: str
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
    cache: str | None
    function: Attend

    def project(self, name: str) -> str:
        """The expression for q, k or v before it is cut into heads."""
        made = f"self.{name}_proj(x)"
        if not self.width_norm or name == "v":
            return made
        clip = f".clamp(-{self.clip!r}, {self.clip!r})" if self.clip is not None else ""
        return f"self.{name}_norm({made}{clip})"

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
        if self.takes:
            return ["q"]
        # A norm over all heads comes before the cut, and the clip before the norm.
        return ["v"] if self.width_norm else ["q", "k", "v"]

    @property
    def turned(self) -> list[str]:
        """What is normed and rotated here."""
        return ["q"] if self.takes else ["q", "k"]

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
        return f"min({limit}, max_length)" if limit else "max_length"

    @property
    def attend_arguments(self) -> str:
        """What follows q, k and v in the call."""
        return self._arguments("self.sinks", "step.start", "step.padding")

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
        return ", ".join(parts)

    @property
    def options(self) -> list[str]:
        """What the definition must know beside the scale."""
        names = ("window", "chunk", "sinks", "slopes", "softcap")
        kind = "causal" if self.causal else "bidirectional"
        return [kind, *(name for name in names if getattr(self, name))]

    def _arguments(self, sinks: str, start: str, padding: str) -> str:
        parts = [sinks] if self.sinks else []
        parts += ["slopes"] if self.slopes else []
        parts += [start, padding] if self.causal else [padding]
        parts += [f"window={self.window}"] if self.window else []
        parts += [f"chunk={self.chunk}"] if self.chunk else []
        parts.append(f"scale={self.scale!r}")
        parts += [f"softcap={self.softcap!r}"] if self.softcap else []
        return ", ".join(parts)


def view(mechanism: Attention, site: Site) -> AttentionView:
    """Decide names and numbers for one attention."""
    a, rotary = mechanism, mechanism.rotary()
    turned = site.rotaries[rotary] if rotary else None
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
        output_bias=a.output_bias,
        own_values=not a.keys_as_values and not a.shared_keys,
        takes=a.takes(),
        gives=a.gives() if a.gives() in site.taken else None,
        clip=a.clip,
        width_norm=bool(a.qk_norm and a.qk_norm.scope == "width"),
        modules=tuple(_modules(a, site)),
        stages=tuple(_stages(a, bool(turned and turned.width < a.head_dim))),
        rotary=turned.name if turned else None,
        rotary_width=turned.width if turned else 0,
        rotate="rotate_pairs" if a.rope and a.rope.pairing == "interleaved" else "rotate",
        temperature=_temperature(a),
        slopes=_slopes(a.alibi, a.heads, a.score_scale) if a.alibi else None,
        sinks=a.sinks,
        softcap=a.softcap,
        causal=a.causal,
        window=a.window,
        chunk=a.chunk,
        scale=a.score_scale,
        gate=a.gate.per if a.gate else None,
        gate_activation={"sigmoid": "torch.sigmoid", "softplus": "F.softplus"}[
            a.gate.activation if a.gate else "sigmoid"
        ],
        cache=_cache(a) if site.decodes and not a.shared_keys else None,
        function=Attend(_kind(a), core),
    )


def shared(views: list[AttentionView]) -> dict[str, Any]:
    """The functions that all attention classes call, each once."""
    functions = list(dict.fromkeys(v.function for v in views))
    cores = list(dict.fromkeys(f.core_view for f in functions if f.kind != "bidirectional"))
    return {"functions": functions, "cores": cores, "any_causal": bool(cores)}


def _kind(a: Attention) -> str:
    if not a.causal:
        return "bidirectional"
    return "sliding" if a.window else "chunked" if a.chunk else "causal"


def _cache(a: Attention) -> str:
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
    if a.sinks:
        found.append(Submodule("sinks", f"nn.Parameter(torch.zeros({a.heads}))"))
    return found


def _stages(a: Attention, part: bool) -> list[str]:
    width = bool(a.qk_norm and a.qk_norm.scope == "width")
    norm = ["qk_norm"] if a.qk_norm and not width else []
    rotate = ["rotate_part" if part else "rotate"] if a.rope else []
    after = bool(a.qk_norm and a.qk_norm.after_rope)
    stages = ["clip"] if a.clip is not None and not (width and a.shared_keys) else []
    stages += ["v_norm"] if a.v_norm else []
    stages += rotate + norm if after else norm + rotate
    return stages + (["temperature"] if a.temperature else [])


def _temperature(a: Attention) -> TemperatureView | None:
    if a.temperature is None:
        return None
    if isinstance(a.temperature, FloorTemperature):
        return TemperatureView("(step.positions + 1)", a.temperature.floor, a.temperature.scale)
    step = a.temperature.original_context
    return TemperatureView("step.positions", step, a.temperature.scale)


def _slopes(alibi: Alibi, heads: int, scale: float) -> str:
    exponents = alibi.exponents(heads)
    factor = f"{scale!r} * " if alibi.scaled else ""
    first = exponents[0]
    if exponents == [first * (i + 1) for i in range(heads)]:
        return f"{factor}2.0 ** (-{first!r} * torch.arange(1, {heads + 1}, device=x.device))"
    return f"{factor}2.0 ** -torch.tensor({exponents!r}, device=x.device)"


def _product(count: int, width: int) -> str:
    return f"{count} * {width}" if count > 1 else f"{width}"
