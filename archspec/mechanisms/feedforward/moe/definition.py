"""The mixture of experts written out, token by token: arXiv 1701.06538 and what its README adds."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from archspec.mechanisms.common.definitions.activation import activation
from archspec.mechanisms.common.definitions.beside import Beside
from archspec.mechanisms.common.definitions.linear import linear, part
from archspec.mechanisms.common.definitions.norm import norm
from archspec.mechanisms.feedforward.dense.definition import inner


def definition(fields: Any, weights: dict[str, Tensor], x: Tensor, beside: Beside) -> Tensor:
    """(B, T, C) → (B, T, C)."""
    read = x if fields.norm is None else norm(fields.norm, weights, "norm", x)
    logits = router_logits(fields.router, weights, x)
    tokens = linear(weights, "latent_in", read) if fields.latent is not None else read
    rows: list[Tensor] = []
    for token, own in zip(tokens.flatten(0, 1), logits.flatten(0, 1), strict=True):
        y = token * 0
        for expert, weight in chosen(fields, weights, own):
            if fields.weigh == "input":
                y = y + expert_output(fields, weights, expert, weight * token)
            else:
                y = y + weight * expert_output(fields, weights, expert, token)
        rows.append(y)
    y = torch.stack(rows).reshape(tokens.shape)
    if fields.latent is not None:
        y = linear(weights, "latent_out", y)
    return y if fields.shared is None else with_shared(fields, weights, read, y)


def router_logits(fields: Any, weights: dict[str, Tensor], x: Tensor) -> Tensor:
    """One number for each expert, (B, T, E)."""
    if fields.norm is not None:
        x = norm(fields.norm, weights, "router_norm", x)
    if fields.scale is not None:
        x = fields.scale * x
    logits = linear(weights, "router", x)
    if fields.softcap is not None:
        logits = fields.softcap * torch.tanh(logits / fields.softcap)
    return logits


def chosen(fields: Any, weights: dict[str, Tensor], logits: Tensor) -> list[tuple[int, Tensor]]:
    """The experts of a token with logits (E,), and what weighs each of them."""
    router = fields.router
    if router.score == "sparsemixer":
        found = sparse_mixer(logits, fields.top_k, router.jitter)
    else:
        scores = router_scores(router.score, logits)
        choice = scores.detach()
        if router.correction:
            choice = choice + weights["router_correction"]
        if router.groups is not None:
            choice = of_best_groups(router.groups, choice)
        experts = ranked(choice)[: fields.top_k]
        found = [(expert, scores[expert]) for expert in experts]
    if fields.renormalize:
        total = torch.stack([weight for _, weight in found]).sum()
        total = (total + fields.renormalize_epsilon).clamp(min=fields.renormalize_floor)
        found = [(expert, weight / total) for expert, weight in found]
    found = [(expert, fields.scale * weight) for expert, weight in found]
    if router.expert_scale:
        found = [(expert, weights["expert_scale"][expert] * weight) for expert, weight in found]
    return found


def router_scores(kind: str, logits: Tensor) -> Tensor:
    """softmax(l), σ(l) or √softplus(l)."""
    if kind == "softmax":
        powers = torch.exp(logits)
        return powers / powers.sum()
    if kind == "sigmoid":
        return activation("sigmoid", logits)
    assert kind == "sqrt_softplus"
    return torch.sqrt(activation("softplus", logits))


def ranked(values: Tensor) -> list[int]:
    """The places of (N,) numbers from the largest on; of equal ones the first."""
    return sorted(range(len(values)), key=lambda place: (-values[place].item(), place))


def of_best_groups(fields: Any, choice: Tensor) -> Tensor:
    """−∞ for experts outside of the best groups; experts side by side form one."""
    size = len(choice) // fields.count
    groups = choice.reshape(fields.count, size)
    best = 1 if fields.by == "max" else 2
    worth = torch.stack([group[ranked(group)[:best]].sum() for group in groups])
    kept = ranked(worth)[: fields.keep]
    out = torch.full_like(groups, float("-inf"))
    out[kept] = groups[kept]
    return out.flatten()


def sparse_mixer(logits: Tensor, top_k: int, jitter: float) -> list[tuple[int, Tensor]]:
    """One expert after another, each weighed against those that come near it (arXiv 2409.12136)."""
    left, found = list(range(len(logits))), list[tuple[int, Tensor]]()
    for _ in range(top_k):
        best = max(left, key=lambda i: logits[i].item())
        top = logits[best].item()
        rivals = [
            i
            for i in left
            if top - logits[i].item() <= 2 * jitter * max(abs(logits[i].item()), top)
        ]
        total = torch.stack([torch.exp(logits[i]) for i in rivals]).sum()
        found.append((best, torch.exp(logits[best]) / total))
        left.remove(best)
    return found


def expert_output(fields: Any, weights: dict[str, Tensor], expert: int, token: Tensor) -> Tensor:
    """The feed-forward number `expert` of a token (C,); the gate's rows come before up's."""

    def through(name: str, x: Tensor) -> Tensor:
        y = weights[f"experts.{name}"][expert] @ x
        return y + weights[f"experts.{name}_bias"][expert] if fields.bias else y

    learned = part(weights, "experts.activation.")
    if fields.gated:
        both = through("gate_up_proj", token)
        gate, up = both[: fields.hidden_size], both[fields.hidden_size :]
        inside = inner(fields, up, gate, learned)
    else:
        inside = inner(fields, through("up_proj", token), None, learned)
    return through("down_proj", inside)


def with_shared(fields: Any, weights: dict[str, Tensor], read: Tensor, routed: Tensor) -> Tensor:
    """The experts' output together with that of the feed-forward that every token uses.

    It has the experts' activation, gate and offset, and clamps of its own.
    """
    shared = fields.shared
    own = part(weights, "shared.")
    up = linear(own, "up_proj", read)
    gate = linear(own, "gate_proj", read) if fields.gated else None
    stages = fields.model_copy(update={"clamp": shared.clamp, "clamp_after": shared.clamp_after})
    y = linear(own, "down_proj", inner(stages, up, gate, part(own, "activation.")))
    if shared.gate:
        y = y * activation("sigmoid", linear(weights, "shared_gate", read))
    return (routed + y) / 2 if shared.average else routed + y
