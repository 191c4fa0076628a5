"""The road from text to `Architecture`: its steps, in order, each entered once.

```
text ──parse──▶ Document ──expand──▶ Expanded ──validate──▶ ModelSpec ──check_parts──▶
     ──lay_out──▶ Architecture ──check_layers──▶
```

A step is a pure function that knows those before it and none after. What one finds wrong is a
value; `refusal` puts all of it into words at the end, at most once.
"""

from __future__ import annotations

from dataclasses import dataclass

from archspec.architecture.cross_layer import check_layers
from archspec.architecture.layout import lay_out
from archspec.architecture.model import Architecture
from archspec.language.coherence import check_parts
from archspec.language.expand import Expanded, expand
from archspec.language.located import Document
from archspec.language.source import parse
from archspec.language.validate import validate
from archspec.language.wording.refusal import refusal
from archspec.spec.model import ModelSpec

STEPS = (parse, expand, validate, check_parts, lay_out, check_layers)


@dataclass(frozen=True)
class Resolved:
    """What the steps made of a document that nothing is wrong with."""

    expanded: Expanded
    spec: ModelSpec
    architecture: Architecture


def follow(document: Document) -> Resolved:
    """Every step after `parse`; raises `SpecError` with all the problems of a document."""
    expanded = expand(document)
    if expanded.refused:
        raise refusal(expanded, expanded.problems)
    spec = validate(expanded)
    if not isinstance(spec, ModelSpec):
        raise refusal(expanded, expanded.problems, spec)
    if problems := (*expanded.problems, *check_parts(spec, expanded)):
        raise refusal(expanded, problems)
    architecture = lay_out(spec, expanded)
    if problems := check_layers(architecture, expanded):
        raise refusal(expanded, problems)
    return Resolved(expanded, spec, architecture)


def resolve(document: Document) -> Architecture:
    """The architecture that a document describes; raises `SpecError` with all its problems."""
    return follow(document).architecture
