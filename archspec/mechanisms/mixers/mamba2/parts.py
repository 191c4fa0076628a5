"""The norm beside the gate."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from archspec.spec.base import reject, true_is_default
from archspec.spec.norm import Norm


class GatedNorm(Norm):
    """RMSNorm over each group of heads: N(y · SiLU(z)), or N(y) · SiLU(z)."""

    before_gate: bool = Field(
        default=False, description="The norm comes first, and the gate multiplies what it gives."
    )

    @model_validator(mode="after")
    def _check(self) -> GatedNorm:
        if self.type not in (None, "rmsnorm"):
            reject("type", "the norm beside this gate is RMSNorm")
        if self.bias:
            reject("bias", "RMSNorm has no bias")
        return self

    def over(self, default: Norm) -> Self:
        """This norm with its gaps filled from `default`; RMSNorm whatever the model's is."""
        rms = default.type in (None, "rmsnorm")
        return super().over(default if rms else Norm(type="rmsnorm", eps=default.eps))


OptionalGatedNorm = Annotated[
    GatedNorm | None,
    BeforeValidator(true_is_default, json_schema_input_type=bool | GatedNorm | None),
]
"""A norm beside the gate, `true` for the usual one, or `false` for none."""
