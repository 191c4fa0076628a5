"""The command line as typer sees it, and what the commands share."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any

import typer

from archspec.cli.files import put

# What typer raises for wrong arguments; the class has no public name that all versions share.
UsageProblem: Any = typer.BadParameter.__mro__[2]

# Plain help costs half of what boxes drawn by rich do, and reads the same in a pipe.
app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 90},
)

Spec = Annotated[str, typer.Argument(help="A spec in YAML; - reads standard input.")]
Output = Annotated[str | None, typer.Option("-o", "--output", help="The file; printed by default.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]

Force = Annotated[bool, typer.Option("--force", help="Replace a file that is there.")]


class Kind(StrEnum):
    """What `new` can start."""

    decoder, encoder, moe = "decoder", "encoder", "moe"


class Theme(StrEnum):
    """The colours of a figure."""

    light, dark = "light", "dark"


class Dtype(StrEnum):
    """The type of a number in the cache."""

    fp32, fp16, bf16, fp8, int8 = "fp32", "fp16", "bf16", "fp8", "int8"


def _version(wanted: bool) -> None:
    if wanted:
        from archspec import __version__

        print(f"archspec {__version__}")
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Compile one YAML description of a model into its figure, its numbers and its PyTorch.

    Start with `archspec new mymodel`, then `archspec draw mymodel.yaml`.

    Exit code: 0 done, 1 a check said no, 2 the input or the arguments are wrong.
    """


def put_json(data: Any) -> None:
    """Print `data` as JSON."""
    put(None, as_json(data))


def as_json(data: Any) -> str:
    """`data` as indented JSON with a line end; what is not seen in it is escaped."""
    import json

    from archspec.errors.printing import is_seen

    text = json.dumps(data, indent=2, ensure_ascii=False) + "\n"
    return re.sub(r"[^ -~\n]", lambda c: c[0] if is_seen(c[0]) else json.dumps(c[0])[1:-1], text)
