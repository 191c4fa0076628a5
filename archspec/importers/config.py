"""A published configuration that checks the type of what is read and remembers what was not."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn, cast

from archspec.errors import ArchspecError, printable

MAX_INTEGER = 1 << 40
MAX_LISTED = 20
MAX_ITEMS = 8192
"""In a list that says something of each layer, or of each pair of dimensions."""


class ConfigError(ArchspecError):
    """A published configuration that cannot become a spec."""


class Config:
    """The keys of one configuration, read one by one.

    A key that the file leaves out has the value of the family's configuration class. Names
    are the usual ones (`hidden_size`); `aliases` turns the family's own (`n_embd`) into them.
    """

    def __init__(
        self,
        data: Mapping[str, Any],
        model_type: str,
        defaults: Mapping[str, Any] | None = None,
        aliases: Mapping[str, str] | None = None,
        path: str = "",
    ) -> None:
        """Take `data`; raises `ConfigError` when two spellings of one key disagree."""
        self.model_type = model_type
        self.path = path
        self.defaults = defaults or {}
        self.data: dict[str, Any] = {}
        self.spelling: dict[str, str] = {}
        self.seen: set[str] = set()
        for written, value in data.items():
            key = (aliases or {}).get(written, written)
            if key in self.data and self.data[key] != value:
                self.fail(f"`{key}` and `{written}` disagree")
            self.data[key] = value
            self.spelling[key] = written

    def inner(
        self, key: str, data: Mapping[str, Any], defaults: Mapping[str, Any] | None = None
    ) -> Config:
        """A mapping under `key`, whose keys are named with the way to them."""
        return Config(data, self.model_type, defaults, path=f"{self.path}{key}.")

    def fail(self, message: str) -> NoReturn:
        """Stop with `message`; always raises `ConfigError`."""
        raise ConfigError(f"{self.model_type} configuration: {message}")

    def refuse(self, key: str, why: str = "archspec does not express that") -> NoReturn:
        """Stop because of the value of `key`; always raises `ConfigError`."""
        self.fail(f"{self.show(key)}; {why}")

    def show(self, key: str) -> str:
        """The key as written and its value, for a message."""
        value = json.dumps(self.value(key), default=str)
        shown = value if len(value) <= 60 else value[:57] + "..."
        written = self.path + self.spelling.get(key, key)[:80]
        return f"`{printable(written)}` is {printable(shown)}"

    def value(self, key: str) -> Any:
        """Whatever `key` holds, `None` when neither the file nor the defaults have it."""
        self.seen.add(key)
        return self.data[key] if key in self.data else self.defaults.get(key)

    def given(self, key: str) -> bool:
        """Whether the file itself sets `key`."""
        self.seen.add(key)
        return self.data.get(key) is not None

    def size(self, key: str) -> int:
        """A positive whole number; raises `ConfigError` for anything else."""
        value = self.value(key)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= MAX_INTEGER:
            self.refuse(key, "expected a positive whole number")
        return value

    def size_or(self, key: str, default: int) -> int:
        """Like `size`, with `default` where the configuration has null or nothing."""
        return default if self.value(key) is None else self.size(key)

    def number(self, key: str, default: float | None = None) -> float:
        """A finite number; raises `ConfigError` for anything else."""
        value = self.value(key)
        if value is None and default is not None:
            return default
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            self.refuse(key, "expected a number")
        # In this order: a whole number of hundreds of digits is no float.
        if abs(value) > MAX_INTEGER or not math.isfinite(value):
            self.refuse(key, "expected a number of a usual size")
        return value

    def positive(self, key: str) -> float:
        """A finite number above 0; raises `ConfigError` for anything else."""
        if (value := self.number(key)) <= 0:
            self.refuse(key, "expected a positive number")
        return value

    def flag(self, key: str) -> bool:
        """True or false, null being false; raises `ConfigError` for anything else."""
        value = self.value(key)
        if value is not None and not isinstance(value, bool):
            self.refuse(key, "expected true or false")
        return bool(value)

    def word(self, key: str) -> str:
        """A text; raises `ConfigError` for anything else."""
        value = self.value(key)
        if not isinstance(value, str):
            self.refuse(key, "expected a word")
        return value

    def words(self, key: str) -> list[str]:
        """A list of texts; raises `ConfigError` for anything else."""
        items = self._items(key)
        if not all(isinstance(item, str) for item in items):
            self.refuse(key, "expected a list of words")
        return items

    def integers(self, key: str) -> list[int]:
        """A list of whole numbers; raises `ConfigError` for anything else."""
        items = self._items(key)
        if not all(isinstance(item, int) and abs(item) <= MAX_INTEGER for item in items):
            self.refuse(key, "expected a list of whole numbers")
        return items

    def numbers(self, key: str) -> list[float]:
        """A list of finite numbers; raises `ConfigError` for anything else."""
        items = self._items(key)
        for item in items:
            usual = isinstance(item, (int, float)) and not isinstance(item, bool)
            if not usual or abs(item) > MAX_INTEGER or not math.isfinite(item):
                self.refuse(key, "expected a list of numbers")
        return items

    def _items(self, key: str) -> list[Any]:
        value: Any = self.value(key)
        items = cast("list[Any]", value if isinstance(value, list) else [None])
        if len(items) > MAX_ITEMS:
            self.refuse(key, f"a list of {len(items):,}; at most {MAX_ITEMS:,} are read")
        return items

    def only(self, key: str, *values: Any) -> None:
        """Refuse every value of `key` but these; raises `ConfigError`."""
        if self.value(key) not in values:
            self.refuse(key)

    def mapping(self, key: str) -> dict[str, Any]:
        """A mapping, empty for null; raises `ConfigError` for anything else."""
        value: Any = self.value(key)
        if value is not None and not isinstance(value, dict):
            self.refuse(key, "expected a mapping")
        return cast("dict[str, Any]", value or {})

    def unread(self, known: frozenset[str] = frozenset()) -> list[str]:
        """Keys with a value that nothing has read and that are not `known`, in order."""
        # null is how a configuration leaves an option out, whatever the option is.
        return [
            key
            for key, value in self.data.items()
            if key not in self.seen and key not in known and value is not None
        ]

    def close(self, known: frozenset[str] = frozenset()) -> None:
        """Check that nothing was left out; raises `ConfigError` naming every unread key."""
        unread = self.unread(known)
        if not unread:
            return
        lines: list[str] = []
        for key in unread[:MAX_LISTED]:
            line = f"{self.show(key)}; archspec does not express that option"
            near = difflib.get_close_matches(key, sorted(self.seen - {*unread}), n=1, cutoff=0.8)
            lines.append(line + (f" (did you mean {near[0]}?)" if near else ""))
        if len(unread) > MAX_LISTED:
            lines.append(f"and {len(unread) - MAX_LISTED} more")
        self.fail("\n  ".join(lines))
