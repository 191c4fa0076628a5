"""What an importer is: a table of one published family, and the draft of a spec it makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from archspec.importers.config import Config
from archspec.importers.ignorable import IGNORABLE, ONLY

Fields = dict[str, Any]
"""Part of a spec as it will be written: nested mappings, lists and plain values."""


@dataclass
class Draft:
    """A spec before it is text; the fields are those of the language."""

    vocab_size: int
    hidden_size: int
    context_length: int
    norm: Fields
    blocks: dict[str, Fields]
    """Each kind of layer written out whole, in order of first appearance."""
    layers: Sequence[str]
    """The kind of every layer."""
    head: Fields | None
    encoder: Fields | None = None
    """The stack that the layers attend to; its `layers` are the kind of every one of its own."""
    embedding: Fields = field(default_factory=dict[str, Any])
    final_norm: bool = True
    initialization: Fields = field(default_factory=dict[str, Any])
    checkpoint: Fields = field(default_factory=dict[str, Any])
    notes: list[str] = field(default_factory=list[str])
    """Sentences for the reader of the spec: what was left out and why."""


@dataclass(frozen=True)
class Family:
    """One `model_type`: what its configuration means.

    Whatever `describe` does not read must be in `ignored` or `only`, else it is an error.
    """

    model_type: str
    describe: Callable[[Config], Draft]
    defaults: Mapping[str, Any]
    """Of the configuration class (transformers 5.23.0), for keys that a file leaves out."""
    aliases: Mapping[str, str] = field(default_factory=dict[str, str])
    """The family's own names of the usual keys."""
    ignored: frozenset[str] = frozenset()
    """Its options that change no number of a spec."""
    only: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Its options with the one value that archspec expresses."""
    reads: frozenset[str] = frozenset()
    """Options that must be off in other families and that `describe` reads."""


def close_part(part: Config, *ignored: str) -> None:
    """Check that nothing was left out of a part that is a whole configuration in itself."""
    for key, value in ONLY.items():
        part.only(key, value, None)
    part.close(IGNORABLE | {*ignored})


@dataclass(frozen=True)
class Wrapper:
    """A `model_type` of several parts, whose language model is under `text_config`."""

    model_type: str
    text: Family
    left_out: Mapping[str, str]
    """Keys of the other parts, and what each part is called."""
    checkpoint: Fields
    """Where the language model stands in the whole model's checkpoint."""
    tied: bool
    """The wrapper's own default of `tie_word_embeddings`, which overrides the text model's."""
    ignored: frozenset[str] = frozenset()
