"""What the Mamba-2 templates see: names decided, numbers worked out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from archspec.codegen.definitions import Defined
from archspec.codegen.files import SharedFile
from archspec.codegen.site import Check, Site
from archspec.codegen.tensor_files import START
from archspec.mechanisms.common.chunks import CARRY
from archspec.mechanisms.common.conv import CONV, CONVOLUTION
from archspec.mechanisms.mixers.mamba2.fields import GatedNorm, PartScales
from archspec.mechanisms.mixers.mamba2.norm import grouped_norm
from archspec.mechanisms.mixers.mamba2.spec import Mamba2

FILE = "mamba2.py"
PURPOSE = "the state-space mixers"
SHARED = (
    SharedFile("ssd.py", "ssd.py.jinja", "the state-space recurrence, token by token and chunked"),
    CONV,
    START,
    CARRY,
)
CACHES = {"StateSpaceCache": "templates/caches/state_space.py.jinja"}
DEFINITION = "mechanisms/mixers/mamba2/definition.py"


def _defined(views: list[Any]) -> tuple[Defined, ...]:
    forms = ("ssd_chunked", "ssd_recurrent")
    return CONVOLUTION, *(Defined("ssd", form, DEFINITION, "ssd") for form in forms)


CHECKS = (
    Check(
        "Both forms of the state-space recurrence are compared with its definition likewise.",
        _defined,
        tokens=2 * 64 + 5,  # three chunks
    ),
)


@dataclass(frozen=True)
class Mamba2View:
    """One Mamba-2 class."""

    class_name: str
    caption: str
    hidden_size: int
    heads: int
    head_dim: int
    state_dim: int
    groups: int
    conv: int
    conv_bias: bool
    input_bias: bool
    output_bias: bool
    split: str
    """The names of the parts of the projection: `z, mixed, dt`."""

    widths: str
    """Their widths."""

    scaled: str | None
    """The expression for what the convolution reads, where it is scaled."""

    dt: str
    """The expression for Δ before its bias: `dt.to(exact)`."""

    gate: str
    """The expression for z inside the gate: `z.to(exact)`."""

    bounds: str
    """What bounds Δ: `.clamp(min=0.001)`, or nothing."""

    skip: bool
    norm: str | None
    """The expression that makes the norm beside the gate."""

    affine: str | None
    """How that norm scales: `weight`, `1.0 + weight`, or not at all."""

    gated: str
    """The expression for y with its gate and norm."""

    cache: str | None
    computed: bool = True
    carries: bool = True
    """Its state goes from chunk to chunk step by step."""

    @property
    def inner(self) -> int:
        """Width of all heads together."""
        return self.heads * self.head_dim

    @property
    def vectors(self) -> int:
        """Width of B, or of C."""
        return self.groups * self.state_dim

    @property
    def channels(self) -> int:
        """What the convolution runs over."""
        return self.inner + 2 * self.vectors

    @property
    def parameter(self) -> str:
        """The last parameter of its forward pass."""
        return f", cache: {self.cache} | None" if self.cache else ""

    @property
    def read(self) -> str:
        """What every head gives, with what leads past its state."""
        return "(y + self.D[:, None] * u)" if self.skip else "y"

    @property
    def tail(self) -> str:
        """The variable with what its convolution still needs."""
        return "tail" if self.cache else "None"

    @property
    def arguments(self) -> str:
        """What a layer passes it after x."""
        return ", step, cache" if self.cache else ", step"


def view(mechanism: Mamba2, site: Site) -> Mamba2View:
    """Decide names and numbers for one mixer."""
    m = mechanism
    scales = m.part_scales or PartScales()
    names, scaled = _convolved(scales)
    vectors = m.groups * m.state_dim
    widths = [
        m.inner,
        *((m.channels,) if len(names) == 1 else (m.inner, vectors, vectors)),
        m.heads,
    ]
    return Mamba2View(
        class_name=site.class_name,
        caption=m.caption(site.hidden_size),
        hidden_size=site.hidden_size,
        heads=m.heads,
        head_dim=m.head_dim,
        state_dim=m.state_dim,
        groups=m.groups,
        conv=m.conv,
        conv_bias=m.conv_bias,
        input_bias=m.input_bias,
        output_bias=m.output_bias,
        split=", ".join(["z", *names, "dt"]),
        widths=", ".join(str(width) for width in widths),
        scaled=scaled,
        dt=_times(scales.dt, "dt.to(exact)"),
        gate=_times(scales.gate, "z.to(exact)"),
        bounds=_bounds(m),
        skip=m.skip,
        norm=_norm(m, m.norm) if m.norm else None,
        affine=_affine(m.norm) if m.norm else None,
        gated=_gated(m.norm),
        cache="StateSpaceCache" if site.decodes else None,
    )


def shared(views: list[Mamba2View]) -> dict[str, Any]:
    """The norm's class, with what any of its users needs."""
    normed = [view for view in views if view.norm]
    return {"grouped_norm": grouped_norm({view.affine for view in normed}) if normed else None}


def _convolved(scales: PartScales) -> tuple[list[str], str | None]:
    """What the convolution reads as parts of the projection, and the expression that scales it."""
    factors = scales.convolved
    if len(set(factors)) == 1:
        return ["mixed"], None if factors[0] == 1 else _times(factors[0], "mixed")
    names = ["u", "b", "c"]
    parts = [_times(factor, name) for factor, name in zip(factors, names, strict=True)]
    return names, f"torch.cat(({', '.join(parts)}), dim=-1)"


def _times(factor: float, value: str) -> str:
    return value if factor == 1 else f"{factor!r} * {value}"


def _bounds(m: Mamba2) -> str:
    parts = [f"min={m.dt_min!r}"] if m.dt_min else []
    parts += [f"max={m.dt_max!r}"] if m.dt_max is not None else []
    return f".clamp({', '.join(parts)})" if parts else ""


def _norm(m: Mamba2, norm: GatedNorm) -> str:
    options = [str(m.groups), str(m.inner // m.groups), f"eps={norm.eps!r}"]
    options += ["weight=False"] if not norm.weight else []
    options += ["center=1.0"] if norm.zero_centered else []
    return f"GroupedRMSNorm({', '.join(options)})"


def _affine(norm: GatedNorm) -> str | None:
    if not norm.weight:
        return None
    return "1.0 + weight" if norm.zero_centered else "weight"


def _gated(norm: GatedNorm | None) -> str:
    if norm is None:
        return "(y * gate)"
    return "(self.norm(y) * gate)" if norm.before_gate else "self.norm(y * gate)"
