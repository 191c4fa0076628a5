"""What the linear attention templates see: names decided, numbers worked out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from archspec.codegen.definitions import Defined
from archspec.codegen.files import SharedFile
from archspec.codegen.members import Member, product
from archspec.codegen.rotary import Turn, turn
from archspec.codegen.site import Check, Site
from archspec.mechanisms.common.chunks import CARRY
from archspec.mechanisms.common.output_gate import FUNCTIONS, OutputGate
from archspec.mechanisms.mixers.linear_attention.fields import (
    LearnedDecay,
    RetentionDecay,
    SlopesDecay,
)
from archspec.mechanisms.mixers.linear_attention.functions import Recurrence, recurrence
from archspec.mechanisms.mixers.linear_attention.spec import LinearAttention

FILE = "linear_attention.py"
PURPOSE = "the linear attention of each kind of layer"
SHARED = (
    CARRY,
    SharedFile("linear_recurrence.py", "recurrence.py.jinja", "states that fade as they grow"),
)
CACHES = {"StateCache": "cache.py.jinja"}
DEFINITION = "mechanisms/mixers/linear_attention/definition.py"


def _defined(views: list[LinearAttentionView]) -> tuple[Defined, ...]:
    names = dict.fromkeys(view.attend for view in views)
    needs = ("fading_sums", "sums_by_head")
    return tuple(Defined("linear_recurrence", name, DEFINITION, name, needs) for name in names)


CHECKS = (
    Check(
        "Linear attention is compared with its definition, values and gradients.",
        _defined,
        tokens=2 * 64 + 5,  # three chunks
    ),
)
CHUNK = 64
STAGES = "mechanisms/mixers/linear_attention/templates/{}.py.jinja"
ROTATE = "mechanisms/mixers/attention/templates/stage_{}.py.jinja"


@dataclass(frozen=True)
class LinearAttentionView:
    """One class of linear attention; its stages are templates, in order."""

    class_name: str
    caption: str
    hidden_size: int
    heads: int
    key_head_dim: int
    value_head_dim: int
    qkv_bias: bool
    output_bias: bool
    modules: tuple[Member, ...]
    before: tuple[str, ...]
    """Stages before queries, keys and values are cut into heads."""
    stages: tuple[str, ...]
    """Stages of heads, up to the state."""
    after: tuple[str, ...]
    """Stages after the state."""
    activation: str
    turn: Turn | None
    scale: str
    decay: str
    fixed: bool
    reads_depth: bool
    parts: int
    gate: str | None
    cache: str | None
    function: Recurrence
    turned: tuple[str, ...] = ("q", "k")

    @property
    def carries(self) -> bool:
        """Whether its state goes from chunk to chunk step by step."""
        return self.function.fades

    @property
    def k_width(self) -> str:
        """The width of all queries or keys, as a product where there are several heads."""
        return product(self.heads, self.key_head_dim)

    @property
    def v_width(self) -> str:
        """The width of all values."""
        return product(self.heads, self.value_head_dim)

    @property
    def value_letter(self) -> str:
        """The width of a value head in comments on shapes."""
        return "D" if self.value_head_dim == self.key_head_dim else "E"

    @property
    def arguments(self) -> str:
        """What a layer passes it after x."""
        return ", step, cache" if self.cache else ", step"

    @property
    def attend(self) -> str:
        """The function that it calls."""
        return self.function.name

    @property
    def attend_arguments(self) -> str:
        """What it calls that function with."""
        shaped = "[None, :, None]" if self.fixed else ""
        shaped = ".transpose(1, 2)" if self.function.kind == "heads" and not self.fixed else shaped
        decay = f", decay{shaped}" if self.function.fades else ""
        return f"q{self.scale}, k, v{decay}, step.real, state"

    @property
    def decay_shape(self) -> str:
        """The shape of its decay in the selftest."""
        if self.fixed:
            return f"1, {self.heads}, 1"
        channels = f", {self.key_head_dim}" if self.function.kind == "channels" else ""
        return f"1, {self.heads}, TOKENS{channels}"


def view(mechanism: LinearAttention, site: Site) -> LinearAttentionView:
    """Decide names and numbers for one linear attention."""
    a = mechanism
    turned = turn(a.rope, a.key_head_dim, site.rotaries)
    if turned:
        site.turns(turned, a.heads)
    scale = a.read_scale
    return LinearAttentionView(
        class_name=site.class_name,
        caption=a.caption(site.hidden_size),
        hidden_size=site.hidden_size,
        heads=a.heads,
        key_head_dim=a.key_head_dim,
        value_head_dim=a.value_width,
        qkv_bias=a.qkv_bias,
        output_bias=a.output_bias,
        modules=tuple(_modules(a, site)),
        before=tuple(_before(a)),
        stages=tuple(_stages(a, bool(turned and not turned.whole))),
        after=tuple(_after(a)),
        activation=a.activation or "identity",
        turn=turned,
        scale="" if scale == 1 else f" * {scale!r}",
        decay=_decay(a),
        fixed=a.decay is not None and not isinstance(a.decay, LearnedDecay),
        reads_depth=a.reads_depth(),
        parts=(a.output_norm.parts(a.heads) if a.output_norm else None) or 1,
        gate=_gate(a),
        cache="StateCache" if site.decodes else None,
        function=recurrence(a),
    )


def shared(views: list[LinearAttentionView]) -> dict[str, Any]:
    """The functions that all classes call, each once."""
    functions = sorted({v.function for v in views}, key=lambda r: r.kind)
    return {
        "recurrences": functions,
        "chunk": CHUNK,
        "fades": any(function.fades for function in functions),
        "fixed": any(v.fixed for v in views),
    }


def _modules(a: LinearAttention, site: Site) -> list[Member]:
    found: list[Member] = []
    if a.qk_norm:
        width = a.heads * a.key_head_dim if a.qk_norm.scope == "width" else a.key_head_dim
        each = a.heads if a.qk_norm.scope == "each_head" and a.qk_norm.weight else None
        found += [Member(f"{n}_norm", site.norm(a.qk_norm, width, each)) for n in "qk"]
    if isinstance(a.decay, SlopesDecay) and a.decay.fall:
        made = f"{a.decay.factor!r} - {a.decay.fall!r} * index  # of the slopes in this layer"
        found.append(Member("factor", made))
    if isinstance(a.decay, LearnedDecay):
        channels = a.decay.per == "channel"
        out = product(a.heads, a.key_head_dim) if channels else str(a.heads)
        found += _map("decay", a.decay, site.hidden_size, out)
    if a.output_norm:
        parts = a.output_norm.parts(a.heads)
        whole = a.value_width if a.output_norm.scope == "head" else a.output_width
        norm = site.norm(
            a.output_norm, whole // (parts or 1), parts if a.output_norm.weight else None
        )
        found.append(Member("o_norm", norm))
    if a.gate:
        found += _map("gate", a.gate, site.hidden_size, product(a.heads, a.value_width))
    return found


def _map(name: str, part: LearnedDecay | OutputGate, inputs: int, out: str) -> list[Member]:
    """A linear map of the input, or two through the part's rank."""
    if part.rank is None:
        return [Member(f"{name}_proj", f"nn.Linear({inputs}, {out}, bias={part.bias})")]
    down = f"nn.Linear({inputs}, {part.rank}, bias=False)"
    up = f"nn.Linear({part.rank}, {out}, bias={part.bias})"
    return [Member(f"{name}_down", down), Member(f"{name}_up", up)]


