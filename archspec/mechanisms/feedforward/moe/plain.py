"""A mixture of experts in a plain file: a router, and a loop over the experts that are chosen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from archspec.codegen.plain.facts import Facts, number
from archspec.codegen.plain.site import PlainClass, PlainSite, linear, nothing, whole
from archspec.mechanisms.feedforward.dense import plain as dense
from archspec.mechanisms.feedforward.dense.plain import inner, limits
from archspec.mechanisms.feedforward.moe.router import Groups
from archspec.mechanisms.feedforward.moe.spec import MixtureOfExperts

EXPERTS = "mechanisms/feedforward/moe/templates/plain_experts.py.jinja"
_SCORES = {
    "softmax": "{}.softmax(dim=-1)",
    "sigmoid": "{}.sigmoid()",
    "sqrt_softplus": "F.softplus({}).sqrt()",
}


varies, alike = nothing, whole


def differs(m: MixtureOfExperts) -> Iterator[str]:
    """How many experts work on a token."""
    shared = " beside a shared one" if m.shared else ""
    yield f"in {{layers}} {m.top_k} of {m.experts} experts{shared} work on a token"
    yield from dense.differs(m)


def plain(m: MixtureOfExperts, facts: Facts, site: PlainSite) -> PlainClass:
    """The class of a mixture, and those of its experts."""
    pattern = site.class_name.replace("MixtureOfExperts", "{}")
    names = {name: pattern.format(name) for name in ("Experts", "SharedExpert")}
    classes = [_experts(m, names["Experts"], number(m.expert_width(site.hidden_size)))]
    beside = m.shared_expert()
    if beside:
        own = replace(site, class_name=names["SharedExpert"])
        classes.append(dense.plain(beside, Facts([dense.varies(beside, {})]), own))
    return PlainClass(
        site.class_name,
        m.caption(site.hidden_size),
        facts,
        tuple(_made(m, site, names)),
        tuple(_lines(m)),
        inner=tuple(classes),
    )


def _made(m: MixtureOfExperts, site: PlainSite, names: Mapping[str, str]) -> Iterator[str]:
    router, experts = m.router, number(m.experts)
    if m.norm:
        yield f"self.norm = {site.norm(m.norm, site.width)}"
    if router.norm:
        yield f"self.router_norm = {site.norm(router.norm, site.width)}"
    yield linear("router", site.width, experts, router.bias)
    if router.correction_bias:
        yield f"self.router_correction = nn.Buffer(torch.zeros({experts}))"
    if router.expert_scale:
        yield f"self.expert_scale = nn.Parameter(torch.ones({experts}))"
    if m.latent:
        yield linear("latent_in", site.width, number(m.latent.width), m.latent.bias)
        yield linear("latent_out", number(m.latent.width), site.width, m.latent.bias)
    yield f"self.experts = {names['Experts']}()"
    if m.shared:
        yield f"self.shared = {names['SharedExpert']}()"
        if m.shared.gate:
            yield linear("shared_gate", site.width, "1")


def _lines(m: MixtureOfExperts) -> Iterator[str]:
    """The statements of its forward pass: score, choose, weigh, and the experts."""
    router = m.router
    yield "tokens = x.flatten(0, 1)  # (N, C)"
    reads = "self.router_norm(tokens)" if router.norm else "tokens"
    reads = reads if router.scale is None else f"{number(router.scale)} * {reads}"
    if router.exact:
        bias = ", wide(self.router.bias)" if router.bias else ""
        yield f"logits = F.linear(wide({reads}), wide(self.router.weight){bias})  # in float32"
    else:
        yield f"logits = wide(self.router({reads}))  # (N, {m.experts})"
    if router.softcap is not None:
        yield f"logits = {router.softcap!r} * torch.tanh(logits / {router.softcap!r})"
    yield from _sparsemixer(m) if router.score == "sparsemixer" else _chosen(m)
    if m.renormalize and not _sums_to_one(m):
        yield f"weights = weights / {_total(m)}"
    if m.scale != 1:
        yield f"weights = weights * {number(m.scale)}"
    if router.expert_scale:
        yield "weights = weights * self.expert_scale[chosen]"
    if m.norm:
        yield "tokens = self.norm(tokens)"
    inside = "self.latent_in(tokens)" if m.latent else "tokens"
    y = f"self.experts({inside}, weights.to(x.dtype), chosen)"
    y = f"self.latent_out({y})" if m.latent else y
    if m.shared:
        yield f"y = {y}"
        shared = "self.shared(tokens)"
        if m.shared.gate:
            shared += " * torch.sigmoid(self.shared_gate(tokens))"
        y = f"((y + {shared}) / 2)" if m.shared.average else f"(y + {shared})"
    yield f"return {y}.view_as(x)"


def _sums_to_one(m: MixtureOfExperts) -> bool:
    """Whether softmax over the chosen logits is softmax over all, made to add up to one."""
    exact = not (m.renormalize_epsilon or m.renormalize_floor)
    softmax = m.router.score == "softmax" and m.renormalize
    return softmax and exact and not m.router.reorders


def _chosen(m: MixtureOfExperts) -> Iterator[str]:
    router, k = m.router, number(m.top_k)
    score = _SCORES[router.score]
    if not router.reorders:
        if router.score == "softmax" and not _sums_to_one(m):
            yield f"weights, chosen = {score.format('logits')}.topk({k}, dim=-1)  # (N, {k})"
            return
        yield f"top, chosen = logits.topk({k}, dim=-1)  # (N, {k})"
        yield f"weights = {score.format('top')}"
        return
    yield f"scores = {score.format('logits')}"
    choice = "scores"
    if router.correction_bias:
        yield "choice = scores + self.router_correction  # for the choice alone"
        choice = "choice"
    if router.limit:
        yield from _groups(m, router.limit, choice)
        choice = "choice"
    yield f"chosen = {choice}.topk({k}, dim=-1).indices  # (N, {k})"
    yield "weights = scores.gather(-1, chosen)"


def _groups(m: MixtureOfExperts, limit: Groups, choice: str) -> Iterator[str]:
    best = "groups.amax(dim=-1)"
    if limit.by == "top2":
        best = "groups.topk(2, dim=-1).values.sum(dim=-1)"
    size = m.experts // limit.count
    yield f"groups = {choice}.unflatten(-1, ({limit.count}, {size}))"
    yield f"best = {best}.topk({limit.keep}, dim=-1).indices  # (N, {limit.keep})"
    yield "kept = torch.zeros_like(groups[..., 0], dtype=torch.bool).scatter(-1, best, True)"
    yield 'choice = groups.masked_fill(~kept[..., None], float("-inf")).flatten(-2)'


def _sparsemixer(m: MixtureOfExperts) -> Iterator[str]:
    reach = 2 * (m.router.jitter or 0)
    yield "shares, picks, left = [], [], logits"
    yield f"for _ in range({m.top_k}):  # one expert after another, weighed against its rivals"
    yield "    best, expert = left.max(dim=-1, keepdim=True)  # (N, 1)"
    yield f"    rival = best - logits <= {reach!r} * torch.maximum(logits.abs(), best)"
    yield '    share = left.masked_fill(~rival, float("-inf")).softmax(dim=-1)'
    yield "    shares.append(share.gather(-1, expert))"
    yield "    picks.append(expert)"
    yield '    left = left.scatter(-1, expert, float("-inf"))'
    yield "weights, chosen = torch.cat(shares, dim=-1), torch.cat(picks, dim=-1)"


def _total(m: MixtureOfExperts) -> str:
    total = "weights.sum(dim=-1, keepdim=True)"
    if m.renormalize_epsilon:
        return f"({total} + {number(m.renormalize_epsilon)})"
    return f"{total}.clamp(min={number(m.renormalize_floor)})" if m.renormalize_floor else total


def _experts(m: MixtureOfExperts, name: str, width: str) -> PlainClass:
    """The class that holds the weights of all experts, stacked."""
    count, inside = number(m.experts), number(m.intermediate_size)
    first, rows = ("gate_up_proj", f"2 * {inside}") if m.gated else ("up_proj", inside)
    made = [f"self.{first} = nn.Parameter(torch.empty({count}, {rows}, {width}))"]
    made += [f"self.{first}_bias = nn.Parameter(torch.empty({count}, {rows}))"] if m.bias else []
    made += ["self.activation = XIELU()"] if m.activation == "xielu" else []
    made += [f"self.down_proj = nn.Parameter(torch.empty({count}, {width}, {inside}))"]
    made += [f"self.down_proj_bias = nn.Parameter(torch.empty({count}, {width}))"] if m.bias else []
    biases = [f", self.{which}_bias[expert]" if m.bias else "" for which in (first, "down_proj")]
    read = "x[token]" if m.router_weight_on == "output" else "weights[token, slot, None] * x[token]"
    h, back = (
        f"F.linear({read}, self.{first}[expert]{biases[0]})",
        "F.linear({}, self.down_proj[expert]",
    )
    if m.gated and not m.bias:
        lines = [f"gate, up = {h}.chunk(2, dim=-1)", *limits(m), f"h = {back.format(inner(m))})"]
    else:
        lines = [f"h = {h}", *(["gate, up = h.chunk(2, dim=-1)"] if m.gated else [])]
        lines += [*limits(m), f"h = {inner(m)}", f"h = {back.format('h')}{biases[1]})"]
    out = "weights[token, slot, None] * h" if m.router_weight_on == "output" else "h"
    lines.append(f"y = y.index_add(0, token, {out})")
    return PlainClass(
        name,
        f"{m.experts} feed-forwards, their weights stacked.",
        Facts(),
        tuple(made),
        tuple(lines),
        drawn=True,
        template=EXPERTS,
        more={"top_k": number(m.top_k)},
    )
