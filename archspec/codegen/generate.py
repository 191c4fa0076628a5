"""What the template of generate.py sees: what it reads, and how the model is called with it."""

from __future__ import annotations

from dataclasses import dataclass

from archspec.codegen.files import File

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
    """The template of the function up to its cache."""

    ids: str
    """The tokens that others are added to."""

    first: str
    """What the model is called with at first."""

    next: str
    """What it is called with for each further token."""

    passed: tuple[str, ...]
    """What the shell command makes and passes on."""

    verb: str
    pair: bool
    states: bool = False
    """The source is given as states in place of tokens."""

    source: str = "(B, S) token ids"


def on_from_a_text() -> GenerateView:
    """A decoder's."""
    return GenerateView(
        "Continue a text",
        "Load weights and continue a prompt, or a list of token ids.",
        HEAD.format("text"),
        "input_ids",
        "input_ids",
        "token",
        ("input_ids",),
        "continue",
        pair=False,
    )


def about_a_source(reads: str, states: int | None) -> GenerateView:
    """That of a decoder with an encoder, which `reads` ids or `states` of that width."""
    what = "states in a file" if states else "a text or token ids"
    return GenerateView(
        "Write about a source",
        f"Load weights and write about a source: {what}.",
        HEAD.format("pair"),
        "decoder_input_ids",
        f"{reads}, decoder_input_ids",
        "None, token",
        ("source", "start"),
        "read",
        pair=True,
        states=states is not None,
        source=f"(B, S, {states}) states" if states else "(B, S) token ids",
    )
