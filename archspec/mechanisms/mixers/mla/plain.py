"""Latent attention in a plain file: keys and values of all heads are made of the latents anew."""

from __future__ import annotations

from collections.abc import Iterator

from archspec.codegen.plain.facts import Facts, number, times
from archspec.codegen.plain.rotations import literals
from archspec.codegen.plain.site import PlainClass, PlainSite, linear, nothing, whole
from archspec.mechanisms.common.selection.fields import SharedSelection, TokenSelection
from archspec.mechanisms.common.selection.plain import indexer
from archspec.mechanisms.mixers.attention.plain import turns
from archspec.mechanisms.mixers.attention.plain_scores import gated
from archspec.mechanisms.mixers.mla.spec import LatentAttention

varies, alike = nothing, whole


def differs(a: LatentAttention) -> Iterator[str]:
    """What keys and values are made of, and what queries see."""
    yield f"in {{layers}} keys and values are made of a latent of {a.kv_rank:,} numbers"
    if a.select:
        yield f"{{layers}} see the best {a.select.top_k:,} tokens only"
    yield from turns(a.rope)
    if a.gate:
        yield "what attention gives is gated"


def plain(a: LatentAttention, facts: Facts, site: PlainSite) -> PlainClass:
    """The class of all that are like `a`."""
    chooses = isinstance(a.select, TokenSelection)
    chooser = (
        indexer(a.select, site, a.query_rank) if isinstance(a.select, TokenSelection) else None
    )
    arguments = ["positions", *(["past"] if site.decodes else [])]
    if a.takes() or a.gives() in site.shared:
        arguments.append("shared")
    return PlainClass(
        site.class_name,
        a.caption(site.hidden_size),
        facts,
        tuple(_made(a, site, chooser)),
        (*_lines(a, site, chooses), *_end(a, site, chooses)),
        tuple(arguments),
        keeps=site.decodes,
        inner=(chooser,) if chooser else (),
    )


def _made(a: LatentAttention, site: PlainSite, chooser: PlainClass | None) -> Iterator[str]:
    heads, size, bias = number(a.heads), site.width, a.latent_bias
    queries = times(heads, number(a.head_dim))
    if a.query_rank is None:
        yield linear("q_proj", size, queries)
    else:
        rank = number(a.query_rank)
        yield linear("q_a_proj", size, rank, bias)
        if a.latent_norm:
            yield f"self.q_a_layernorm = {site.norm(a.latent_norm, rank)}"
        yield linear("q_b_proj", rank, queries)
    latent = number(a.kv_rank)
    both = f"{latent} + {a.rope_dim}" if a.rope_dim else latent
    yield linear("kv_a_proj_with_mqa", size, both, bias)
    if a.latent_norm:
        yield f"self.kv_a_layernorm = {site.norm(a.latent_norm, latent)}"
    yield linear("kv_b_proj", latent, f"{heads} * ({a.nope_dim} + {a.value_head_dim})")
    values = times(heads, number(a.value_head_dim))
    yield linear("o_proj", values, size, a.output_bias)
    if a.gate:
        yield linear("gate_proj", size, values if a.gate.per == "element" else heads, a.gate.bias)
    if chooser:
        yield f"self.indexer = {chooser.name}()"


def _lines(a: LatentAttention, site: PlainSite, chooses: bool) -> Iterator[str]:
    """From the input to keys, values and queries of all heads."""
    source = "x"
    if a.query_rank is not None:
        latent = "self.q_a_proj(x)"
        source = f"self.q_a_layernorm({latent})" if a.latent_norm else latent
        if chooses:
            yield f"q_latent = {source}  # (B, T, {a.query_rank})"
            source = "q_latent"
    proj = "q_proj" if a.query_rank is None else "q_b_proj"
    shape = f"({a.heads}, {a.head_dim})"
    if len(source) > 20:
        yield f"q = self.{proj}({source})"
        yield f"q = q.unflatten(2, {shape}).transpose(1, 2)  # (B, H, T, D)"
    else:
        yield f"q = self.{proj}({source}).unflatten(2, {shape}).transpose(1, 2)  # (B, H, T, D)"
    turn = site.rotations[a.rope, a.rope_dim] if a.rope else None
    given = literals(a.rope)
    latent = "self.kv_a_proj_with_mqa(x)[:, None]"
    if a.rope_dim:
        yield f"latent, k_rope = {latent}.split(({a.kv_rank}, {a.rope_dim}), dim=-1)"
        latent = "latent"
    if turn:
        yield f"q_nope, q_rope = q.split(({a.nope_dim}, {a.rope_dim}), dim=-1)"
        yield f"q = torch.cat((q_nope, {turn.call('q_rope', given)}), dim=-1)"
        yield f"k_rope = {turn.call('k_rope', given)}  # (B, 1, S, {a.rope_dim}), one for all heads"
    normed = f"self.kv_a_layernorm({latent})" if a.latent_norm else latent
    if normed != "latent":
        yield f"latent = {normed}  # (B, 1, S, {a.kv_rank})"
    yield "seen = positions[:, None]  # (B, 1, S), where these stand"
    if chooses:
        yield "index = self.indexer.keys(x, positions)"
    if site.decodes:
        kept = _kept(a, chooses)
        yield "if past is not None:"
        yield f"    {kept} = (torch.cat(pair, dim=2) for pair in zip(past, ({kept}), strict=True))"
    both = f"({a.heads}, {a.nope_dim + a.value_head_dim})"
    yield f"k_v = self.kv_b_proj(latent[:, 0]).unflatten(2, {both}).transpose(1, 2)"
    yield f"k, v = k_v.split(({a.nope_dim}, {a.value_head_dim}), dim=-1)  # (B, H, S, …) each"
    if a.rope_dim:
        yield f"k = torch.cat((k, k_rope.expand(-1, {a.heads}, -1, -1)), dim=-1)  # (B, H, S, D)"


def _end(a: LatentAttention, site: PlainSite, chooses: bool) -> Iterator[str]:
    """From there to the output."""
    if isinstance(a.select, SharedSelection):
        yield f'(visible,) = shared["{site.shared[a.takes() or ""]}"]  # of an earlier layer'
    else:
        yield "visible = positions[:, None, :, None] >= seen[:, :, None]  # (B, 1, T, S)"
    if chooses:
        yield "visible = self.indexer(x, Q index, positions, visible)".replace(
            "Q ", "q_latent, " if a.query_rank else ""
        )
        if a.gives() in site.shared:
            yield f'shared["{site.shared[a.gives() or ""]}"] = (visible,)  # for later layers'
    scale = number(a.scale) if a.scale is not None else f"{a.head_dim}**-0.5"
    yield f"y = F.scaled_dot_product_attention(q, k, v, visible, scale={scale})"
    yield from gated(a.gate)
    yield (
        f"return self.o_proj(y), ({_kept(a, chooses)})" if site.decodes else "return self.o_proj(y)"
    )


def _kept(a: LatentAttention, chooses: bool) -> str:
    names = ["latent", *(["k_rope"] if a.rope_dim else []), "seen", *(["index"] if chooses else [])]
    return ", ".join(names)
