"""DOT → SVG, PNG or PDF by the Graphviz library inside pygraphviz's wheel, in this process.

Fonts are configured once in a process, with the carried one alone, so that every machine draws
alike. Text that it lacks glyphs for is drawn in a process of its own, `python -m
archspec.draw.native FORMAT`, which knows the machine's fonts as well.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from xml.sax.saxutils import escape

from archspec.draw.metrics import FONTS
from archspec.errors import ArchspecError
from archspec.output.place import naming

_CONFIGURATION = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{}</dir>{}<config><rescan><int>0</int></rescan></config>
<match target="pattern"><edit name="hinting" mode="assign"><bool>false</bool></edit></match>
<match target="font"><edit name="hinting" mode="assign"><bool>false</bool></edit></match>
</fontconfig>
"""
_MACHINE = """<include ignore_missing="yes">/etc/fonts/fonts.conf</include>
<dir>/usr/share/fonts</dir><dir>/usr/local/share/fonts</dir>
<dir>/System/Library/Fonts</dir><dir>/Library/Fonts</dir><dir>WINDOWSFONTDIR</dir>
"""
_SECONDS = 60
_lock = Lock()
_folder: tempfile.TemporaryDirectory[str] | None = None


def render(dot: str, format: str) -> bytes:
    """Draw `dot`, in which everything has a position, with the carried font."""
    return _render(dot, format, "")


def render_foreign(dot: str, format: str) -> bytes:
    """The same where the carried font lacks glyphs, which a font of the machine may have.

    Raises `ArchspecError` where no process can be started.
    """
    command = [sys.executable, "-m", "archspec.draw.native", format]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    try:
        done = subprocess.run(
            command, input=dot.encode(), env=environment, capture_output=True, timeout=_SECONDS
        )
        done.check_returncode()
    except (OSError, subprocess.SubprocessError) as error:
        raise ArchspecError(f"cannot draw with the fonts of this machine: {error}") from None
    return done.stdout


def _render(dot: str, format: str, more: str) -> bytes:
    with _lock, _quiet(), _fonts(more):
        return _draw(dot, format)


def _draw(dot: str, format: str) -> bytes:
    import pygraphviz

    graph = pygraphviz.AGraph(string=dot)
    # Positions are given, so that nothing is laid out.
    graph.has_layout = True
    drawn: object = graph.draw(format=format)  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    assert isinstance(drawn, bytes)
    return drawn


@contextmanager
def _fonts(more: str) -> Generator[None]:
    """Make fontconfig, which reads its configuration once, know the carried font and `more`."""
    global _folder
    if _folder is not None:
        yield
        return
    # A copy, since fontconfig leaves a file of its own where fonts are; it lives as long as
    # the process, which may open a font at any time.
    folder = tempfile.TemporaryDirectory(prefix="archspec-")
    path = Path(folder.name) / "fonts.conf"
    with naming(folder.name):
        for font in FONTS.glob("*.otf"):
            shutil.copyfile(font, Path(folder.name) / font.name)
        path.write_text(_CONFIGURATION.format(escape(folder.name), more), "utf-8")
    before = os.environ.get("FONTCONFIG_FILE")
    os.environ["FONTCONFIG_FILE"] = str(path)
    try:
        yield
    finally:
        if before is None:
            del os.environ["FONTCONFIG_FILE"]
        else:
            os.environ["FONTCONFIG_FILE"] = before
    _folder = folder


@contextmanager
def _quiet() -> Generator[None]:
    """Keep fontconfig's warnings about the system's own configuration off the terminal.

    The library writes to the file descriptor; anything else it says is passed on.
    """
    if _folder is not None:
        yield
        return
    try:
        saved = os.dup(2)
    except OSError:  # A process without a terminal may have closed it.
        yield
        return
    if sys.stderr:
        sys.stderr.flush()
    with tempfile.TemporaryFile() as caught:
        os.dup2(caught.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            caught.seek(0)
            for line in caught.read().splitlines():
                if not line.startswith(b"Fontconfig warning"):
                    os.write(2, line + b"\n")


if __name__ == "__main__":
    sys.stdout.buffer.write(_render(sys.stdin.buffer.read().decode(), sys.argv[1], _MACHINE))
