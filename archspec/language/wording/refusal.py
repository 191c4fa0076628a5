"""All that is wrong with a spec, in words: the error that a user sees."""

from __future__ import annotations

from collections.abc import Iterable

from archspec.errors import Diagnostic, SpecError
from archspec.language.expand import Expanded
from archspec.language.problem import Guess, Problem
from archspec.language.validate import Mismatch
from archspec.language.wording.mismatches import word_mismatches
from archspec.language.wording.phrases import meant


def refusal(
    expanded: Expanded, problems: Iterable[Problem], mismatches: Iterable[Mismatch] = ()
) -> SpecError:
    """The error that says what steps have found, and quotes the document."""
    said = [word(problem) for problem in problems]
    return expanded.document.error([*said, *word_mismatches(mismatches, expanded)])


def word(problem: Problem) -> Diagnostic:
    """A problem with its hint looked up."""
    hint = problem.hint
    if isinstance(hint, Guess):
        hint = meant(hint.name, hint.known) or hint.otherwise
    return Diagnostic(problem.message, problem.path, problem.mark, hint)
