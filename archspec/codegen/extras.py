"""What a package has only where it is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from archspec.errors import ArchspecError, printable

EXTRAS = {
    "gluon": "attention's forward pass in Gluon, for sm_90 alone",
    "paged": "attention to keys in pages, for servers",
}
"""Their names, and what each brings."""

ALL = tuple(EXTRAS)
NONE = "none"
"""What is asked for to have none of them again."""


def extras(text: str) -> tuple[str, ...]:
    """The names in a list like `paged,gluon`, sorted; `none` alone is no name.

    Raises `ArchspecError` for what is none of `EXTRAS`.
    """
    names = [name.strip() for name in text.split(",")]
    if names == [NONE]:
        return ()
    for name in names:
        if name not in EXTRAS:
            raise ArchspecError(
                f"--with {printable(name) or ','}: there is no such part; there are\n"
                + "".join(f"  {known}: {what}\n" for known, what in EXTRAS.items())
                + f"  help: {_meant(name)}"
            )
    return tuple(sorted({*names}))


def known(names: Iterable[str]) -> tuple[str, ...]:
    """Those of `names`, which a folder's list may say, that this version has."""
    return tuple(sorted({*names} & {*EXTRAS}))


def _meant(name: str) -> str:
    close = get_close_matches(name, [*EXTRAS, NONE], n=1)
    if close:
        return f"did you mean {close[0]}?"
    return f"several stand behind each other, --with {','.join(EXTRAS)}; {NONE} is for none"
