"""What `check` says about one spec."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from archspec.architecture.graph import counts
from archspec.cli.files import examined
from archspec.cli.terminal import columns
from archspec.errors import MAX_OF_A_KIND, ArchspecError, Diagnostic, SpecError, warning
from archspec.errors.printing import clipped

MAX_SCHEDULE = 2000
"""Characters of a schedule on one line."""


@dataclass(frozen=True)
class Checked:
    """The verdict on one spec: facts about a good one, or what is wrong."""

    spec: str
    text: str
    facts: dict[str, Any]
    errors: tuple[Diagnostic, ...] = ()
    more: int = 0
    """How many errors are not listed, of kinds that are."""
    warnings: tuple[Diagnostic, ...] = ()
    warned: str = ""
    """The warnings as a user sees them."""

    @property
    def ok(self) -> bool:
        """Whether the spec is valid."""
        return not self.errors

    def to_dict(self) -> dict[str, Any]:
        """As plain data for JSON."""
        found = {
            "errors": [_plain(error) for error in self.errors],
            "more_errors": self.more,
            "warnings": [_plain(warning) for warning in self.warnings[:MAX_OF_A_KIND]],
        }
        return {"spec": self.spec, "ok": self.ok, **self.facts, **found}


def checked(spec: str) -> Checked:
    """Read and resolve one spec."""
    try:
        architecture, warnings, document = examined(spec)
    except SpecError as error:
        more = sum(error.more.values())
        return Checked(spec, error.render(columns()), {}, tuple(error.diagnostics), more)
    except ArchspecError as error:
        return Checked(spec, str(error), {}, (Diagnostic(str(error)),))
    parameters = counts(architecture.parameters()).learned
    layers, schedule = len(architecture.layers), str(architecture.schedule)
    encoder = architecture.encoder
    readers = len(encoder.layers) if encoder else 0
    facts = {
        "name": architecture.name,
        "layers": layers,
        "parameters": parameters,
        "schedule": schedule,
        "encoder_layers": readers,
        "encoder_schedule": str(encoder.schedule) if encoder and readers else None,
    }
    count = f"{readers} + {layers}" if readers else f"{layers}"
    noun = "layer" if layers == 1 and not readers else "layers"
    if encoder:
        schedule = f"{encoder.schedule if readers else 'given states'} → {schedule}"
    line = f"{architecture.name}: {count} {noun}, {parameters:,} parameters, "
    line += clipped(schedule, MAX_SCHEDULE)
    warned = warning(warnings, document, columns()) if warnings else ""
    return Checked(spec, line, facts, warnings=tuple(warnings), warned=warned)


def _plain(diagnostic: Diagnostic) -> dict[str, Any]:
    """As plain data for JSON."""
    mark = diagnostic.mark
    return {
        "line": mark.line if mark else None,
        "column": mark.column if mark else None,
        "path": diagnostic.path,
        "message": diagnostic.message,
        "hint": diagnostic.hint,
    }
