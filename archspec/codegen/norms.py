"""Which class a norm becomes: PyTorch's own where it says the same."""

from __future__ import annotations

from archspec.spec.norm import Norm

OWN = {
    "rmsnorm": "RMSNorm",
    "layernorm": "LayerNorm",
    "l2norm": "L2Norm",
    "head_rmsnorm": "HeadRMSNorm",
    "head_layernorm": "HeadLayerNorm",
}
"""Norms that PyTorch has no class for, and what we call ours."""


def constructor(norm: Norm, width: int, heads: int | None = None) -> str:
    """The expression that makes a norm over `width` numbers, or over each of `heads` heads."""
    own = own_class(norm, heads)
    options = [f"eps={norm.eps!r}"]
    if own == "l2norm":
        return f"L2Norm({', '.join([str(width), *options, *_affine(norm)])})"
    if own:
        sizes = [str(width)] if heads is None else [str(heads), str(width)]
        options += ["bias=False"] if norm.type == "layernorm" and not norm.bias else []
        return f"{OWN[own]}({', '.join([*sizes, *options])})"
    options += _affine(norm)
    if norm.type == "layernorm" and norm.weight and not norm.bias:
        options.append("bias=False")
    name = "RMSNorm" if norm.type == "rmsnorm" else "LayerNorm"
    return f"nn.{name}({', '.join([str(width), *options])})"


def own_class(norm: Norm, heads: int | None = None) -> str | None:
    """The key in `OWN` of a norm to write out, where PyTorch has none like it."""
    if norm.type == "l2norm":
        return "l2norm"
    if heads is not None:
        return f"head_{norm.type}"
    return norm.type if norm.zero_centered else None


def _affine(norm: Norm) -> list[str]:
    return [] if norm.weight else ["elementwise_affine=False"]
