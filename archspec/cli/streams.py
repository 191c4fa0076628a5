"""The three standard streams: closed ones, full ones, and ones that cannot show every character."""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, NoReturn, TextIO

from archspec.output.place import shown

STREAMS = {"stdin": "standard input", "stdout": "standard output", "stderr": "standard error"}
PLAIN = {"→": "->", "–": "-", "−": "-", "×": "x", "…": "...", "≤": "<=", "≥": ">="}
"""What a terminal shows that has only ASCII; other characters become escapes."""


class Closed(io.TextIOBase):
    """Stands for a stream that was closed before the program began: all it does is fail."""

    @property
    def buffer(self) -> Closed:
        """Of bytes, which fail the same way."""
        return self

    def read(self, size: int | None = -1, /) -> NoReturn:
        """Raises `OSError`."""
        raise OSError(errno.EBADF, "it is closed")

    def write(self, text: object, /) -> NoReturn:
        """Raises `OSError`."""
        raise OSError(errno.EBADF, "it is closed")


class Nowhere(io.TextIOBase):
    """Stands for a standard error that was closed: that nobody is told is no reason to fail."""

    def write(self, text: str, /) -> int:
        """Forget `text`."""
        return len(text)


class Named:
    """A stream, of text or of bytes, whose errors say which one it is."""

    def __init__(self, stream: Any, called: str) -> None:
        """Stand for `stream`; `called` is what errors name it."""
        self._stream, self._called = stream, called

    def write(self, data: Any) -> int:
        """Write; raises `OSError` with the stream's name."""
        with self._naming():
            return self._stream.write(data)

    def flush(self) -> None:
        """Flush; raises `OSError` with the stream's name."""
        with self._naming():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        """Everything else, and the stream of bytes below, as the stream has it."""
        found = getattr(self._stream, name)
        return Named(found, self._called) if name == "buffer" else found

    @contextmanager
    def _naming(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            raise OSError(error.errno, error.strerror or str(error), self._called) from None


@contextmanager
def settled() -> Generator[None]:
    """The streams of this process such that each can be used, or fails with its name."""
    before = {name: getattr(sys, name) for name in STREAMS}
    if None in before.values():
        # Or the next file to be opened would be what others take for the stream.
        while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
            pass
        os.close(descriptor)
    codecs.register_error("archspec", _shown)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "backslashreplace"):
            stream.reconfigure(errors="archspec")
    for name, stream in before.items():
        instead = Nowhere() if name == "stderr" else Closed()
        setattr(sys, name, Named(instead if stream is None else stream, STREAMS[name]))
    try:
        yield
    finally:
        for name, stream in before.items():
            setattr(sys, name, stream)


def say(text: str) -> None:
    """Print to standard error, if that is still there."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        abandon(sys.stderr)


def described(error: OSError) -> str:
    """What to say of an error of the system: which file, and why."""
    reason = (error.strerror or str(error)).lower()
    place = os.fsdecode(error.filename) if isinstance(error.filename, bytes) else error.filename
    return reason if place is None else f"{shown(str(place))}: {reason}"


def abandon(stream: TextIO) -> None:
    """Send what a stream that cannot be written still holds to nowhere.

    Python writes it once more on its way out, which must not fail again.
    """
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except (OSError, ValueError):
        return


def _shown(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    found = error.object[error.start : error.end]
    plain = (PLAIN.get(c) or c.encode("ascii", "backslashreplace").decode() for c in found)
    return "".join(plain), error.end
