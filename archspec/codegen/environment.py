"""The one Jinja environment: strict, and with few filters, each of which escapes."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any, cast

from jinja2 import Environment, PackageLoader, StrictUndefined

from archspec.codegen.compiled import TemplateCache

_ACTIVATIONS = {
    "gelu": "F.gelu({x})",
    "gelu_tanh": 'F.gelu({x}, approximate="tanh")',
    "identity": "{x}",
    "mish": "F.mish({x})",
    "quick_gelu": "({x} * torch.sigmoid(1.702 * {x}))",
    "relu": "F.relu({x})",
    "relu2": "F.relu({x}).square()",
    "sigmoid": "{x}.sigmoid()",
    "silu": "F.silu({x})",
    "softplus": "F.softplus({x})",
    "tanh": "{x}.tanh()",
    "xielu": "self.activation({x})",
}


_READING: dict[str, Any] = {
    "trim_blocks": True,
    "lstrip_blocks": True,
    "keep_trailing_newline": True,
}


@cache
def environment() -> Environment:
    """Templates of the package and of every mechanism, found from the root of archspec."""
    made = Environment(
        loader=PackageLoader("archspec", package_path=""),
        undefined=StrictUndefined,
        autoescape=False,  # the output is Python; what enters it is checked, or a filter escapes it
        bytecode_cache=TemplateCache(repr(_READING)),
        **_READING,
    )
    filters: dict[str, Callable[..., str]] = {
        "activation": activated,
        "literal": _literal,
        "markdown": _markdown,
    }
    made.filters.update(filters)
    return made


def activated(name: str, kind: str) -> str:
    """The expression that applies an activation to the variable `name`."""
    assert name.isidentifier()
    return _ACTIVATIONS[kind].format(x=name)


def _literal(value: Any) -> str:
    """A Python literal."""
    value = tuple(cast("list[Any]", value)) if isinstance(value, list) else value
    assert isinstance(value, (str, int, float, bool, tuple, type(None)))
    return ascii(cast("object", value))


_MARKUP = re.compile(r"[\\`*_\[\]|~#$<>&]")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_LEADING = re.compile(r"^(?=[-+=])|^(\d+)(?=[.)])")
_ADDRESS = re.compile(r":(?=//)|(?<=www)\.", re.IGNORECASE)
_APART = re.compile(r"@|:(?=[A-Za-z0-9_+-]+:)")


def _markdown(text: str) -> str:
    """Free text for one line of Markdown, nothing of it markup, a link, a name or a picture.

    A comment, which nobody sees, stands where what some pages make of bare text is no markup:
    addresses of mail, `@name` and `:picture:`.
    """
    flat = _APART.sub(r"\g<0>\n", " ".join(text.split()))
    flat = _MARKUP.sub(lambda found: _ENTITIES.get(found[0], f"\\{found[0]}"), flat)
    flat = _ADDRESS.sub(r"\\\g<0>", flat)
    return _LEADING.sub(r"\1\\", flat).replace("\n", "<!-- -->")
