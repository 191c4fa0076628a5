"""What the template of generate.py sees: what it reads, and how the model is called with it."""

from __future__ import annotations

from dataclasses import dataclass

from archspec.codegen.files import File
from archspec.codegen.forward import Argument

GENERATE = File(
    "generate.py",
    "templates/package/generate.py.jinja",
    "continue a text, from Python or a shell",
    "trains",
)
HEAD = "templates/package/generate/{}.py.jinja"


@dataclass(frozen=True)
class GenerateView:
    """One way to write: on from a text, or about a source."""

    title: str
    caption: str
    head: str
    """The template of the function's first statements, up to its cache."""

    arguments: tuple[Argument, ...]
    """What the function takes after the model."""

    ids: str
    """The tokens that others are added to."""

    first: str
    """What the model is called with at first."""

    next: str
    """What it is called with for each token after the first."""

    passed: tuple[str, ...]
    """What the shell command makes and passes on."""

    verb: str
    pair: bool
    states: bool = False
    """The source is given as states in place of tokens."""

    beside: str = ""
    """What the first call passes on beside its mask and its cache."""


MOST = Argument(
    "max_new_tokens",
    "int",
    "How many tokens to add at the most, 0 or more. That a text gets longer",
    ("than the model is made for is warned of.",),
)
TEMPERATURE = Argument(
    "temperature", "float = 0.0", "0 takes the likeliest token, larger values sample."
)
STOPS = Argument(
    "stop_tokens",
    "int | Iterable[int] | Tensor = ()",
    "Stop when every text has one of these; a text that has one repeats it.",
)
PREFIX = Argument(
    "prefix_length",
    "int = 0",
    "How many tokens at the start of each text see each other both ways.",
)


def on_from_a_text(prefixes: bool) -> GenerateView:
    """A decoder's, whose texts may begin with prefixes that are seen both ways."""
    moved = ("right first, so that each continues where it ends; the result has them so.",)
    doc = "(B, T), 1 for a real token. Texts padded on the right are moved to the"
    mask = Argument("attention_mask", "Tensor | None = None", doc, moved)
    ids = Argument("input_ids", "Tensor", "(B, T) token ids.")
    return GenerateView(
        "Continue a text",
        "Load weights and continue a prompt, or a list of token ids.",
        HEAD.format("text"),
        (ids, MOST, TEMPERATURE, mask, STOPS, *([PREFIX] if prefixes else [])),
        "input_ids",
        "input_ids",
        "token",
        ("input_ids",),
        "continue",
        pair=False,
        beside=", prefix_length=prefix_length" if prefixes else "",
    )


def about_a_source(reads: str, states: int | None) -> GenerateView:
    """That of a decoder with an encoder, which `reads` ids or `states` of that width."""
    what = "states in a file" if states else "a text or token ids"
    shape = f"(B, S, {states}) states" if states else "(B, S) token ids"
    source = Argument(reads, "Tensor", f"{shape} of the source.")
    doc = "(B, T) token ids to begin with: the token that starts a text."
    ids = Argument("decoder_input_ids", "Tensor", doc)
    doc = "(B, S), 1 for a real token of the source."
    mask = Argument("attention_mask", "Tensor | None = None", doc)
    return GenerateView(
        "Write about a source",
        f"Load weights and write about a source: {what}.",
        HEAD.format("pair"),
        (source, ids, MOST, TEMPERATURE, mask, STOPS),
        "decoder_input_ids",
        f"{reads}, decoder_input_ids",
        "None, token",
        ("source", "start"),
        "read",
        pair=True,
        states=states is not None,
    )
