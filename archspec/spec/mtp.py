"""Heads that predict tokens beyond the next one: multi-token prediction."""

from __future__ import annotations

from pydantic import Field

from archspec.spec.base import Factor, Modules, Name, Strict


class MultiTokenPrediction(Strict):
    """Modules that predict the tokens after the next (MTP; arXiv 2412.19437, section 2.2).

    Module k joins what module k − 1 gave for a token (the trunk's last hidden state for the
    first) with the vector of the token k places on, each normed, by a linear map, passes it
    through a layer, and gives logits through a norm of its own and the model's head.
    """

    depth: Modules = Field(description="How many tokens after the next are predicted.")
    block: Name = Field(description="The kind of layer in each module.")
    loss_weight: Factor = Field(
        default=0.3, description="What their mean loss counts beside that of the next token."
    )
