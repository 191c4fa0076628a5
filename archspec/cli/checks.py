"""What `check` says about one spec."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from archspec.cli.files import load
from archspec.cli.terminal import columns
from archspec.errors import ArchspecError, Diagnostic, SpecError


@dataclass(frozen=True)
class Checked:
    """The verdict on one spec: facts about a good one, or what is wrong."""

    spec: str
    text: str
    facts: dict[str, Any]
    errors: tuple[Diagnostic, ...] = ()
    more: int = 0
    """How many errors are not listed, of kinds that are."""

    @property
    def ok(self) -> bool:
        """Whether the spec is valid."""
        return not self.errors

    def to_dict(self) -> dict[str, Any]:
        """As plain data for JSON."""
        errors = [
            {
                "line": error.mark.line if error.mark else None,
                "column": error.mark.column if error.mark else None,
                "path": error.path,
                "message": error.message,
                "hint": error.hint,
            }
            for error in self.errors
        ]
        found = {"errors": errors, "more_errors": self.more}
        return {"spec": self.spec, "ok": self.ok, **self.facts, **found}


def checked(spec: str) -> Checked:
    """Read and resolve one spec."""
    try:
        architecture, _, _ = load(spec)
    except SpecError as error:
        more = sum(error.more.values())
        return Checked(spec, error.render(columns()), {}, tuple(error.diagnostics), more)
    except ArchspecError as error:
        return Checked(spec, str(error), {}, (Diagnostic(str(error)),))
    parameters = sum(parameter.size for parameter in architecture.parameters())
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
    line = f"{architecture.name}: {count} {noun}, {parameters:,} parameters, {schedule}"
    return Checked(spec, line, facts)
