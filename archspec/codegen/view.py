"""Architecture → what the package's templates see. Every decision is taken here or beside a
mechanism's spec, none in a template.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from archspec.architecture import Architecture, Block, Branch, NamedNorm
from archspec.codegen import norms
from archspec.codegen.names import layer_names, mechanism_names, package_name
from archspec.codegen.rotary import RotaryView, rotary_views
from archspec.codegen.site import ModuleView, Site, template, view_module
from archspec.mechanisms.base import Mechanism
from archspec.schedule import Run
from archspec.spec.norm import Norm

LOSS_NUMBERS = 1 << 25
"""Logits held at once by the loss, in numbers: 128 MiB of float32."""


@dataclass(frozen=True)
class NormView:
    """A norm inside a layer."""

    name: str
    constructor: str


@dataclass(frozen=True)
class BranchView:
    """A function of the residual stream."""

    name: str
    class_name: str
    arguments: str
    cache: str | None
    before: NormView | None
    inside: NormView | None
    scale: str | None


@dataclass(frozen=True)
class UpdateView:
    """One update of the residual stream."""

    branches: tuple[BranchView, ...]
    before: NormView | None
    after: NormView | None


@dataclass(frozen=True)
class LayerView:
    """One class of layer."""

    class_name: str
    caption: str
    block: str
    count: int
    updates: tuple[UpdateView, ...]
    alone: bool
    """It takes nothing from other layers, so that it can be tested by itself."""

    @property
    def branches(self) -> list[BranchView]:
        """The branches of all updates, in order."""
        return [branch for update in self.updates for branch in update.branches]

    @property
    def modules(self) -> list[NormView]:
        """Every submodule with the expression that makes it, in order of computation."""
        found: list[NormView | None] = []
        for update in self.updates:
            found.append(update.before)
            for branch in update.branches:
                body = NormView(branch.name, f"{branch.class_name}()")
                found += [branch.before, body, branch.inside]
            found.append(update.after)
        return [module for module in found if module]

    @property
    def keepers(self) -> list[BranchView]:
        """The branches that keep something between calls."""
        return [branch for branch in self.branches if branch.cache]

    @property
    def cache(self) -> str | None:
        """The class of what the layer keeps; a tuple where several of its branches do."""
        kept = [branch.cache or "" for branch in self.keepers]
        return f"tuple[{', '.join(kept)}]" if len(kept) > 1 else next(iter(kept), None)

    def arguments(self, branch: BranchView) -> str:
        """What a branch is called with after x."""
        if len(self.keepers) < 2 or not branch.cache:
            return branch.arguments
        return branch.arguments.removesuffix(", cache") + f", {branch.name}_cache"


@dataclass
class PackageView:
    """Everything that the templates of one package see."""

    architecture: Architecture
    spec_name: str
    version: str
    own_norms: set[str] = field(default_factory=set[str])

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
                mechanism, Site(name, size, self.rotaries, decodes, taken, self.own_norms)
            )
            for mechanism, name in names.items()
        }

    @cached_property
    def layers(self) -> tuple[LayerView, ...]:
        """The classes of layers, in order of first appearance."""
        names = layer_names(self.architecture)
        return tuple(self._layer(block, names[block]) for block in self.architecture.blocks)

    def _layer(self, block: Block, class_name: str) -> LayerView:
        updates = tuple(
            UpdateView(
                tuple(self._branch(branch) for branch in update.branches),
                self._named(update.before),
                self._named(update.after),
            )
            for update in block.updates
        )
        joint = " beside " if any(len(update.branches) > 1 for update in updates) else " then "
        parts = joint.join(_lower_first(branch.body.title()) for branch in block.branches)
        count = sum(layer.block == block for layer in self.architecture.layers)
        caption = (
            f"{parts[:1].upper()}{parts[1:]}; {count} of {len(self.architecture.layers)} layers."
        )
        alone = not any(branch.body.takes() for branch in block.branches)
        return LayerView(class_name, caption, block.name, count, updates, alone)

    def _branch(self, branch: Branch) -> BranchView:
        module = self.modules[branch.body]
        return BranchView(
            branch.body.attribute,
            module.class_name,
            module.arguments,
            module.cache,
            self._named(branch.before),
            self._named(branch.inside),
            repr(branch.scale) if branch.scale is not None else None,
        )

    def _named(self, named: NamedNorm | None) -> NormView | None:
        return NormView(named.name, self._norm(named.norm) or "") if named else None

    def _norm(self, norm: Norm | None) -> str | None:
        if norm is None:
            return None
        own = norms.own_class(norm)
        if own:
            self.own_norms.add(own)
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
        kept = dict.fromkeys(layer.cache or "None" for layer in layers)
        masks = [mask for mask in (body.mask() for body in a.mechanisms) if mask]
        windows = [mask.window or mask.chunk or 0 for mask in masks]
        made = {
            "header": f"# Built by archspec {self.version} from {self.spec_name}; "
            "edit the spec and build again.",
            "model": a.name,
            "package": package_name(a.name),
            "title": a.title,
            "summary": a.about.summary or "",
            "causal": a.is_causal,
            "kind": "decoder" if a.is_causal else "encoder",
            "hidden_size": a.hidden_size,
            "vocab_size": a.vocab_size,
            "embed_width": a.embedding.width or a.hidden_size,
            "positions": a.embedding.positions,
            "position_rows": (a.embedding.positions or 0) + a.embedding.offset,
            "position_offset": a.embedding.offset,
            "token_types": a.embedding.token_types,
            "embed_scale": repr(a.embedding.scale) if a.embedding.scale is not None else None,
            "embed_norm": self._norm(a.embedding.norm),
            "final_norm": self._norm(a.final_norm),
            "head": head,
            "head_bias": bias,
            "head_weight": "self.lm_head.weight"
            if head == "linear"
            else "self.embed_tokens.weight",
            "head_bias_value": _bias(head, bias),
            "logit_scale": repr(a.head.scale) if a.head and a.head.scale is not None else None,
            "logit_softcap": repr(a.head.softcap) if a.head and a.head.softcap else None,
            "init_std": a.init_std,
            "rotaries": list(self.rotaries.values()),
            "shares": bool(a.taken),
            "pairings": {rotary.pairing for rotary in self.rotaries.values()},
            "step_positions": bool(a.embedding.positions)
            or any(mechanism.reads_positions() for mechanism in a.mechanisms),
            "layer_classes": layers,
            "tested_layers": [layer for layer in layers if layer.alone],
            "layers_cache": bool(caches),
            "caches": caches,
            "cache_templates": [places[cache] for cache in caches],
            "layer_caches": sorted(kept, key=lambda name: (name == "None", name)),
            "several_caches": any(len(layer.keepers) > 1 for layer in layers),
            "schedule": python_schedule(a.schedule, {v.block: v.class_name for v in layers}),
            "caption": f"{len(a.layers)} layers, {a.schedule}.",
            "model_caption": _model_caption(a),
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
        made["norms"] = sorted(self.own_norms)
        made["norms_of_heads"] = any(kind.startswith("head_") for kind in self.own_norms)
        made["own_norms"] = ", ".join(norms.OWN.values())
        made["imports"] = self._imports(made)
        return made

    def _imports(self, context: dict[str, Any]) -> list[dict[str, Any]]:
        """What model.py takes from its neighbours."""
        found: dict[str, list[str]] = {"step": ["Step", "make_step"]}
        for mechanism, module in self.modules.items():
            file = view_module(type(mechanism)).FILE.removesuffix(".py")
            found.setdefault(file, []).append(module.class_name)
        if self.own_norms:
            found["norm"] = [norms.OWN[kind] for kind in sorted(self.own_norms)]
        if context["causal"]:
            found["cache"] = ["Cache", *context["caches"]]
            if context["head"]:
                found["loss"] = ["next_token_loss"]
        return [{"module": module, "names": names} for module, names in found.items()]


def python_schedule(run: Run, names: dict[str, str]) -> str:
    """The schedule as a Python list of classes: `3 * (5 * [LocalLayer] + [GlobalLayer])`."""
    parts: list[str] = []
    single: list[str] = []

    def flush() -> None:
        if single:
            parts.append(f"[{', '.join(single)}]")
            single.clear()

    for item in run.items:
        if isinstance(item, str):
            single.append(names[item])
            continue
        flush()
        inner = python_schedule(Run(1, item.items), names)
        parts.append(f"{item.times} * ({inner})" if " + " in inner else f"{item.times} * {inner}")
    flush()
    return " + ".join(parts)


def _bias(head: str | None, bias: bool) -> str:
    if not bias:
        return "None"
    return "self.lm_head.bias" if head == "linear" else "self.lm_head_bias"


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]


def _model_caption(a: Architecture) -> str:
    total = sum(p.size for p in a.parameters())
    if a.head is None:
        end = "hidden states"
    else:
        end = "logits, with the token embedding's weight" if a.head.tied else "logits"
    return f"Token ids to {end}: {len(a.layers)} layers, {total:,} parameters."
