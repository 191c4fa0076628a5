"""Writes the expected texts anew, to be read before they are kept."""

from __future__ import annotations

from archspec.importers import import_config

from .oracle import HERE, published

if __name__ == "__main__":
    for path in sorted((HERE / "published").glob("*.json")):
        target = HERE / "expected" / f"{path.stem}.yaml"
        target.write_text(import_config(published(path.stem)))
