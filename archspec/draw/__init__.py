"""`Architecture` → figure: DOT text, and SVG, PNG or PDF drawn from it in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from archspec.errors import ArchspecError

if TYPE_CHECKING:
    from archspec.architecture.model import Architecture
    from archspec.draw.scene import Scene

__all__ = ["FORMATS", "Format", "dot", "foreign", "render"]

Format = Literal["svg", "png", "pdf"]
FORMATS: tuple[Format, ...] = ("svg", "png", "pdf")


def dot(architecture: Architecture, theme: str = "light") -> str:
    """The figure as DOT text with every position given; the same for the same architecture.

    Raises:
        ArchspecError: `theme` is neither `light` nor `dark`.
    """
    return _compose(architecture, theme)[0]


def render(architecture: Architecture, format: str = "svg", theme: str = "light") -> bytes:
    """The figure as a file of `format`: `svg`, `png` or `pdf`.

    Raises:
        ArchspecError: `format` or `theme` is not one of those.
    """
    if format not in FORMATS:
        raise ArchspecError(f"cannot draw {format!r}; one of {', '.join(FORMATS)}")
    from archspec.draw import native, pdf, svg
    from archspec.draw.describe import describe
    from archspec.draw.emit import at, tips

    text, drawn = _compose(architecture, theme)
    if format == "png":
        text = text.replace("{\n", "{\n\tdpi=144\n", 1)
    if format == "svg":
        raw = native.render(text, format)
        return svg.clean(raw, architecture.title, describe(architecture), tips(drawn), at(drawn))
    raw = (native.render_foreign if foreign(architecture) else native.render)(text, format)
    return pdf.undated(raw) if format == "pdf" else raw


def foreign(architecture: Architecture) -> str:
    """The characters of the figure that the carried font lacks, each once.

    Whoever looks at an SVG has fonts for them or not; PNG and PDF take those of this machine.
    """
    from archspec.draw.metrics import lacking

    about = architecture.about
    said = (about.organization, about.released, about.license, about.summary)
    return lacking("".join((architecture.title, *(text for text in said if text))))


def _compose(architecture: Architecture, theme: str) -> tuple[str, Scene]:
    from archspec.draw.emit import emit
    from archspec.draw.page import page
    from archspec.draw.theme import THEMES

    if theme not in THEMES:
        raise ArchspecError(f"no theme {theme!r}; one of {', '.join(THEMES)}")
    laid = page(architecture)
    return emit(laid.scene, laid.width, laid.height, THEMES[theme]), laid.scene
