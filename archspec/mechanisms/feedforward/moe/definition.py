"""The mixture of experts written out: arXiv 1701.06538 and what its README adds."""

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
    """(B, T, C) → (B, T, C): Σ_e w_e E_e(x) over the chosen experts, or Σ_e E_e(w_e x)."""
    read = x if fields.norm is None else norm(fields.norm, weights, "norm", x)
    weight, chosen = routed(fields, weights, router_logits(fields.router, weights, x))
    tokens = linear(weights, "latent_in", read) if fields.latent is not None else read
    y = tokens * 0
    for expert in range(fields.experts):
        own, mine = weight[..., expert, None], chosen[..., expert, None]
        if fields.router_weight_on == "input":
            y = y + mine * expert_output(fields, weights, expert, own * tokens)
        else:
            y = y + mine * own * expert_output(fields, weights, expert, tokens)
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


def routed(fields: Any, weights: dict[str, Tensor], logits: Tensor) -> tuple[Tensor, Tensor]:
    """What weighs each expert of a token, and whether it is chosen: (B, T, E) → twice (B, T, E)."""
    router = fields.router
    if router.score == "sparsemixer":
        weight, chosen = sparse_mixer(logits, fields.top_k, router.jitter)
    else:
        weight = router_scores(router.score, logits)
        choice = weight.detach()
        if router.correction_bias:
            choice = choice + weights["router_correction"]
        if router.groups is not None:
            choice = of_best_groups(router.groups, choice)
        chosen = best(choice, fields.top_k)
    if fields.renormalize:
        total = (weight * chosen).sum(dim=-1, keepdim=True) + fields.renormalize_epsilon
        weight = weight / total.clamp(min=fields.renormalize_floor)
    weight = fields.scale * weight
    if router.expert_scale:
        weight = weight * weights["expert_scale"]
    return weight, chosen


def router_scores(kind: str, logits: Tensor) -> Tensor:
    """softmax(l), σ(l) or √softplus(l)."""
    if kind == "softmax":
        powers = torch.exp(logits)
        return powers / powers.sum(dim=-1, keepdim=True)
    if kind == "sigmoid":
        return activation("sigmoid", logits)
    assert kind == "sqrt_softplus"
    return torch.sqrt(activation("softplus", logits))


def best(values: Tensor, count: int) -> Tensor:
    """Which of the last dimension are the `count` largest; of equal ones the first."""
    ranked = torch.sort(values, dim=-1, descending=True, stable=True).indices
    return torch.zeros_like(values, dtype=torch.bool).scatter(-1, ranked[..., :count], True)


def of_best_groups(fields: Any, choice: Tensor) -> Tensor:
    """−∞ for experts outside of the best groups; experts side by side form one."""
    groups = choice.reshape(*choice.shape[:-1], fields.count, -1)
    judges = best(groups, 1 if fields.by == "max" else 2)
    worth = (groups.masked_fill(~judges, 0.0)).sum(dim=-1)
    kept = best(worth, fields.keep)
    return groups.masked_fill(~kept[..., None], float("-inf")).reshape(choice.shape)


def sparse_mixer(logits: Tensor, top_k: int, jitter: float) -> tuple[Tensor, Tensor]:
    """One expert after another, each weighed against those that come near it (arXiv 2409.12136)."""
    weight, chosen = logits * 0, torch.zeros_like(logits, dtype=torch.bool)
    for _ in range(top_k):
        left = logits.detach().masked_fill(chosen, float("-inf"))
        now = best(left, 1)
        top = left.amax(dim=-1, keepdim=True)
        limit = 2 * jitter * torch.maximum(logits.detach().abs(), top)
        rivals = ~chosen & (top - left <= limit)
        powers = torch.exp(logits)
        weight = weight + now * powers / (powers * rivals).sum(dim=-1, keepdim=True)
        chosen = chosen | now
    return weight, chosen


def expert_output(fields: Any, weights: dict[str, Tensor], expert: int, x: Tensor) -> Tensor:
    """The feed-forward number `expert` of tokens (…, C); the gate's rows come before up's."""

    def through(name: str, x: Tensor) -> Tensor:
        y = x @ weights[f"experts.{name}"][expert].T
        return y + weights[f"experts.{name}_bias"][expert] if fields.bias else y

    learned = part(weights, "experts.activation.")
    if fields.gated:
        both = through("gate_up_proj", x)
        gate, up = both[..., : fields.intermediate_size], both[..., fields.intermediate_size :]
        inside = inner(fields, fields, up, gate, learned)
    else:
        inside = inner(fields, fields, through("up_proj", x), None, learned)
    return through("down_proj", inside)


def grouped_linear(x: Tensor, weight: Tensor, ends: Tensor) -> Tensor:
    """One linear map for each group of rows: x[row] times weight[g]ᵀ, (N, in) → (N, out).

    Group g has the rows up to ends[g] that none before it has; weight is (G, out, in).
    """
    rows: list[Tensor] = []
    first = 0
    for group, end in enumerate(ends):
        last = int(end)
        if last > first:
            rows.append(x[first:last] @ weight[group].to(x.dtype).T)
        first = last
    return torch.cat(rows)


def with_shared(fields: Any, weights: dict[str, Tensor], read: Tensor, routed: Tensor) -> Tensor:
    """The experts' output together with that of the feed-forward that every token uses.

    It has the experts' activation, gate and offset, and clamps of its own.
    """
    shared = fields.shared
    own = part(weights, "shared.")
    up = linear(own, "up_proj", read)
    gate = linear(own, "gate_proj", read) if fields.gated else None
    inside = inner(fields, shared, up, gate, part(own, "activation."))
    y = linear(own, "down_proj", inside)
    if shared.gate:
        y = y * activation("sigmoid", linear(weights, "shared_gate", read))
    return (routed + y) / 2 if shared.average else routed + y
