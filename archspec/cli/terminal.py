"""How wide the terminal is that errors go to."""

from __future__ import annotations

import os
import sys

from archspec.errors import WIDTH


def columns() -> int:
    """Of standard error: `COLUMNS`, else the terminal's, else a usual one."""
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given[:9]) > 0:
        return int(given[:9])
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or WIDTH
    except (AttributeError, OSError, ValueError):
        return WIDTH
