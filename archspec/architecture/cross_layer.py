"""A step: what must hold between the layers of an architecture."""

from __future__ import annotations

from archspec.architecture.model import Architecture
from archspec.errors import ArchspecError
from archspec.language.expand import Expanded
from archspec.language.located import Map, written_at
from archspec.language.problem import Problem


def check_layers(architecture: Architecture, expanded: Expanded) -> tuple[Problem, ...]:
    """What is wrong between layers; and, where nothing is, a size beyond reason."""
    data = expanded.document.data
    found = {**_ungiven(architecture, data), **_unlike(architecture, data)}
    if found:
        return tuple(found.values())
    try:
        architecture.verify()
    except ArchspecError as error:
        return (Problem(str(error)),)
    return ()


def _ungiven(architecture: Architecture, data: Map) -> dict[str, Problem]:
    """What a layer takes from an earlier one must have been given by then."""
    found: dict[str, Problem] = {}
    encoder = architecture.encoder
    for layers, where in (
        (encoder.layers if encoder else (), "encoder."),
        (architecture.layers, ""),
    ):
        given: set[str] = set()
        for layer in layers:
            for branch in layer.block.branches:
                taken = branch.body.takes()
                if taken and taken not in given:
                    message = f"layer {layer.index} shares what no earlier layer has ({taken})"
                    path = f"blocks.{layer.block.name}"
                    hint = "an earlier layer of the same heads and view needs its own"
                    mark = written_at(data, f"{where}layers")
                    found.setdefault(path, Problem(message, path, mark, hint))
            given |= {name for b in layer.block.branches if (name := b.body.gives())}
    return found


def _unlike(architecture: Architecture, data: Map) -> dict[str, Problem]:
    """What all layers of a stack have in common is of one shape."""
    found: dict[str, Problem] = {}
    for stack, where in ((architecture.encoder, "encoder."), (architecture.stack, "")):
        shapes: dict[str, list[str]] = {}
        for parameter in stack.common if stack else ():
            rows = " x ".join(map(str, parameter.shape))
            shapes.setdefault(parameter.name.partition(".")[0], []).append(rows)
        for name, several in shapes.items():
            if len(several) == 1:
                continue
            message = f"layers of one stack share one table of `{name}`, and theirs differ: "
            message += f"{' and '.join(several)} numbers"
            path = f"{where}layers"
            mark = written_at(data, path)
            hint = "`shared: false` gives each its own"
            found.setdefault(path, Problem(message, path, mark, hint))
    return found
