"""Compiled templates, kept where Python keeps compiled modules and trusted as far.

They lie in `__pycache__` beside the template, so whoever could place one could as well change the
modules of archspec. PYTHONDONTWRITEBYTECODE and PYTHONPYCACHEPREFIX hold for them too, and in a
folder that cannot be written to there are none.
"""

from __future__ import annotations

import os
import secrets
import sys
from hashlib import sha1
from importlib.util import cache_from_source
from pathlib import Path

import jinja2
from jinja2.bccache import Bucket, BytecodeCache


class TemplateCache(BytecodeCache):
    """A file for each template, taken only while the template and what compiles it are the same.

    `options` says how templates are compiled, beside the version of Jinja.
    """

    def __init__(self, options: str):
        self.about = f"{jinja2.__version__} {options}\n"

    def get_cache_key(self, name: str, filename: str | None = None) -> str:
        """Where the template lies; empty where it is no file."""
        return filename or ""

    def get_source_checksum(self, source: str) -> str:
        """The hash of all that decides on the code."""
        return sha1((self.about + source).encode(), usedforsecurity=False).hexdigest()

    def load_bytecode(self, bucket: Bucket) -> None:
        """Fill `bucket` from its file, if there is one for this very template."""
        try:
            bucket.bytecode_from_string(_place(bucket.key).read_bytes())
        except (OSError, NotImplementedError):
            return

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Write the file, whole or not at all; it is no error where that cannot be done."""
        if sys.dont_write_bytecode or not bucket.key:
            return
        try:
            place = _place(bucket.key)
            stage = place.with_name(f"{place.name}.{secrets.token_hex(4)}")
            place.parent.mkdir(parents=True, exist_ok=True)
            mode = (Path(bucket.key).stat().st_mode | 0o200) & 0o666
            try:
                with os.fdopen(
                    os.open(stage, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb"
                ) as file:
                    bucket.write_bytecode(file)
                stage.replace(place)
            finally:
                stage.unlink(missing_ok=True)
        except (OSError, NotImplementedError):
            return


def compile_all() -> None:
    """Compile every template now, as `compileall` does with modules."""
    from archspec.codegen.environment import environment

    sys.dont_write_bytecode = False
    made = environment()
    for name in made.list_templates(extensions=["jinja"]):
        made.get_template(name)


def _place(template: str) -> Path:
    """`attend.py.jinja` → `__pycache__/attend.py.jinja.cpython-311.pyc`."""
    return Path(cache_from_source(f"{template}.py"))


if __name__ == "__main__":
    compile_all()
