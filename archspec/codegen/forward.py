"""What the templates of a model's forward pass see: its arguments, and the way to its end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from archspec.architecture.mtp import MtpModules
from archspec.codegen.stacks import EmbeddingView

KEPT = "cache.layers[index] if cache is not None else None"
CACHE = "from `new_cache`; the tokens continue the text that it holds."
REAL = "1 for a real token and 0 for padding, wherever that is."


@dataclass(frozen=True)
class Argument:
    """An argument of a function with what its docstring says of it."""

    name: str
    type: str
    doc: str
    more: tuple[str, ...] = ()
    """MtpModules lines of that."""


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
)


def decoder_arguments(
    types: int | None, head: bool, mtp: MtpModules | None, prefixes: bool, packs: bool
) -> list[Argument]:
    """Those of a decoder, without a head or with one, with prefixes or packed texts."""
    found = encoder_arguments(types)
    found += [_labels(mtp)] if head else []
    found.append(Argument("cache", "Cache | None = None", CACHE))
    if prefixes:
        doc = "How many tokens at the start of each text see each other both ways;"
        found.append(
            Argument("prefix_length", "int = 0", doc, ("the first call reads all of them.",))
        )
    return found + [PACKED] * packs + [LAST] * head


def encoder_arguments(types: int | None) -> list[Argument]:
    """Those of a model that reads texts as a whole."""
    found = [
        Argument("input_ids", "Tensor", "(B, T) token ids."),
        Argument("attention_mask", "Tensor | None = None", f"(B, T), {REAL}"),
    ]
    if types:
        doc = f"(B, T) segments, 0 … {types - 1}; all 0 when left out."
        found.append(Argument("token_type_ids", "Tensor | None = None", doc))
    return found


def pair_arguments(reads: str, width: int, head: bool) -> list[Argument]:
    """Those of a decoder with an encoder, which `reads` ids or states of that width."""
    what = "token ids" if reads == "input_ids" else "states"
    shape = "(B, S)" if reads == "input_ids" else f"(B, S, {width})"
    real = "1 for a real token of the source and 0 for padding."
    return [
        Argument(
            reads, "Tensor | None", f"{shape} {what} of the source; None once a cache has read it."
        ),
        Argument("decoder_input_ids", "Tensor", "(B, T) token ids written so far."),
        Argument("attention_mask", "Tensor | None = None", f"(B, S), {real}"),
        Argument(
            "decoder_attention_mask",
            "Tensor | None = None",
            "(B, T), the same for the tokens written.",
        ),
        *([_AFTER] if head else []),
        Argument("cache", "Cache | None = None", CACHE),
        *([LAST] if head else []),
    ]


_AFTER = Argument(
    "labels",
    "Tensor | None = None",
    "(B, T), of each of `decoder_input_ids` the token after it, −100 where there is",
    (
        "none; the loss is their mean cross-entropy. As for such models in transformers,",
        "`decoder_input_ids` are the labels moved one place to the right.",
    ),
)


def _labels(mtp: MtpModules | None) -> Argument:
    more = f", and {mtp.loss_weight} times that of multi-token prediction" if mtp else ""
    return Argument(
        "labels",
        "Tensor | None = None",
        "(B, T) token ids, −100 where there is none; the loss is the mean next-token",
        (f"cross-entropy{more}.",),
    )


def beside(arguments: Iterable[Argument]) -> str:
    """What is checked to stand beside the tokens of a call, as further arguments."""
    names = [a.name for a in arguments if a.name in ("labels", "text_ids", "token_type_ids")]
    return "".join(f", {name}={name}" for name in names)


def returned(vocabulary: int | None, trains: bool) -> str:
    """What the forward pass gives, in words."""
    if vocabulary is None:
        return "hidden states (B, T, C)"
    return f"logits (B, T, {vocabulary})" + (
        ", or the loss when there are labels" if trains else ""
    )


def reread(ids: str, types: bool, prefixes: bool) -> list[str]:
    """The statements that go back to the start of a text whose length turns it anew."""
    given, found = ids, ids
    lines: list[str] = []
    if types:
        lines += ["if token_type_ids is None:"]
        lines += [f"    token_type_ids = torch.zeros_like({ids})"]
        given, found = f"torch.stack(({ids}, token_type_ids))", f"({ids}, token_type_ids)"
    lines += ["starts = cache.lengths if cache is not None else None"]
    lines += [f"anew = cache.read_anew({given}, real) if cache is not None else None"]
    lines += ["if anew is not None:  # the whole text, for its length turns all of it"]
    lines += [f"    {found}, real = anew", "    start, starts = 0, None"]
    if prefixes:
        lines += ["if cache is not None:"]
        lines += ["    cache.prefix = prefix_length if cache.length == 0 else cache.prefix"]
        lines += ["    prefix_length = cache.prefix"]
    return lines


def way(
    e: EmbeddingView, ids: str, norm: bool, head: bool, cached: bool, grows: bool = False
) -> list[str]:
    """The statements from token vectors to what the head reads.

    `cached` where layers keep something for what continues the text, `grows` where that may be read
    anew for it.
    """
    lines = [*e.lines]
    lines += [f"vectors = self.layer_vectors({ids}, x)"] if e.vectors else []
    lines += loop(e.vectors is not None, cached)
    if grows:
        lines += ["if anew is not None and cache is not None:"]
        lines += ["    x = cache.latest(x, tokens)"]
    lines += ["x = self.norm(x)"] if norm else []
    return lines + (["x = self.embed_out(x)"] if head and e.widens else [])


BACK = ["        if fronted is not None:", "            x = fronted.back(x)"]
"""The statements that put tokens back where they were."""


def counted(source: bool) -> list[str]:
    """The statements by which a cache has read the new tokens: the last of a call, as any may fail.

    `source` where they are about one.
    """
    lines = ["        if cache is not None:", "            cache.count(step, tokens)"]
    return lines + (["            cache.source_real = source_real"] if source else [])


def fronting(ids: str, mask: str, types: bool, packs: bool, labels: bool) -> list[str]:
    """The statements that take padding out: the real tokens of each row go to its front."""
    found = [f"{ids} = fronted.move({ids})"]
    for name, there in (("token_type_ids", types), ("text_ids", packs), ("labels", labels)):
        moved = f"fronted.move({name})"
        if name != "token_type_ids":  # padding is a text of its own, and nothing asks for it
            moved += f".masked_fill(~real, {-1 if name == 'text_ids' else -100})"
        found += [f"if {name} is not None:", f"    {name} = {moved}"] if there else []
    return [
        "fronted = real = None",
        f"if {mask} is not None:  # the real tokens of each row to its front",
        f"    fronted = front({mask}, {ids}.shape)",
        "    real = fronted.real",
        *(f"    {line}" for line in found),
    ]


def loop(vectors: bool = False, cached: bool = False) -> list[str]:
    """Through all layers, each with its cache and its vectors where there are such."""
    if vectors and cached:
        head = "for index, layer in enumerate(self.layers):"
        return [head, f"    kept = {KEPT}", "    x = layer(x, step, kept, vectors[:, :, index])"]
    if vectors or cached:
        own = KEPT if cached else "vectors[:, :, index]"
        return ["for index, layer in enumerate(self.layers):", f"    x = layer(x, step, {own})"]
    return ["for layer in self.layers:", "    x = layer(x, step)"]
