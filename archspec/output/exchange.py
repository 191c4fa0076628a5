"""Two names of a folder that swap what they stand for, in one step, where the system can.

Linux has renameat2(2) with RENAME_EXCHANGE, macOS renamex_np(2) with RENAME_SWAP. Not every file
system knows them, and Windows has nothing of the kind.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

AT_FDCWD = -100
RENAME_EXCHANGE = RENAME_SWAP = 2
CANNOT = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM, errno.EXDEV}
"""What a system says that does not know how, for this kind of file or at all."""


def exchange(one: Path, other: Path) -> bool:
    """Swap two files; False, with nothing done, where that cannot be.

    Raises `OSError` where it could be but failed, such as a file that is not there.
    """
    call = _call()
    if call is None:
        return False
    if call(os.fsencode(one), os.fsencode(other)) == 0:
        return True
    code = ctypes.get_errno()
    if code in CANNOT:
        return False
    raise OSError(code, os.strerror(code), str(other))


@cache
def _call() -> Callable[[bytes, bytes], int] | None:
    try:
        library = ctypes.CDLL(None, use_errno=True)
        swap: Any = library.renamex_np if sys.platform == "darwin" else library.renameat2
    except (OSError, AttributeError, TypeError):
        return None

    def call(one: bytes, other: bytes) -> int:
        if sys.platform == "darwin":
            return swap(one, other, RENAME_SWAP)
        return swap(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE)

    return call
