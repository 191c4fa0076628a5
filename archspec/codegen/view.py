"""Architecture → what the package's templates see. Every decision is taken here or beside a
mechanism's spec, none in a template.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from archspec.architecture import Architecture
from archspec.codegen import norms
from archspec.codegen.layers import Layers, LayerView
from archspec.codegen.names import layer_names, mechanism_names, package_name
from archspec.codegen.rotary import RotaryView, rotary_views
from archspec.codegen.site import ModuleView, Site, template, view_module
from archspec.codegen.stacks import (
    EmbeddingView,
    embedding_view,
    layer_made,
    layers_made,
    python_schedule,
)
from archspec.codegen.tiles import loss_tiles
from archspec.codegen.turned import Turned
from archspec.mechanisms.base import Mechanism
from archspec.spec.norm import Norm
from archspec.stack import Stack

LOSS_NUMBERS = 1 << 25
"""Logits held at once by the loss, in numbers: 128 MiB of float32."""


@dataclass
class PackageView:
    """Everything that the templates of one package see."""

    architecture: Architecture
    spec_name: str
    version: str
    own_norms: norms.Written = field(default_factory=norms.Written)
    turned: Turned = field(default_factory=Turned)

    @cached_property
    def rotaries(self) -> dict[Any, RotaryView]:
        """The rotary functions by rope and head width."""
        return rotary_views(self.architecture)

    @cached_property
    def modules(self) -> dict[Mechanism, ModuleView]:
        """The view of each mechanism."""
        names = mechanism_names(self.architecture)
        size, decodes = self.architecture.hidden_size, self.architecture.is_causal
        taken = self.architecture.taken
        return {
            mechanism: view_module(type(mechanism)).view(
                mechanism,
                Site(name, size, self.rotaries, decodes, taken, self.own_norms, self.turned),
            )
            for mechanism, name in names.items()
        }

    @cached_property
    def layers(self) -> tuple[LayerView, ...]:
        """The classes of layers, in order of first appearance."""
        a, names = self.architecture, layer_names(self.architecture)
        make = Layers(self.modules, lambda norm: self._norm(norm) or "")
        counts = Counter(layer.block for layer in a.all_layers)
        if a.further:
            counts[a.further.block] += a.further.tokens
        total = counts.total()
        return tuple(make.view(block, names[block], counts[block], total) for block in a.blocks)

    @cached_property
    def embedding(self) -> EmbeddingView:
        """What enters the layers."""
        return self._embedding(self.architecture.stack, "sinusoids")

    @cached_property
    def encoder(self) -> dict[str, Any] | None:
        """The encoder: None without one, without `schedule` where its states are given."""
        own = self.architecture.encoder
        if own is None:
            return None
        text = f"{len(own.layers)} layers that see the whole source, {own.schedule}."
        return {
            "caption": text,
            "written": str(own.schedule),
            "schedule": python_schedule(own.schedule, self._classes),
            "made": self._made("ENCODER_LAYERS", own),
            "embedding": self._embedding(own, "encoder_sinusoids"),
            "norm": self._norm(own.final_norm),
            "common": own.common,
            "context_length": own.context_length,
        }

    @property
    def _classes(self) -> dict[str, str]:
        return {layer.block: layer.class_name for layer in self.layers}

    @cached_property
    def _deep(self) -> list[str]:
        """The classes of layers that are made with their index."""
        return [layer.class_name for layer in self.layers if layer.reads_depth]

    def _made(self, schedule: str, stack: Stack) -> str:
        kinds = [self._classes[block.name] for block in stack.blocks]
        return layers_made(schedule, kinds, self._deep)

    def _checked(self, layers: list[LayerView]) -> str:
        """How the selftest makes a layer of the class `kind`."""
        return layer_made("kind", "0", [layer.class_name for layer in layers], self._deep)

    def _further(self) -> dict[str, Any]:
        own, count = self.architecture.further, len(self.architecture.layers)
        if own is None:
            return {"further": None}
        deep = self._classes[own.block.name] in self._deep
        made = f"FurtherToken({count} + i) for i in" if deep else "FurtherToken() for _ in"
        return {
            "further": own,
            "further_norm": self._norm(own.norm),
            "further_layer": self._classes[own.block.name],
            "further_reads_depth": deep,
            "further_made": f"{made} range({own.tokens})",
        }

    def _embedding(self, stack: Stack, name: str) -> EmbeddingView:
        own, vectors = stack.embedding, stack.embedding.per_layer
        inner = norms.constructor(vectors.norm, vectors.width) if vectors and vectors.norm else None
        if vectors and vectors.norm:
            self.own_norms.remember(vectors.norm, vectors.width)
        return embedding_view(
            own,
            self.architecture.hidden_size,
            self._norm(own.norm),
            inner,
            len(stack.layers),
            name,
        )

    def _norm(self, norm: Norm | None) -> str | None:
        if norm is None:
            return None
        self.own_norms.remember(norm, self.architecture.hidden_size)
        return norms.constructor(norm, self.architecture.hidden_size)

    def context(self) -> dict[str, Any]:
        """The names that templates use, with their values."""
        a = self.architecture
        head = "tied" if a.head and a.head.tied else "linear" if a.head else None
        bias = bool(a.head and a.head.bias)
        modules, layers = list(self.modules.values()), self.layers
        caches = sorted({m.cache for m in modules if m.cache})
        places = {
            cache: template(type(mechanism), where)
            for mechanism in self.modules
            for cache, where in view_module(type(mechanism)).CACHES.items()
        }
        kept = dict.fromkeys(layer.cache or "None" for layer in layers if layer.decodes)
        masks = [mask for mask in (body.mask() for body in a.mechanisms) if mask]
        windows = [mask.window or mask.chunk or 0 for mask in masks]
        encoder, embedding = self.encoder, self.embedding
        embeddings = [embedding, *([encoder["embedding"]] if encoder else [])]
        sinusoids = {e.sinusoids for e in embeddings if e.sinusoids}
        common = dict.fromkeys((*a.stack.common, *(encoder["common"] if encoder else ())))
        own_common = {p.name for p in a.stack.common}
        their_common = {p.name for p in encoder["common"]} if encoder else own_common
        decoding = [layer for layer in layers if layer.alone and layer.decodes]
        reading = [layer for layer in layers if layer.alone and not layer.decodes]
        made = {
            "header": f"# Built by archspec {self.version} from {self.spec_name}; "
            "edit the spec and build again.",
            "model": a.name,
            "package": package_name(a.name),
            "title": a.title,
            "summary": a.about.summary or "",
            "causal": a.is_causal,
            "kind": "pair" if encoder else "decoder" if a.is_causal else "encoder",
            "hidden_size": a.hidden_size,
            "vocab_size": a.vocab_size,
            "generate": "generate_pair" if encoder else "generate",
            "e": embedding,
            "encoder": encoder,
            "reads": "input_ids" if not encoder or encoder["schedule"] else "encoder_states",
            "common": a.stack.common,
            "common_names": sorted({p.name.partition(".")[0] for p in common}),
            "common_shapes": {p.name.partition(".")[0]: p.shape for p in common},
            "step_names": [
                *(["prefix"] if any(mask.prefix for mask in masks) else []),
                *(["source", "source_padding"] if encoder else []),
                *sorted({p.name.partition(".")[0] for p in common}),
            ],
            "common_to_one": {
                p.name.partition(".")[0]
                for p in common
                if encoder and (p.name in own_common) != (p.name in their_common)
            },
            "sinusoids": sorted(sinusoids, key=lambda s: s.name),
            "embed_width": embedding.width,
            "positions": embedding.length,
            "token_types": a.embedding.token_types,
            "vectors": embedding.vectors,
            "bounded": any(getattr(module, "kernel", None) for module in modules),
            "prefixes": any(mask.prefix for mask in masks),
            "final_norm": self._norm(a.final_norm),
            **self._further(),
            "head": head,
            "head_bias": bias,
            "head_weight": "self.lm_head.weight"
            if head == "linear"
            else "self.embed_tokens.weight",
            "head_bias_value": _bias(head, bias),
            "logit_scale": repr(a.head.scale) if a.head and a.head.scale is not None else None,
            "logit_softcap": repr(a.head.softcap) if a.head and a.head.softcap else None,
            "init_std": a.init_std,
            "kept": _kept(a),
            "rotaries": list(self.rotaries.values()),
            "shares": bool(a.taken),
            "pairings": {rotary.pairing for rotary in self.rotaries.values()},
            "step_positions": any(e.reads_positions for e in embeddings)
            or any(mechanism.reads_positions() for mechanism in a.mechanisms),
            "layer_classes": layers,
            "decoding_layers": decoding,
            "decoding_made": self._checked(decoding),
            "reading_layers": reading,
            "reading_made": self._checked(reading),
            "layers_cache": bool(caches),
            "caches": caches,
            "cache_templates": [places[cache] for cache in caches],
            "layer_caches": sorted(kept, key=lambda name: (name == "None", name)),
            "several_caches": any(len(layer.keepers) > 1 for layer in layers),
            "schedule": python_schedule(a.schedule, self._classes),
            "layers_made": self._made("LAYERS", a.stack),
            "caption": _caption(a),
            "model_caption": _model_caption(a),
            "loss_tiles": loss_tiles(a.vocab_size),
            "rows": max(16, min(4096, LOSS_NUMBERS // a.vocab_size)),
            "windows": any(windows),
            "tokens": max([*windows, 24]) + 9,
            "prefix": a.checkpoint.prefix,
            "tied": head == "tied",
            "ignore": list(a.checkpoint.ignore),
            "rules": [
                {"published": source, "ours": rule.to, **rule.model_dump(exclude={"to"})}
                for source, rule in a.checkpoint.tensors.items()
            ],
        }
        made["norms"] = sorted(self.own_norms.widths)
        made["norm_tiles"] = self.own_norms.tiles
        made |= self.turned.context
        made["norm_kinds"] = self.own_norms.in_kernels
        made["own_norms"] = ", ".join(norms.OWN.values())
        made["imports"] = self._imports(made)
        return made

    def _imports(self, context: dict[str, Any]) -> list[dict[str, Any]]:
        """What model.py takes from its neighbours."""
        found: dict[str, list[str]] = {"step": ["Step", "make_step"]}
        for mechanism, module in self.modules.items():
            file = view_module(type(mechanism)).FILE.removesuffix(".py")
            found.setdefault(file, []).append(module.class_name)
        if self.own_norms.widths:
            found["norm"] = [norms.OWN[kind] for kind in sorted(self.own_norms.widths)]
        if context["sinusoids"]:
            found["positions"] = [sinusoids.name for sinusoids in context["sinusoids"]]
        if context["causal"]:
            found["cache"] = ["Cache", *context["caches"]]
            if context["head"]:
                found["loss"] = ["next_token_loss"]
        return [{"module": module, "names": names} for module, names in found.items()]


def _bias(head: str | None, bias: bool) -> str:
    if not bias:
        return "None"
    return "self.lm_head.bias" if head == "linear" else "self.lm_head_bias"


def _kept(a: Architecture) -> list[str]:
    """How the names of parameters end that a fresh model would draw, were they not kept."""
    found: set[str] = set()
    for parameter in a.parameters():
        drawn = len(parameter.shape) > 1 or parameter.name.endswith("bias")
        if parameter.keeps and parameter.trained and drawn:
            module, _, last = parameter.name.rpartition(".")
            found.add(f"{module.rpartition('.')[2]}.{last}" if last == "weight" else last)
    return sorted(found)


def _caption(a: Architecture) -> str:
    text = f"{len(a.layers)} layers, {a.schedule}."
    if a.encoder and a.encoder.layers:
        text = f"an encoder of {len(a.encoder.layers)} layers, {a.encoder.schedule}; {text}"
    return text


def _model_caption(a: Architecture) -> str:
    total = sum(p.size for p in a.parameters())
    if a.head is None:
        end = "hidden states"
    else:
        end = "logits, with the token embedding's weight" if a.head.tied else "logits"
    count = f"{len(a.layers)} layers"
    if a.encoder:
        count = f"{len(a.encoder.layers)} layers that read, {len(a.layers)} that write"
        count = count if a.encoder.layers else f"{len(a.layers)} layers beside given states"
    return f"Token ids to {end}: {count}, {total:,} parameters."
