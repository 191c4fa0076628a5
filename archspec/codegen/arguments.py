"""The arguments of a model's forward pass, with what its docstring says of them."""

from __future__ import annotations

from dataclasses import dataclass

from archspec.architecture.mtp import MtpModules

CACHE = "from `new_cache`; the tokens continue the text that it holds."
REAL = "1 for a real token and 0 for padding, wherever that is."


@dataclass(frozen=True)
class Argument:
    """An argument of a function with what its docstring says of it."""

    name: str
    type: str
    doc: str
    more: tuple[str, ...] = ()
    """Further lines of that."""

    of_head: bool = False
    """It is about what the head gives, and not read by the layers."""

    @property
    def plain_type(self) -> str:
        """Its type without a default."""
        return self.type.partition(" = ")[0]


PACKED = Argument(
    "text_ids",
    "Tensor | None = None",
    "(B, T), numbers from 0, where texts stand side by side in a row: equal ones",
    (
        "next to each other are one text, which sees nothing of the others and is",
        "counted from its first token. It takes no cache.",
    ),
)


LAST = Argument(
    "last_only",
    "bool = False",
    "Whether to give the logits of the last place alone, (B, 1, V): what",
    ("`generate` reads, and all that it computes.",),
    of_head=True,
)

REDUCTION = Argument(
    "reduction",
    'str = "mean"',
    'What becomes of the losses of all labels: their "mean", their "sum", or',
    ('"none": each by itself, (B, T), 0 without a label. `count_labels` counts them.',),
    of_head=True,
)


def _positions(decoder: str, cached: bool) -> Argument:
    more = ("text, for what turns or adds positions; what a token sees goes by its place.",)
    if cached:
        more += ("A cache counts tokens, not these: they are given in each call, or in none.",)
    doc = "(B, T), where tokens stand, in place of a count from 0 in each"
    return Argument(f"{decoder}position_ids", "Tensor | None = None", doc, more)


def _embeds(ids: str, shape: str, both: bool = False) -> Argument:
    ends = f"beside `{ids}` and in place of their own." if both else f"in place of `{ids}`."
    name = ids.replace("input_ids", "inputs_embeds")
    doc = f"{shape}, vectors as the embedding gives them,"
    return Argument(name, "Tensor | None = None", doc, (ends,))


@dataclass(frozen=True)
class Call:
    """What decides which arguments a model takes."""

    width: int
    """Numbers in a token's vector."""

    types: int | None
    head: bool
    positions: bool
    """Whether anything turns or adds positions."""

    both: bool
    """Whether ids are read even where vectors are given."""

    def _beside(self, cached: bool, decoder: str = "") -> list[Argument]:
        found = [_positions(decoder, cached)] if self.positions else []
        ids = f"{decoder}input_ids"
        return [*found, _embeds(ids, f"(B, T, {self.width})", self.both)]

    def _ids(self) -> str:
        return "Tensor" if self.both else "Tensor | None = None"

    def decoder(self, mtp: MtpModules | None, prefixes: bool, packs: bool) -> list[Argument]:
        """Those of a decoder, without a head or with one, with prefixes or packed texts."""
        found = self._texts()
        found += [_labels(mtp)] if self.head else []
        found.append(Argument("cache", "Cache | None = None", CACHE))
        if prefixes:
            doc = "How many tokens at the start of each text see each other both ways;"
            found.append(
                Argument("prefix_length", "int = 0", doc, ("the first call reads all of them.",))
            )
        found += [PACKED] * packs + self._beside(cached=True)
        return found + [REDUCTION, LAST] * self.head

    def encoder(self) -> list[Argument]:
        """Those of a model that reads texts as a whole."""
        return self._texts() + self._beside(cached=False)

    def _texts(self) -> list[Argument]:
        found = [
            Argument("input_ids", self._ids(), "(B, T) token ids."),
            Argument("attention_mask", "Tensor | None = None", f"(B, T), {REAL}"),
        ]
        if self.types:
            doc = f"(B, T) segments, 0 … {self.types - 1}; all 0 when left out."
            found.append(Argument("token_type_ids", "Tensor | None = None", doc))
        return found

    def pair(self, reads: str, width: int) -> list[Argument]:
        """Those of a decoder with an encoder, which `reads` ids or states of that width."""
        own = reads == "input_ids"
        what, shape = ("token ids", "(B, S)") if own else ("states", f"(B, S, {width})")
        real = "1 for a real token of the source and 0 for padding."
        doc = f"{shape} {what} of the source; None once a cache has read it."
        text = "(B, T) token ids written so far."
        ids = "decoder_input_ids"
        return [
            Argument(reads, "Tensor | None = None", doc),
            Argument(ids, "Tensor | None = None", text),
            Argument("attention_mask", "Tensor | None = None", f"(B, S), {real}"),
            Argument(
                "decoder_attention_mask",
                "Tensor | None = None",
                "(B, T), the same for the tokens written.",
            ),
            *([_AFTER] if self.head else []),
            Argument("cache", "Cache | None = None", CACHE),
            *([_embeds("input_ids", f"(B, S, {self.width})")] if own else []),
            *self._beside(cached=True, decoder="decoder_"),
            *([REDUCTION, LAST] if self.head else []),
        ]


_AFTER = Argument(
    "labels",
    "Tensor | None = None",
    "(B, T), of each of `decoder_input_ids` the token after it, −100 where there is",
    (
        "none; the loss is their cross-entropy. As for such models in transformers,",
        "`decoder_input_ids` are the labels moved one place to the right.",
    ),
    of_head=True,
)


def _labels(mtp: MtpModules | None) -> Argument:
    more = f", and {mtp.loss_weight} times that of multi-token prediction" if mtp else ""
    return Argument(
        "labels",
        "Tensor | None = None",
        "(B, T) token ids, −100 where there is none; the loss is the next-token",
        (f"cross-entropy{more}.",),
        of_head=True,
    )
