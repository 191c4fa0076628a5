"""Norms, rotations, gates, experts and the loss beside PyTorch, and as a share of a copy.

What is timed is what the model itself calls on a text of `TOKENS` tokens.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from . import experts
from .device import Call, device, installed
from .operators import Called, calls, learn
from .package import Package
from .race import Bench, Row

TOKENS = 16384
Formula = Callable[..., Tensor | tuple[Tensor, ...]]

ACTIVATIONS: dict[str, Formula] = {
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "identity": lambda x: x,
    "mish": F.mish,
    "quick_gelu": lambda x: x * torch.sigmoid(1.702 * x),
    "relu": F.relu,
    "relu2": lambda x: F.relu(x).square(),
    "sigmoid": torch.sigmoid,
    "silu": F.silu,
    "softplus": F.softplus,
    "tanh": torch.tanh,
}


def rms_norm(x: Tensor, weight: Tensor, eps: float, center: float) -> Tensor:
    """X / sqrt(mean(x²) + eps) · (center + weight), in float32 at least."""
    wide = torch.promote_types(x.dtype, torch.float32)
    y = x.to(wide) * (x.to(wide).square().mean(-1, keepdim=True) + eps).rsqrt()
    return (y * (center + weight.to(wide))).to(x.dtype)


def rotate(x: Tensor, cos: Tensor, sin: Tensor, apart: int, sign: int) -> Tensor:
    """Each pair of numbers, `apart` from one another, turned."""
    order = torch.arange(x.shape[-1], device=x.device)
    swap = order ^ 1 if apart == 1 else (order + apart) % x.shape[-1]
    return x * cos + sign * x[..., swap] * sin


def norm_rotate(
    x: Tensor, weight: Tensor, cos: Tensor, sin: Tensor, eps: float, center: float, apart: int
) -> Tensor:
    """Both."""
    return rotate(rms_norm(x, weight, eps, center), cos, sin, apart, 1)


def add_rms_norm(
    x: Tensor, branch: Tensor, weight: Tensor, eps: float, center: float
) -> tuple[Tensor, Tensor]:
    """The sum, and its norm."""
    total = x + branch
    return total, rms_norm(total, weight, eps, center)


FORMULAS: dict[str, Formula] = {
    "rms_norm": rms_norm,
    "add_rms_norm": add_rms_norm,
    "rotate": rotate,
    "norm_rotate": norm_rotate,
    **experts.FORMULAS,
}

LINEAR = frozenset(["rotate"])
"""Operators whose gradient does not depend on what they were first given."""


def formula(name: str) -> Formula | None:
    """What an operator computes, in PyTorch's operators; None where that is not known here."""
    if name in FORMULAS:
        return FORMULAS[name]
    kind, _, activation = name.removesuffix("_packed").partition("gated_")
    if kind or activation not in ACTIVATIONS:
        return None
    curve = ACTIVATIONS[activation]
    if name.endswith("_packed"):
        return lambda h: curve(h.chunk(2, dim=-1)[0]) * h.chunk(2, dim=-1)[1]
    return lambda gate, up: curve(gate) * up


