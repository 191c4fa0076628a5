"""The model of a plain file: what it is made of, and its forward pass, statement by statement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from archspec.architecture.model import Architecture
from archspec.architecture.mtp import MtpModules
from archspec.codegen.plain.classes import reads_length
from archspec.codegen.plain.embedding import PlainVectors
from archspec.codegen.plain.facts import number
from archspec.codegen.plain.norms import Norms
from archspec.codegen.plain.stack import Lines, PlainStack


@dataclass(frozen=True)
class PlainModel:
    """The class `Model` of one architecture."""

    a: Architecture
    stack: PlainStack
    encoder: PlainStack | None
    vectors: PlainVectors | None
    norms: Norms

    @property
    def kind(self) -> Literal["decoder", "encoder", "pair"]:
        """How it is called."""
        if self.a.encoder:
            return "pair"
        return "decoder" if self.a.is_causal else "encoder"

    @property
    def trains(self) -> bool:
        """Whether it gives a loss."""
        return self.a.head is not None and self.a.is_causal

    @property
    def rereads(self) -> bool:
        """Whether a text is read anew with each call, as its length turns all of it."""
        bodies = (branch.body for block in self.a.stack.blocks for branch in block.branches)
        ropes = [rope for body in bodies for rope, _ in body.rotaries().values()]
        return self.a.is_causal and any(reads_length(rope) for rope in ropes)

    @property
    def cached(self) -> bool:
        """Whether layers keep something."""
        return "past" in self.stack.arguments

    @property
    def prefixes(self) -> bool:
        """Whether the first tokens of a text may see each other both ways."""
        return "prefix" in self.stack.arguments

    @property
    def given(self) -> bool:
        """Whether an encoder's states are given."""
        return self.a.encoder is not None and not self.a.encoder.layers

    @property
    def ids(self) -> str:
        """The argument with the tokens that it reads or writes."""
        return "decoder_input_ids" if self.kind == "pair" else "input_ids"

    @property
    def mask(self) -> str:
        """The argument that says which of these are real."""
        return "decoder_attention_mask" if self.kind == "pair" else "attention_mask"

    @property
    def source(self) -> str:
        """The argument with the source."""
        return "encoder_states" if self.given else "input_ids"

    @property
    def made(self) -> Lines:
        """The statements of its constructor."""
        a, size = self.a, number(self.a.hidden_size)
        width = number(a.embedding.width or a.hidden_size)
        yield f"self.embed_tokens = nn.Embedding({number(a.vocab_size)}, {width})"
        yield from self.stack.embedding.made
        if self.vectors:
            yield from self.vectors.made
        if self.encoder:
            yield "self.encoder = Encoder()"
        yield from self.stack.made
        if a.final_norm:
            yield f"self.norm = {self.norms.made(a.final_norm, size)}"
        if a.mtp:
            yield from self._mtp(a.mtp)
        if a.head is None:
            return
        if a.embedding.width:
            yield f"self.embed_out = nn.Linear({size}, {width}, bias=False)"
        if not a.head.tied:
            bias = "" if a.head.bias else ", bias=False"
            yield f"self.lm_head = nn.Linear({width}, {number(a.vocab_size)}{bias})"
        elif a.head.bias:
            yield f"self.lm_head_bias = nn.Parameter(torch.zeros({number(a.vocab_size)}))"

    def _mtp(self, own: MtpModules) -> Lines:
        depth = self.stack.layers[own.block].reads_depth
        first = len(self.a.layers)
        made = f"MtpModule({first} + i) for i" if depth else "MtpModule() for _"
        yield f"self.mtp = nn.ModuleList({made} in range({own.depth}))"

    @property
    def parameters(self) -> Lines:
        """Those of its forward pass, after self."""
        optional = "Tensor | None = None"
        if self.kind == "pair":
            yield f"{self.source}: Tensor | None"
            yield "decoder_input_ids: Tensor"
            yield f"attention_mask: {optional}"
            yield f"decoder_attention_mask: {optional}"
        else:
            yield "input_ids: Tensor"
            yield f"attention_mask: {optional}"
        if self.a.embedding.token_types:
            yield f"token_type_ids: {optional}"
        if self.trains:
            yield f"labels: {optional}"
        if self.a.is_causal:
            yield "cache: Cache | None = None"
        if self.prefixes:
            yield "prefix_length: int = 0"

    @property
    def lines(self) -> Lines:
        """The statements of its forward pass."""
        yield f"real = torch.ones_like({self.ids}) if {self.mask} is None else {self.mask}.long()"
        if self.rereads:
            yield from self._reread
        elif self.a.is_causal:
            yield "cache = Cache() if cache is None else cache"
        if self.kind == "pair":
            yield from self._source
        counted = not self.rereads and self.a.is_causal
        yield f"positions = real.cumsum(dim=1) - 1{' + cache.length' if counted else ''}"
        yield "positions = positions.masked_fill(real == 0, NOWHERE)"
        yield f"x = self.embed_tokens({self.ids}){self.stack.embedding.scale}"
        yield from self.stack.embedding.lines
        if self.vectors:
            yield from self.vectors.lines
        if "shared" in self.stack.arguments:
            yield "shared: dict[str, State] = {}  # what layers hand to later ones"
        yield from self.stack.loop(self.cached, self._passed)
        if counted:
            yield "cache.length = cache.length + real.sum(dim=1, keepdim=True)"
        yield from self._end

    @property
    def _passed(self) -> dict[str, str]:
        return {
            "vector": "vectors[:, :, index]",
            "relative": "self.relative_bias",
            "prefix": "prefix_length",
        }

    @property
    def _reread(self) -> Lines:
        ids = self.ids
        yield f"tokens = {ids}.shape[1]"
        yield "if cache is not None:"
        kept = {ids: ids, "real": "real"}
        if self.a.embedding.token_types:
            yield "    if token_type_ids is None:"
            yield "        token_type_ids = torch.zeros_like(input_ids)"
            kept["token_type_ids"] = "token_type_ids"
        names = ", ".join(kept)
        yield "    if cache.read is not None:"
        pairs = f"zip(cache.read, ({names}), strict=True)"
        yield f"        {names} = (torch.cat(pair, dim=1) for pair in {pairs})"
        yield f"    cache.read = ({names})"
        if self.prefixes:
            yield "    prefix_length = cache.prefix = cache.prefix or prefix_length"
        if self.kind == "pair":
            for name, kept in ((self.source, "source"), ("attention_mask", "mask")):
                yield f"    {name} = cache.{kept} = cache.{kept} if {name} is None else {name}"

    @property
    def _source(self) -> Lines:
        read = self.source
        yield "source = None"
        yield f"if {read} is not None:"
        all_seen = f"torch.ones_like({read}{'[..., 0]' if self.given else ''})"
        yield f"    seen = {all_seen} if attention_mask is None else attention_mask"
        if self.given:
            yield "    source = encoder_states, seen > 0"
        else:
            yield "    source = self.encoder(self.embed_tokens(input_ids), seen > 0), seen > 0"

    @property
    def _end(self) -> Lines:
        """From the last hidden state to what is given back."""
        if self.rereads:
            yield (
                "x = x[:, -tokens:]"
                if not self.trains
                else "x = x if labels is not None else x[:, -tokens:]"
            )
        normed = "self.norm(x)" if self.a.final_norm else "x"
        if self.a.head is None:
            yield f"return {normed}"
            return
        if not self.a.mtp:
            yield from self.logits("return" if not self.trains else "logits =", normed)
        elif self.a.final_norm:
            yield "x = self.norm(x)"
        if not self.trains:
            return
        if self.kind == "pair":
            yield "if labels is None:"
            yield "    return logits"
            yield "labels = labels.masked_fill(real == 0, -100)"
            yield "return F.cross_entropy(logits.flatten(0, 1).float(), labels.flatten())"
        elif self.a.mtp:
            yield from self._losses(self.a.mtp)
        else:
            yield "return logits if labels is None else next_token_loss(logits, labels, positions)"

    def logits(self, target: str, x: str = "x") -> Lines:
        """The statements from `x` to logits, given back or put into `logits`."""
        head = self.a.head
        assert head
        x = f"self.embed_out({x})" if self.a.embedding.width else x
        made = f"self.lm_head({x})"
        if head.tied:
            bias = ", self.lm_head_bias" if head.bias else ""
            made = f"F.linear({x}, self.embed_tokens.weight{bias})"
        made += f" * {number(head.scale)}" if head.scale is not None else ""
        if head.softcap is None:
            yield f"{target} {made}"
            return
        yield f"logits = {made}"
        yield f"{target} {head.softcap!r} * torch.tanh(logits / {head.softcap!r})"

    def _losses(self, own: MtpModules) -> Lines:
        yield "if labels is None:"
        yield "    return self.logits(x)"
        yield "order = positions.argsort(dim=1)  # the real tokens first: what is next stands next"
        yield "x = x.take_along_dim(order[:, :, None], dim=1)"
        yield "labels = labels.masked_fill(real == 0, -100).gather(1, order)"
        yield "input_ids, positions = input_ids.gather(1, order), positions.gather(1, order)"
        yield "losses = [next_token_loss(self.logits(x), labels)]"
        yield "for ahead, module in enumerate(self.mtp, start=1):"
        yield "    known = positions[:, 1:] < NOWHERE"
        yield "    positions = positions[:, :-1].where(known, NOWHERE)"
        yield f"    token = self.embed_tokens(input_ids[:, ahead:]){self.stack.embedding.scale}"
        names = [self._passed.get(name, name) for name in self.stack.arguments]
        names = ["None" if name == "past" else "{}" if name == "shared" else name for name in names]
        names = ["0" if name == "prefix_length" else name for name in names]
        yield f"    x = module({', '.join(['x[:, :-1]', 'token', *names])})"
        yield "    losses.append(next_token_loss(self.logits(x), labels[:, ahead:]))"
        yield f"return losses[0] + {own.loss_weight!r} * torch.stack(losses[1:]).mean()"
