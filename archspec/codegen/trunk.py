"""What the templates of a model's forward pass see: the way from a call to what the head reads."""

from __future__ import annotations

from dataclasses import dataclass

from archspec.codegen.arguments import Argument
from archspec.codegen.stacks import EmbeddingView

KEPT = "cache.layers[index] if cache is not None else None"


@dataclass(frozen=True)
class Trunk:
    """The statements from what a call is given to what the head reads."""

    kind: str
    """Of a model: `decoder`, `encoder`, or `pair` of both."""

    ids: str
    mask: str
    arguments: tuple[Argument, ...]
    embedding: EmbeddingView
    reads: str
    """What the encoder of a pair is called with."""

    norm: bool
    cached: bool
    """Whether layers keep something for what continues the text."""

    grows: bool
    """Whether it may be read anew for what continues it."""

    more: str
    """What a step is made with beside the tokens."""

    @property
    def names(self) -> list[str]:
        """The names of its arguments."""
        return [argument.name for argument in self.arguments]

    @property
    def embeds(self) -> str:
        """The argument that gives vectors in place of ids."""
        return self.ids.replace("input_ids", "inputs_embeds")

    @property
    def named(self) -> str:
        """The argument of checks that says what ids are called here."""
        return f', "{self.ids}"' if self.kind == "pair" else ""

    @property
    def beside(self) -> str:
        """What is checked to stand beside the tokens, as further arguments."""
        of_tokens = ("text_ids", "token_type_ids")
        names = [n for n in self.names if n in of_tokens or n.endswith("position_ids")]
        return "".join(f", {name}={name}" for name in names)

    @property
    def start(self) -> str:
        """How many tokens were read before."""
        return "0" if self.kind == "encoder" else "start"

    @property
    def checks(self) -> list[str]:
        """The statements that refuse what does not fit the model."""
        lines: list[str] = []
        if rows := self.embedding.length:
            end = "start + tokens" if self.start == "start" else "tokens"
            given = self.ids.replace("input_ids", "position_ids")
            lines += [f"if {given} is None and {end} > {rows}:"]
            said = f"{{{end}}} tokens; the model has {rows} positions"
            lines += [f'    raise ValueError(f"{said}")', f"check_positions({given})"]
        if "prefix_length" in self.names:
            said = "the first call reads the prefix: {prefix_length} tokens, not {tokens}"
            lines += ["if start == 0 and not 0 <= prefix_length <= tokens:"]
            lines += [f'    raise ValueError(f"{said}")']
        if "text_ids" in self.names:
            lines += ["if text_ids is not None and cache is not None:"]
            said = "packed texts are read at once, without a cache"
            lines += [f'    raise ValueError("{said}")']
        if self.grows:
            lines += self._kept_ids()
        if self.kind == "pair":
            source = ["input_ids", "inputs_embeds"] if self.reads == "input_ids" else [self.reads]
            given = ", ".join([*source, "attention_mask", "cache"])
            lines += [f"source, source_real = self.read_source({given})"]
        return lines

    def _kept_ids(self) -> list[str]:
        """A cache that may have to read texts anew keeps ids, and nothing else of them."""
        given = [self.embeds, *(n for n in self.names if n.endswith("position_ids"))]
        there = " or ".join(f"{name} is not None" for name in given)
        there = f"({there})" if len(given) > 1 else there
        said = f"a cache of this model keeps ids alone, not {' or '.join(given)}"
        return [f"if cache is not None and {there}:", f'    raise ValueError("{said}")']

    @property
    def fronting(self) -> list[str]:
        """The statements that take padding out: the real tokens of each row go to its front."""
        of_texts = ("_type_ids", "position_ids", "text_ids")
        names = [self.ids, self.embeds, *(n for n in self.names if n.endswith(of_texts))]
        required = self.embedding.vectors is not None
        given = ", ".join(names[required:])
        several = given if len(names) > 1 + required else f"({given},)"
        moved = [f"    {self.ids} = fronted.move({self.ids})"] if required else []
        packed = ["    if text_ids is not None:  # padding is a text of its own"]
        packed += ["        text_ids = text_ids.masked_fill(~real, -1)"]
        return [
            "fronted = real = None",
            f"if {self.mask} is not None:  # the real tokens of each row to its front",
            f"    fronted = front({self.mask}, (batch, tokens))",
            "    real = fronted.real",
            *moved,
            f"    {several} = fronted.move_all({given})",
            *(packed if "text_ids" in names else []),
        ]

    @property
    def reread(self) -> list[str]:
        """The statements that go back to the start of a text whose length turns it anew."""
        if not self.grows:
            return []
        given, found, lines = self.ids, self.ids, list[str]()
        if self.embedding.token_types:
            lines += ["if cache is not None and token_type_ids is None:"]
            lines += [f"    token_type_ids = torch.zeros_like({given})"]
            given, found = f"torch.stack(({given}, token_type_ids))", f"({given}, token_type_ids)"
        lines += ["starts = cache.lengths if cache is not None else None"]
        lines += [f"anew = cache.read_anew({given}, real) if cache is not None else None"]
        lines += ["if anew is not None:  # the whole text, for its length turns all of it"]
        lines += [f"    {found}, real = anew", "    start, starts = 0, None"]
        if "prefix_length" in self.names:
            lines += ["if cache is not None:"]
            lines += ["    cache.prefix = prefix_length if cache.length == 0 else cache.prefix"]
            lines += ["    prefix_length = cache.prefix"]
        return lines

    @property
    def step(self) -> str:
        """What a step is made with."""
        starts = "starts" if self.grows else "cache.lengths if cache is not None else None"
        starts = f", {starts}" if self.kind != "encoder" else ""
        tokens = "x.shape[1]" if self.grows else "tokens"
        return f"{self.start}, {tokens}, real, x{starts}{self.more}"

    @property
    def lines(self) -> list[str]:
        """The statements from token vectors to what the head reads."""
        e = self.embedding
        lines = [*e.lines]
        lines += [f"vectors = self.layer_vectors({self.ids}, x)"] if e.vectors else []
        lines += loop(e.vectors is not None, self.cached)
        if self.grows:
            lines += ["if anew is not None and cache is not None:"]
            lines += ["    x = cache.latest(x, tokens)"]
        return lines + (["x = self.norm(x)"] if self.norm else [])

    @property
    def counted(self) -> list[str]:
        """The statements that count the tokens in a cache: the last of a call, as any may fail."""
        if self.kind == "encoder":
            return []
        source = ["    cache.source_real = step.source_real"] if self.kind == "pair" else []
        return ["if cache is not None:", "    cache.count(step, x.shape[1])", *source]


def returned(vocabulary: int | None, trains: bool) -> str:
    """What the forward pass gives, in words."""
    if vocabulary is None:
        return "hidden states (B, T, C)"
    return f"logits (B, T, {vocabulary})" + (", or with labels the loss" if trains else "")


def loop(vectors: bool = False, cached: bool = False) -> list[str]:
    """Through all layers, each with its cache and its vectors where there are such."""
    if vectors and cached:
        head = "for index, layer in enumerate(self.layers):"
        return [head, f"    kept = {KEPT}", "    x = layer(x, step, kept, vectors[:, :, index])"]
    if vectors or cached:
        own = KEPT if cached else "vectors[:, :, index]"
        return ["for index, layer in enumerate(self.layers):", f"    x = layer(x, step, {own})"]
    return ["for layer in self.layers:", "    x = layer(x, step)"]
