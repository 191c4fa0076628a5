"""The factors of what is projected, and the norm beside the gate."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from archspec.spec.base import Factor, Strict, reject, true_is_default
from archspec.spec.norm import Norm


class PartScales(Strict):
    """A factor for each part of what the input layer gives, its bias with it."""

    gate: Factor = Field(default=1.0, description="Multiplies z, which becomes the gate.")
    input: Factor = Field(default=1.0, description="Multiplies u, what the heads write.")
    b: Factor = Field(default=1.0, description="Multiplies B, by which a head writes.")
    c: Factor = Field(default=1.0, description="Multiplies C, by which a head reads.")
    dt: Factor = Field(default=1.0, description="Multiplies d, from which the step of time comes.")

    @property
    def convolved(self) -> tuple[float, float, float]:
        """Those of what the convolution runs over: u, B and C."""
        return self.input, self.b, self.c


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
