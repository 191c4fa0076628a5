"""What the Mamba templates see: names decided, numbers worked out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from archspec.codegen.definitions import Defined
from archspec.codegen.files import SharedFile
from archspec.codegen.site import Check, Site
from archspec.codegen.tensor_files import START
from archspec.mechanisms.common.chunks import CARRY
from archspec.mechanisms.common.conv import CONV, CONVOLUTION
from archspec.mechanisms.mixers.mamba.spec import Mamba

FILE = "mamba.py"
PURPOSE = "the selective state-space mixers"
SHARED = (
    SharedFile(
        "scan.py",
        "scan.py.jinja",
        "the selective scan, token by token and chunked",
        operators=True,
    ),
    CONV,
    START,
    CARRY,
)
CACHES = {"StateSpaceCache": "templates/caches/state_space.py.jinja"}
DEFINITION = "mechanisms/mixers/mamba/definition.py"


def _defined(views: list[Any]) -> tuple[Defined, ...]:
    forms = ("scan_chunked", "scan_recurrent")
    return CONVOLUTION, *(Defined("scan", form, DEFINITION, "selective_scan") for form in forms)


CHECKS = (
    Check(
        "Both forms of the selective scan are compared with its definition, values and gradients.",
        _defined,
        tokens=2 * 64 + 5,  # three chunks
    ),
)


@dataclass(frozen=True)
class MambaView:
    """One Mamba class."""

    class_name: str
    caption: str
    hidden_size: int
    inner_dim: int
    state_dim: int
    dt_rank: int
    conv: int
    conv_bias: bool
    input_bias: bool
    output_bias: bool
    norms: dict[str, str]
    """The norms of Δ, B and C: name and the expression that makes it."""

    skip: bool
    cache: str | None
    computed: bool = True
    carries: bool = True
    """Its state goes from chunk to chunk step by step."""

    @property
    def arguments(self) -> str:
        """What a layer passes it after x."""
        return ", step, cache" if self.cache else ", step"


def view(mechanism: Mamba, site: Site) -> MambaView:
    """Decide names and numbers for one mixer."""
    m, widths = mechanism, {"dt": mechanism.dt_rank}
    widths |= {"b": m.state_dim, "c": m.state_dim}
    return MambaView(
        class_name=site.class_name,
        caption=m.caption(site.hidden_size),
        hidden_size=site.hidden_size,
        inner_dim=m.inner_dim,
        state_dim=m.state_dim,
        dt_rank=m.dt_rank,
        conv=m.conv,
        conv_bias=m.conv_bias,
        input_bias=m.input_bias,
        output_bias=m.output_bias,
        norms={name: site.norm(m.inner_norm, width) for name, width in widths.items()}
        if m.inner_norm
        else {},
        skip=m.skip,
        cache="StateSpaceCache" if site.decodes else None,
    )


def shared(views: list[MambaView]) -> dict[str, Any]:
    """Nothing beside the views themselves."""
    return {}
