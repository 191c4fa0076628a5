"""Architecture → the classes of a package: what each is called and made of."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from archspec.architecture.model import Architecture
from archspec.architecture.stack import Stack
from archspec.codegen import norms
from archspec.codegen.encoder import EncoderView
from archspec.codegen.generate import GenerateView, about_a_source, on_from_a_text
from archspec.codegen.layers import Layers, LayerView
from archspec.codegen.members import Member
from archspec.codegen.model import head_members, stack_members, vectors_members
from archspec.codegen.mtp import MtpView, mtp_view
from archspec.codegen.names import layer_names, mechanism_names
from archspec.codegen.norm_rotary import Turned
from archspec.codegen.rotary import Growth, RotaryView, growth, rotary_views
from archspec.codegen.site import ModuleView, Site, view_module
from archspec.codegen.stacks import (
    EmbeddingView,
    embedding_view,
    layers_made,
    python_schedule,
)
from archspec.mechanisms.base import Mechanism
from archspec.spec.norm import Norm


@dataclass
class PackageView:
    """The modules, layers and stacks of one package; what they are made of is decided once."""

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
    def growth(self) -> Growth | None:
        """What makes it read a text anew that it continues."""
        bodies = [b.body for block in self.architecture.stack.blocks for b in block.branches]
        own = {found for body in bodies for found in body.rotaries().values()}
        decodes = self.architecture.is_causal
        return growth(v for found, v in self.rotaries.items() if found in own) if decodes else None

    @cached_property
    def modules(self) -> dict[Mechanism, ModuleView]:
        """The view of each mechanism."""
        names = mechanism_names(self.architecture)
        a, own, turned = self.architecture, self.own_norms, self.turned
        return {
            mechanism: view_module(type(mechanism)).view(
                mechanism,
                Site(
                    name, a.hidden_size, self.rotaries, a.is_causal, a.taken, own, turned, a.packs
                ),
            )
            for mechanism, name in names.items()
        }

    @cached_property
    def layers(self) -> tuple[LayerView, ...]:
        """The classes of layers, in order of first appearance."""
        a, names = self.architecture, layer_names(self.architecture)
        make = Layers(self.modules, lambda norm: self._norm(norm) or "", self.own_norms.adds)
        counts = Counter(layer.block for layer in a.all_layers)
        if a.mtp:
            counts[a.mtp.block] += a.mtp.depth
        total = counts.total()
        return tuple(make.view(block, names[block], counts[block], total) for block in a.blocks)

    @cached_property
    def embedding(self) -> EmbeddingView:
        """What enters the layers."""
        return self._embedding(self.architecture.stack, "sinusoids")

    @cached_property
    def encoder(self) -> EncoderView | None:
        """The encoder: None without one, without `schedule` where its states are given."""
        own = self.architecture.encoder
        if own is None:
            return None
        return EncoderView(
            own,
            python_schedule(own.schedule, self.classes),
            self._made("ENCODER_LAYERS", own),
            self._embedding(own, "encoder_sinusoids"),
            self._norm(own.final_norm),
        )

    @cached_property
    def mtp(self) -> MtpView | None:
        """The modules of multi-token prediction."""
        own, count = self.architecture.mtp, len(self.architecture.layers)
        if own is None:
            return None
        layer, norm = self.classes[own.block.name], self._norm(own.norm) or ""
        deep = layer in self.deep
        return mtp_view(own.loss_weight, norm, layer, deep, count, own.depth)

    @property
    def caches(self) -> list[str]:
        """The classes of what mechanisms keep."""
        return sorted({module.cache for module in self.modules.values() if module.cache})

    @property
    def reads(self) -> str:
        """What the model is called with: ids, or the states of an encoder that is elsewhere."""
        given = self.encoder is not None and not self.encoder.schedule
        return "encoder_states" if given else "input_ids"

    @property
    def prefixes(self) -> bool:
        """Whether the first tokens of a text may see each other both ways."""
        return any(m.prefix for body in self.architecture.mechanisms if (m := body.mask()))

    @property
    def generate(self) -> GenerateView:
        """How it writes."""
        if self.encoder is None:
            return on_from_a_text(self.prefixes)
        given = not self.encoder.schedule
        return about_a_source(self.reads, self.architecture.hidden_size if given else None)

    @property
    def members(self) -> list[Member]:
        """What the model is made of, in order."""
        a, e = self.architecture, self.embedding
        before = vectors_members(e.vectors, a.hidden_size) if e.vectors else []
        if self.encoder and self.encoder.schedule:
            before.append(Member("encoder", "Encoder()"))
        made = self._made("LAYERS", a.stack)
        found = [Member("embed_tokens", f"nn.Embedding({a.vocab_size}, {e.width})")]
        found += stack_members(e, a.stack.common, before, made, self._norm(a.final_norm))
        if self.mtp:
            found.append(Member("mtp", f"nn.ModuleList({self.mtp.made})"))
        return found + head_members(a, e.width)

    @property
    def classes(self) -> dict[str, str]:
        """The class of each block."""
        return {layer.block: layer.class_name for layer in self.layers}

    @cached_property
    def deep(self) -> list[str]:
        """The classes of layers that are made with their index."""
        return [layer.class_name for layer in self.layers if layer.reads_depth]

    def _made(self, schedule: str, stack: Stack) -> str:
        kinds = [self.classes[block.name] for block in stack.blocks]
        return layers_made(schedule, kinds, self.deep)

    def _embedding(self, stack: Stack, name: str) -> EmbeddingView:
        own, vectors = stack.embedding, stack.embedding.per_layer
        inner = norms.constructor(vectors.norm, vectors.width) if vectors and vectors.norm else None
        if vectors and vectors.norm:
            self.own_norms.remember(vectors.norm, vectors.width)
        size, norm = self.architecture.hidden_size, self._norm(own.norm)
        return embedding_view(own, size, norm, inner, len(stack.layers), name)

    def _norm(self, norm: Norm | None) -> str | None:
        if norm is None:
            return None
        self.own_norms.remember(norm, self.architecture.hidden_size)
        return norms.constructor(norm, self.architecture.hidden_size)
