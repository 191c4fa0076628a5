"""How archspec knows a single file that it wrote and nobody has edited: by a hash in it.

A figure or a plain file may be written again over such a file and over no other. The hash guards
against losing somebody's work by mistake; it does not prove who made a file.
"""

from __future__ import annotations

import struct
import zlib
from hashlib import sha256

_LINES = {
    "svg": b"<!-- archspec %s -->\n",
    "pdf": b"%%archspec %s\n",
    "dot": b"// archspec %s\n",
    "py": b"\n\n# archspec %s\n",
}
_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"
_KEY = b"archspec\x00"


def signed(content: bytes, kind: str) -> bytes:
    """A file of `kind` (svg, png, pdf, dot or py) with the hash of all the rest of it."""
    assert content.endswith(_END if kind == "png" else b"\n")
    return _signed(content, kind)


def is_signed(content: bytes, kind: str) -> bool:
    """Whether it is such a file, as it was written."""
    end = len(_END) if kind == "png" else 0
    length = len(_signed(b"" if end == 0 else _END, kind)) - end
    bare = content[: len(content) - end - length] + content[len(content) - end :]
    return len(content) > length and _signed(bare, kind) == content


def _signed(content: bytes, kind: str) -> bytes:
    digest = sha256(content).hexdigest().encode()[:32]
    if kind != "png":
        return content + _LINES[kind] % digest
    body = b"tEXt" + _KEY + digest
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return content.removesuffix(_END) + chunk + _END