def run(package: Package, bench: Bench) -> None:
    """Forward, and forward with backward, of every operator that is no attention."""
    if not package.has("kernels.launch"):
        return
    with package.layers(package.kinds()):
        model: Any = package.model(bench.dtype, device())
    batch = max(1, TOKENS // min(4096, package.facts["context_length"]))
    size = (batch, TOKENS // batch)
    tokens = torch.randint(package.facts["vocab_size"], size, device=device())
    found = calls(package, lambda: learn(package, model, tokens))
    model.zero_grad()
    cases: list[tuple[Row, Call]] = []
    for called in found:
        loss = called.name == "rows_loss"
        if called.name.startswith("attention") or not (loss or called.learned):
            continue
        shape = [list(x.shape) for x in called.arguments if isinstance(x, Tensor)]
        row: Row = {"operator": called.name, "shapes": shape}
        if loss:
            row |= {"operation": "loss and its gradient"}
            cases.append((row, _loss(bench, package, called, row)))
            continue
        plain = formula(called.name)
        if plain is None:
            bench.put(row | {"not_timed": "no formula to check it by; the model's tests do"})
            continue
        for backward in (False, True):
            own = row | {"operation": "forward and backward" if backward else "forward"}
            cases.append((own, _case(bench, called, plain, backward, own)))
    bench.each(cases)


def _case(bench: Bench, called: Called, plain: Formula, backward: bool, row: Row) -> Call:
    def work() -> None:
        given = called.fresh()
        taken = [x for x in given if isinstance(x, Tensor) and x.requires_grad]
        exact = tuple(
            x.detach().double().requires_grad_(x.requires_grad)
            if isinstance(x, Tensor) and x.is_floating_point()
            else x
            for x in given
        )
        douts = [torch.randn_like(out) for out in _outputs(plain, given)]
        truth = _results(plain, exact, [dout.double() for dout in douts], backward)
        functions: dict[str, Formula] = {"ours": called.operator, "pytorch": plain}
        if called.name == "expert_linear":  # whose loop over experts is no graph
            functions["pytorch grouped"] = experts.grouped_linear
        else:
            functions["compiled"] = torch.compile(plain, dynamic=False)
        if called.name == "rms_norm":
            functions["pytorch fused"] = _fused_norm
        skipped = _liger(called.name, functions)
        written = sum(dout.nbytes for dout in douts)
        moved = sum(x.nbytes for x in given if isinstance(x, Tensor)) + written
        if backward:
            # Of what is linear the backward pass reads no input again.
            again = given[1:] if called.name in LINEAR else given
            moved += sum(x.nbytes for x in again if isinstance(x, Tensor))
            moved += written + sum(x.nbytes for x in taken)
        contenders = {
            name: (lambda f=f: _results(f, given, douts, backward)) for name, f in functions.items()
        }
        bench.race(row, contenders, truth, lambda found: found, skipped=skipped, moved=moved)

    return work


def _outputs(function: Formula, given: tuple[Any, ...]) -> list[Tensor]:
    found = function(*given)
    return [found] if isinstance(found, Tensor) else list(found)


def _results(
    function: Formula, given: tuple[Any, ...], douts: list[Tensor], backward: bool
) -> list[Tensor]:
    if not backward:
        with torch.no_grad():
            return _outputs(function, given)
    outs = _outputs(function, given)
    taken = [x for x in given if isinstance(x, Tensor) and x.requires_grad]
    return [*(out.detach() for out in outs), *torch.autograd.grad(outs, taken, douts)]


def _fused_norm(x: Tensor, weight: Tensor, eps: float, center: float) -> Tensor:
    return F.rms_norm(x, weight.shape, weight + center if center else weight, eps)


def _loss(bench: Bench, package: Package, called: Called, row: Row) -> Call:
    """The loss of rows, whose gradients take the place of the logits."""

    def work() -> None:
        logits, labels, gradients = called.fresh()
        plain: Any = package.module("loss").rows_loss
        loss, grad = plain(logits.double(), labels, gradients)
        kept = logits.detach().clone()

        def ours() -> list[Tensor]:
            own = kept.clone()
            return [called.operator(own, labels, gradients)[None], own]

        def pytorch(function: Any) -> list[Tensor]:
            own, grads = function(kept.clone().float(), labels, gradients)
            return [own[None], grads]

        functions = {"pytorch": plain, "compiled": torch.compile(plain, dynamic=False)}
        contenders: dict[str, Call] = {"ours": ours}
        contenders |= {name: (lambda f=f: pytorch(f)) for name, f in functions.items()}
        # Logits are copied, by each contender, then read twice and written once.
        own = row | {"note": "with a copy of the logits, which each contender makes"}
        bench.race(own, contenders, [loss[None], grad], lambda found: found, moved=5 * kept.nbytes)

    return work


def _liger(name: str, functions: dict[str, Formula]) -> dict[str, str]:
    """Liger's kernel of the same operator."""
    if name not in ("rms_norm", "gated_silu", "gated_gelu_tanh"):
        return {}
    if not installed("liger-kernel"):
        return {"liger": "not installed"}
    if name == "rms_norm":
        # Its casts are numbered: 0 computes the norm alone in float32, 1 the weight as well.
        norm: Any = importlib.import_module("liger_kernel.ops.rms_norm").LigerRMSNormFunction
        functions["liger"] = lambda x, weight, eps, center: norm.apply(
            x, weight, eps, center, int(center != 0), False
        )
    elif name == "gated_silu":
        gate: Any = importlib.import_module("liger_kernel.ops.swiglu").LigerSiLUMulFunction
        functions["liger"] = gate.apply
    else:
        gate = importlib.import_module("liger_kernel.ops.geglu").LigerGELUMulFunction
        functions["liger"] = gate.apply
    return {}
