"""What is published about a model: shown, compared, never used to build."""

from __future__ import annotations

from pydantic import Field

from archspec.spec.base import Line, Strict, Text, Url


class Published(Strict):
    """Figures as somebody published them, to compare ours with."""

    parameters: Line | None = Field(default=None, description="As published, e.g. `0.6B`.")
    parameter_count: int | None = Field(
        default=None, ge=1, le=10**15, description="The exact count, where one is published."
    )
    active_parameters: Line | None = Field(
        default=None, description="Parameters that one token uses, as published."
    )
    layer_mix: Line | None = Field(
        default=None, description="Kinds of layer, e.g. `15 sliding-window + 3 global`."
    )
    cache_per_token: Line | None = Field(
        default=None, description="Key-value cache for one token in bf16, e.g. `112 KiB`."
    )
    context: Line | None = Field(default=None, description="Context length, as published.")
    source: Url | None = Field(default=None, description="Where these figures stand.")


class About(Strict):
    """Who made the model and where it is described."""

    organization: Line | None = Field(default=None, description="Who made it.")
    released: Line | None = Field(default=None, description="A date, e.g. `2025-03-11`.")
    license: Line | None = Field(default=None, description="Of the published weights.")
    summary: Text | None = Field(default=None, description="What is notable, in a sentence or two.")
    paper: Url | None = Field(default=None, description="Where it is described.")
    config: Url | None = Field(default=None, description="Where the published configuration is.")
    published: Published | None = Field(
        default=None, description="Published figures, to compare ours with."
    )
