"""The command line: the only part, with `output`, that touches the disk and the terminal.

Exit codes: 0 done; 1 a check said no; 2 the input or the arguments are wrong, or the system
refused (a full disk, a closed stream, a file that may not be written); 70 a bug here; 130
interrupted; 141 the reader of our output went away.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from archspec.errors import ArchspecError, SpecError

__all__ = ["main"]

WRONG_INPUT, BUG, INTERRUPTED, BROKEN_PIPE = 2, 70, 130, 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line on `arguments` (those of the process by default): its exit code."""
    from archspec.cli.streams import settled

    with settled():
        return _settled(arguments)


def _settled(arguments: Sequence[str] | None) -> int:
    from archspec.cli.streams import STREAMS, abandon, described, say

    try:
        code = _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        abandon(sys.stdout)
        return BROKEN_PIPE
    except OSError as error:
        if error.filename in STREAMS.values():
            abandon(sys.stdout)
        say(described(error))
        return WRONG_INPUT
    except MemoryError:
        say("there is not enough memory for this")
        return WRONG_INPUT
    except KeyboardInterrupt:
        say("interrupted")
        return INTERRUPTED
    return code


def _run(arguments: Sequence[str] | None) -> int:
    """The exit code; what the system refused, and an interruption, are raised."""
    import typer

    from archspec.cli.app import UsageProblem
    from archspec.cli.commands import app
    from archspec.cli.streams import say
    from archspec.cli.terminal import columns

    try:
        code = typer.main.get_command(app).main(
            None if arguments is None else list(arguments),
            prog_name="archspec",
            standalone_mode=False,
        )
        if code == INTERRUPTED:
            raise KeyboardInterrupt
        return code if isinstance(code, int) else 0
    except UsageProblem as problem:
        problem.show()
        return WRONG_INPUT
    except SpecError as error:
        say(error.render(columns()))
        return WRONG_INPUT
    except ArchspecError as error:
        say(str(error))
        return WRONG_INPUT
    except typer.Abort:
        raise KeyboardInterrupt from None
    except SystemExit as stop:
        # Click makes an exit with 1, a check that said no, of a broken pipe.
        if isinstance(stop.__context__, BrokenPipeError):
            raise stop.__context__ from None
        raise
    except (OSError, MemoryError):
        raise
    except Exception as error:
        if os.environ.get("ARCHSPEC_DEBUG"):
            raise
        say(_bug(error))
        return BUG


def _bug(error: Exception) -> str:
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""  # noqa: PTH119
    return (
        f"this is a bug in archspec: {type(error).__name__}{place}\n"
        "  help: please report it with the spec; ARCHSPEC_DEBUG=1 shows where it happened"
    )
