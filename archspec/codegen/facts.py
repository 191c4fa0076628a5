"""The numbers in a package's README."""

from __future__ import annotations

from archspec.architecture.model import Architecture


def facts(architecture: Architecture) -> list[dict[str, str]]:
    """Rows of name and value."""
    from archspec.numbers.analysis import analyse

    report = analyse(architecture).to_dict()
    parameters, cache = report["parameters"], report["cache"]
    rows = [
        ("Parameters", f"{parameters['total']:,}"),
        ("Active for one token", f"{parameters['active']:,}"),
        ("Token embedding", f"{parameters['embedding']:,}"),
        ("Context", f"{architecture.context_length:,} tokens"),
    ]
    if architecture.is_causal:
        rows += [
            ("Cache for one token (bf16)", f"{cache['bytes_per_token']:,} bytes"),
            *_source(architecture, cache),
            ("Cache for a whole context (bf16)", f"{cache['bytes']:,} bytes"),
        ]
    return [{"name": name, "value": value} for name, value in rows]


def _source(architecture: Architecture, cache: dict[str, int]) -> list[tuple[str, str]]:
    if architecture.encoder is None:
        return []
    size = cache["bytes_per_source_token"]
    return [("Cache for one token of the source (bf16)", f"{size:,} bytes")]
