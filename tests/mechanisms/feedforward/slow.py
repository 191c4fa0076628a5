"""Feed-forwards written out in float64, one token and one expert at a time."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from archspec.mechanisms.common.activation import Inner
from archspec.mechanisms.feedforward.dense.spec import DenseFeedForward
from archspec.mechanisms.feedforward.moe.spec import MixtureOfExperts
from archspec.spec.norm import Norm

State = dict[str, Tensor]


def activate(kind: str, x: Tensor, state: State) -> Tensor:
    """An activation by its definition."""
    if kind == "xielu":
        above, below = (F.softplus(state[f"activation.alpha_{sign}"]) for sign in "pn")
        bent = (0.5 + below) * (x.clamp(max=-1e-6).exp() - 1 - x)
        return torch.where(x > 0, above * x**2, bent) + 0.5 * x
    cube = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
    return {
        "gelu": lambda: x * 0.5 * (1 + torch.erf(x / math.sqrt(2))),
        "gelu_tanh": lambda: 0.5 * x * (1 + torch.tanh(cube)),
        "identity": lambda: x,
        "mish": lambda: x * torch.tanh((1 + x.exp()).log()),
        "quick_gelu": lambda: x / (1 + (-1.702 * x).exp()),
        "relu": lambda: x * (x > 0),
        "relu2": lambda: x**2 * (x > 0),
        "sigmoid": lambda: 1 / (1 + (-x).exp()),
        "silu": lambda: x / (1 + (-x).exp()),
        "softplus": lambda: (1 + x.exp()).log(),
        "tanh": lambda: torch.tanh(x),
    }[kind]()


def between(inner: Inner, up: Tensor, gate: Tensor | None, state: State) -> Tensor:
    """What stands between the linear layers."""
    if inner.clamp is not None:
        up = up.clamp(-inner.clamp, inner.clamp)
        gate = gate if gate is None else gate.clamp(max=inner.clamp)
    act = activate(inner.activation, up if gate is None else gate, state)
    if inner.clamp_after is not None:
        act, up = act.clamp(max=inner.clamp_after), up.clamp(-inner.clamp_after, inner.clamp_after)
    return act if gate is None else act * (up + inner.up_offset)


def dense(spec: DenseFeedForward, state: State, x: Tensor) -> Tensor:
    """A dense feed-forward of one token."""

    def linear(name: str, value: Tensor) -> Tensor:
        return state[f"{name}.weight"] @ value + state.get(f"{name}.bias", 0)

    gate = linear("gate_proj", x) if spec.gated else None
    return linear("down_proj", between(spec, linear("up_proj", x), gate, state))


def mixture(spec: MixtureOfExperts, state: State, x: Tensor) -> Tensor:
    """A mixture of experts of tokens (N, C), one after another."""
    state = {name: tensor.double() for name, tensor in state.items()}
    return torch.stack([_token(spec, state, row) for row in x.double()])


def route(spec: MixtureOfExperts, state: State, x: Tensor) -> dict[int, float]:
    """The chosen experts of one token and their weights."""
    router = spec.router
    read = normed(router.norm, state.get("router_norm.weight"), x) * (router.scale or 1)
    logits = state["router.weight"] @ read + state.get("router.bias", 0)
    if router.softcap:
        logits = router.softcap * torch.tanh(logits / router.softcap)
    if router.score == "sparsemixer":
        weights = _rivals(logits, spec.top_k, 2 * router.jitter)
    else:
        scores = {
            "softmax": lambda: logits.exp() / logits.exp().sum(),
            "sigmoid": lambda: 1 / (1 + (-logits).exp()),
            "sqrt_softplus": lambda: (1 + logits.exp()).log().sqrt(),
        }[router.score]()
        choice = scores + state.get("router_correction", 0)
        candidates = _limited(choice.tolist(), router.groups)
        best = sorted(range(spec.experts), key=lambda e: -candidates[e])[: spec.top_k]
        weights = {e: scores[e].item() for e in best}
    if spec.renormalize:
        total = max(sum(weights.values()) + spec.renormalize_epsilon, spec.renormalize_floor)
        weights = {e: w / total for e, w in weights.items()}
    scales = state.get("expert_scale", [1] * spec.experts)
    return {e: w * spec.scale * float(scales[e]) for e, w in weights.items()}


def normed(norm: Norm | None, weight: Tensor | None, x: Tensor) -> Tensor:
    """RMSNorm by its definition, or `x` itself without one."""
    if norm is None:
        return x
    rows = x / (x.square().mean() + norm.eps).sqrt()
    if weight is None:
        return rows
    return rows * (weight + 1 if norm.zero_centered else weight)


def _limited(choice: list[float], groups) -> list[float]:
    if groups is None:
        return choice
    size = len(choice) // groups.count
    parts = [sorted(choice[g * size : (g + 1) * size]) for g in range(groups.count)]
    good = [part[-1] if groups.by == "max" else sum(part[-2:]) for part in parts]
    kept = sorted(range(groups.count), key=lambda g: -good[g])[: groups.keep]
    return [c if e // size in kept else -math.inf for e, c in enumerate(choice)]


def _rivals(logits: Tensor, top_k: int, reach: float) -> dict[int, float]:
    left, weights = dict(enumerate(logits.tolist())), {}
    for _ in range(top_k):
        best = max(left, key=left.__getitem__)
        top = left[best]
        rivals = [v for v in left.values() if (top - v) / max(abs(v), top) <= reach]
        weights[best] = math.exp(top) / sum(math.exp(v) for v in rivals)
        del left[best]
    return weights


def _token(spec: MixtureOfExperts, state: State, x: Tensor) -> Tensor:
    out = torch.zeros_like(x)
    chosen = route(spec, state, x)
    x = normed(spec.norm, state.get("norm.weight"), x)
    for e, weight in chosen.items():
        inside = x * weight if spec.router_weight_on == "input" else x
        given = _expert(spec, state, e, inside)
        out += given if spec.router_weight_on == "input" else given * weight
    own = spec.shared_expert()
    if own is None:
        return out
    prefix = "shared."
    part = {n.removeprefix(prefix): t for n, t in state.items() if n.startswith(prefix)}
    beside = dense(own, part, x)
    if spec.shared.gate:
        beside = beside / (1 + (-(state["shared_gate.weight"] @ x)).exp())
    return (out + beside) / 2 if spec.shared.average else out + beside


def _expert(spec: MixtureOfExperts, state: State, e: int, x: Tensor) -> Tensor:
    own = {n.removeprefix("experts."): t for n, t in state.items() if n.startswith("experts.")}

    def linear(name: str, value: Tensor) -> Tensor:
        return own[name][e] @ value + (own[f"{name}_bias"][e] if f"{name}_bias" in own else 0)

    if not spec.gated:
        return linear("down_proj", between(spec, linear("up_proj", x), None, own))
    gate, up = linear("gate_up_proj", x).chunk(2)
    return linear("down_proj", between(spec, up, gate, own))
