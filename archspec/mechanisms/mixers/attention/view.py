"""What the attention templates see: names decided, numbers worked out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from archspec.codegen.site import Check, SharedFile, Site
from archspec.mechanisms.mixers.attention.spec import Attention

FILE = "attention.py"
PURPOSE = "the attention of each kind of layer"
SHARED = (
    SharedFile("attend.py", "attend.py.jinja", "softmax attention over ready queries and keys"),
)
CHECK = Check(
    "attention",
    "check_attention",
    "Attention is compared with its definition in float64.",
    "from . import attend",
)


@dataclass(frozen=True)
class Attend:
    """One function of attend.py."""

    name: str
    template: str
    sinks: bool

    @property
    def core(self) -> str:
        """The function for several tokens that it calls."""
        return "softmax_values_sink" if self.sinks else "softmax_values"

    @property
    def one_token(self) -> str:
        """The function for a single token that it calls."""
        return "one_token_sink" if self.sinks else "one_token"


@dataclass(frozen=True)
class AttentionView:
    """One attention class."""

    class_name: str
    caption: str
    hidden_size: int
    heads: int
    kv_heads: int
    head_dim: int
    qkv_bias: bool
    output_bias: bool
    qk_norm: str | None
    rotary: str | None
    rotary_width: int
    sinks: bool
    causal: bool
    window: int | None
    scale: float
    cache: str | None
    function: Attend

    @property
    def arguments(self) -> str:
        """What a layer passes it after x."""
        return ", step, cache" if self.cache else ", step"

    @property
    def attend(self) -> str:
        """The function that it calls."""
        return self.function.name

    @property
    def kv_width(self) -> str:
        """The width of all keys or values, as a product where there are several heads."""
        return f"{self.kv_heads} * {self.head_dim}" if self.kv_heads > 1 else f"{self.head_dim}"

    @property
    def kept(self) -> str:
        """How many tokens its cache has room for."""
        return f"min({self.window}, max_length)" if self.window else "max_length"

    @property
    def attend_arguments(self) -> str:
        """What follows q, k and v in the call."""
        return self._arguments("self.sinks", "step.start", "step.padding")

    @property
    def selftest_arguments(self) -> str:
        """The same call on a text from its start."""
        return f"q, k, v, {self._arguments('sinks', '0', 'None')}"

    def _arguments(self, sinks: str, start: str, padding: str) -> str:
        parts = [sinks] if self.sinks else []
        parts += [start, padding] if self.causal else [padding]
        parts += [f"window={self.window}"] if self.window else []
        return ", ".join([*parts, f"scale={self.scale!r}"])


def view(mechanism: Attention, site: Site) -> AttentionView:
    """Decide names and numbers for one attention."""
    rotary = mechanism.rotary()
    kind = "sliding" if mechanism.window else "causal" if mechanism.causal else "bidirectional"
    name = f"attend_{kind}" + ("_sink" if mechanism.sinks else "")
    return AttentionView(
        class_name=site.class_name,
        caption=mechanism.caption(site.hidden_size),
        hidden_size=site.hidden_size,
        heads=mechanism.heads,
        kv_heads=mechanism.key_heads,
        head_dim=mechanism.head_dim,
        qkv_bias=mechanism.qkv_bias,
        output_bias=mechanism.output_bias,
        qk_norm=site.norm(mechanism.qk_norm, mechanism.head_dim),
        rotary=site.rotaries[rotary].name if rotary else None,
        rotary_width=site.rotaries[rotary].width if rotary else 0,
        sinks=mechanism.sinks,
        causal=mechanism.causal,
        window=mechanism.window,
        scale=mechanism.score_scale,
        cache=_cache(mechanism) if site.decodes else None,
        function=Attend(name, f"attend_{kind}", mechanism.sinks),
    )


def shared(views: list[AttentionView]) -> dict[str, Any]:
    """The functions that all attention classes call, each once."""
    functions = list(dict.fromkeys(v.function for v in views))
    causal = [v.function for v in views if v.causal]
    cores = list(dict.fromkeys("core_sink" if f.sinks else "core" for f in causal))
    return {"functions": functions, "cores": cores, "any_causal": bool(causal)}


def _cache(mechanism: Attention) -> str:
    return "RollingCache" if mechanism.window else "KeyValueCache"