def _mapped(name: str, part: LearnedDecay | OutputGate) -> str:
    """The expression that applies `_map`."""
    return f"self.{name}_up(self.{name}_down(x))" if part.rank else f"self.{name}_proj(x)"


def _before(a: LinearAttention) -> list[str]:
    stages = [STAGES.format("stage_activation")] if a.activation else []
    width = bool(a.qk_norm and a.qk_norm.scope == "width")
    return stages + ([ROTATE.format("qk_norm")] if width else [])


def _stages(a: LinearAttention, part: bool) -> list[str]:
    heads = bool(a.qk_norm and a.qk_norm.scope != "width")
    norm = [ROTATE.format("qk_norm")] if heads else []
    rotate = [ROTATE.format("rotate_part" if part else "rotate")] if a.rope else []
    stages = rotate + norm if a.qk_norm and a.qk_norm.after_rope else norm + rotate
    if not a.decay:
        return stages
    kind = f"by_{a.decay.per}" if isinstance(a.decay, LearnedDecay) else "fixed"
    return [*stages, STAGES.format(f"decay_{kind}")]


def _after(a: LinearAttention) -> list[str]:
    merge = STAGES.format("merge_heads")
    if a.output_norm is None:
        return [merge]
    norm = STAGES.format("norm_parts" if a.output_norm.groups else "norm_output")
    return [merge, norm] if a.output_norm.scope == "width" else [norm, merge]


def _decay(a: LinearAttention) -> str:
    """The expression for the logarithm of what is kept; of a learned one, before the sigmoid."""
    if a.decay is None:
        return ""
    if isinstance(a.decay, LearnedDecay):
        made = f"F.logsigmoid({_mapped('decay', a.decay)})"
        return made if a.decay.divisor == 1 else f"{made} / {a.decay.divisor!r}"
    if isinstance(a.decay, RetentionDecay):
        return f"torch.log1p(-(2.0 ** (-{a.decay.first!r} - head)))"
    slope = f"2.0 ** (-{a.decay.max_exponent / a.heads!r} * (head + 1))"
    if a.decay.fall:
        return f"-self.factor * {slope}"
    return f"-{slope}" if a.decay.factor == 1 else f"-{a.decay.factor!r} * {slope}"


def _gate(a: LinearAttention) -> str | None:
    return f"{FUNCTIONS[a.gate.activation]}({_mapped('gate', a.gate)})" if a.gate else None
