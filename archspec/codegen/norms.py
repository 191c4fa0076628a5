"""Which class a norm becomes: PyTorch's own where it says the same."""

from __future__ import annotations

from archspec.spec.norm import Norm


def constructor(norm: Norm, width: int) -> str:
    """The expression that makes a norm over `width` numbers."""
    assert norm.type and norm.eps
    name = "RMSNorm" if norm.type == "rmsnorm" else "LayerNorm"
    prefix = "" if norm.zero_centered else "nn."
    bias = ", bias=False" if norm.type == "layernorm" and not norm.bias else ""
    return f"{prefix}{name}({width}, eps={norm.eps!r}{bias})"


def own_class(norm: Norm) -> str | None:
    """The kind of norm to write out, where PyTorch has none like it."""
    return norm.type if norm.zero_centered else None
