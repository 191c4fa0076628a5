"""What a package's README says of the model: its numbers, and what an example is given."""

from __future__ import annotations

from archspec.architecture.model import Architecture


def facts(architecture: Architecture) -> list[dict[str, str]]:
    """Rows of name and value; what is active is told where experts leave weights aside."""
    from archspec.numbers.analysis import analyse

    report = analyse(architecture).to_dict()
    parameters, cache = report["parameters"], report["cache"]
    rows = [
        ("Parameters", f"{parameters['total']:,}"),
        *_active(architecture, parameters),
        ("Token embedding", f"{_token_embedding(architecture):,}"),
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


def _active(architecture: Architecture, parameters: dict[str, int]) -> list[tuple[str, str]]:
    if not architecture.is_sparse:
        return []
    return [("Active for one token", f"{parameters['active']:,}")]


def _token_embedding(architecture: Architecture) -> int:
    """The vectors of tokens alone, without those of places and of kinds of token."""
    return architecture.vocab_size * (architecture.embedding.width or architecture.hidden_size)
