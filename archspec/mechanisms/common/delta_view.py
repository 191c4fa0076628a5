"""What the templates of mixers by the delta rule have in common."""

from __future__ import annotations

from dataclasses import dataclass

from archspec.codegen.members import Member, product
from archspec.codegen.site import Site
from archspec.mechanisms.common.delta import DeltaMixer
from archspec.mechanisms.common.output_gate import FUNCTIONS

TOKENS = 2 * 64 + 5
"""Three chunks."""

CACHES = {
    "DeltaCache": "templates/caches/delta.py.jinja",
    "ConvDeltaCache": "templates/caches/conv_delta.py.jinja",
}


@dataclass(frozen=True)
class Stream:
    """Query, key or value: the expression for it, and its heads."""

    name: str
    expression: str
    heads: int
    width: int
    count: str
    """Its heads in comments on shapes."""

    letter: str


@dataclass(frozen=True)
class DeltaView:
    """One class by the delta rule."""

    class_name: str
    caption: str
    rule: str
    """The function in the shared file."""

    modules: tuple[Member, ...]
    streams: tuple[Stream, ...]
    scale: float
    group: int
    """How many value heads a key head serves."""

    l2_norm: bool
    doubled: bool
    decay: tuple[str, ...]
    """The lines that make `log_decay`; none without decay."""

    norm: bool
    gate: str | None
    heads: int
    key_head_dim: int
    value_head_dim: int
    conv: int | None
    exact: bool
    """What the decay and the convolutions have stays in float32."""

    cache: str | None

    @property
    def computed(self) -> bool:
        """Whether a tensor of it starts as numbers in a row: the rates of its decay."""
        return bool(self.decay)

    @property
    def parameter(self) -> str:
        """The last parameter of its forward pass."""
        return f", cache: {self.cache} | None" if self.cache else ""

    @property
    def after(self) -> str:
        """What the state after these tokens is called."""
        return "state" if self.cache else "_"

    @property
    def normed(self) -> str:
        """The expression for what the heads give, after any norm."""
        return "self.o_norm(out.to(x.dtype))" if self.norm else "out.to(x.dtype)"

    @property
    def gated(self) -> str:
        """The same with its gate."""
        return f"out * {self.gate}" if self.gate else "out"

    @property
    def arguments(self) -> str:
        """What a layer passes it after x."""
        return ", step, cache" if self.cache else ", step"

    @property
    def masked(self) -> tuple[str, ...]:
        """What padding makes zero, so that the state stays as it is."""
        return ("log_decay", "beta") if self.decay else ("beta",)

    @property
    def rule_arguments(self) -> str:
        """What the function is called with before the state."""
        return ", ".join(("q", "k", "v", *self.masked))

    @property
    def state(self) -> str:
        """The expression for the state before these tokens."""
        if not self.cache:
            return "None"
        return "state" if self.conv else "None if cache is None else cache.state"

    @property
    def activated(self) -> str:
        """What becomes of q, k and v: keys have length one, and queries that of `scale`."""
        q, k = ("unit(F.silu(q))", "unit(F.silu(k))") if self.l2_norm else _PLAIN
        return f"{self.scale!r} * {q}, {k}, F.silu(v)"


_PLAIN = "F.silu(widened(q))", "F.silu(k)"


def delta_view(
    mixer: DeltaMixer,
    site: Site,
    rule: str,
    decay_modules: list[Member],
    decay: list[str],
) -> DeltaView:
    """Names and numbers for one mixer; the caller says how it decays."""
    gate, size = mixer.output_gate, site.hidden_size
    cache = "ConvDeltaCache" if mixer.conv else "DeltaCache"
    modules = _streams_modules(mixer, size)
    modules += [linear("b_proj", size, mixer.memories, 1), *decay_modules]
    if gate:
        modules += projection("g", size, mixer.memories, mixer.value_head_dim, gate.rank, gate.bias)
    if mixer.output_norm:
        modules.append(Member("o_norm", site.norm(mixer.output_norm, mixer.value_head_dim)))
    width = product(mixer.memories, mixer.value_head_dim)
    modules.append(Member("o_proj", f"nn.Linear({width}, {size}, bias=False)"))
    return DeltaView(
        class_name=site.class_name,
        caption=mixer.caption(size),
        rule=rule,
        modules=tuple(modules),
        streams=tuple(_stream(mixer, name, site.decodes) for name in mixer.widths),
        scale=mixer.key_head_dim**-0.5,
        group=mixer.memories // mixer.query_heads,
        l2_norm=mixer.l2_norm,
        doubled=mixer.allow_neg_eigval,
        decay=tuple(decay),
        norm=mixer.output_norm is not None,
        gate=_gate(mixer),
        heads=mixer.memories,
        key_head_dim=mixer.key_head_dim,
        value_head_dim=mixer.value_head_dim,
        conv=mixer.conv,
        exact=mixer.exact,
        cache=cache if site.decodes else None,
    )


def linear(name: str, inputs: int, heads: int, width: int, bias: bool = False) -> Member:
    """A linear map to heads of a width."""
    return Member(name, f"nn.Linear({inputs}, {product(heads, width)}, bias={bias})")


def fresh_rates(mixer: DeltaMixer, heads: int) -> Member:
    """The logarithms of the rates of the decay."""
    return Member("A_log", _parameter(mixer, heads))


def fresh_steps(mixer: DeltaMixer, heads: int, width: int = 1) -> Member:
    """What is added to each head's steps, or to those of its channels."""
    return Member("dt_bias", _parameter(mixer, product(heads, width)))


def _parameter(mixer: DeltaMixer, size: int | str) -> str:
    kept = ", dtype=exact_type()" if mixer.exact else ""
    return f"nn.Parameter(torch.empty({size}{kept}))"


def projection(
    name: str, inputs: int, heads: int, width: int, rank: int | None, bias: bool = False
) -> list[Member]:
    """A linear map, or two through `rank` numbers."""
    if rank is None:
        return [linear(f"{name}_proj", inputs, heads, width, bias)]
    last = linear(f"{name}_b_proj", rank, heads, width, bias)
    return [linear(f"{name}_a_proj", inputs, 1, rank), last]


def projected(name: str, rank: int | None) -> str:
    """The expression that applies `projection`."""
    return f"self.{name}_proj(x)" if rank is None else f"self.{name}_b_proj(self.{name}_a_proj(x))"


def _streams_modules(mixer: DeltaMixer, size: int) -> list[Member]:
    found = [linear(f"{name}_proj", size, *shape) for name, shape in mixer.widths.items()]
    if mixer.conv:
        for name, shape in mixer.widths.items():
            kind = "ExactConv" if mixer.exact else "ShortConv"
            made = f"{kind}({product(*shape)}, {mixer.conv}, bias=False)"
            found.append(Member(f"{name}_conv1d", made))
    return found


def _stream(mixer: DeltaMixer, name: str, decodes: bool) -> Stream:
    made = f"self.{name}_proj(x)"
    if mixer.conv:
        made = f"self.{name}_conv1d({made}, step, {f'{name}_tail' if decodes else 'None'})"
    heads, width = mixer.widths[name]
    count = "H" if heads == mixer.memories else str(heads)
    return Stream(name, made, heads, width, count, "V" if name == "v" else "K")


def _gate(mixer: DeltaMixer) -> str | None:
    gate = mixer.output_gate
    if gate is None:
        return None
    return f"{FUNCTIONS[gate.activation]}({projected('g', gate.rank)})"
