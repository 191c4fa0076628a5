"""How published tensors become the parameters of the built model."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from archspec.spec.base import OneOrMany, Strict, TensorName, reject

Axis = Annotated[int, Field(ge=-1, le=1 << 40)]


def _listed(value: Any) -> Any:
    if not isinstance(value, (list, tuple)):
        reject((), "expected the shape that is stored, such as [1, -1]")
    return value  # pyright: ignore[reportUnknownVariableType]


Shape = Annotated[
    tuple[Axis, ...],
    Field(strict=False, max_length=6),
    BeforeValidator(_listed, json_schema_input_type=list[Axis]),
]


class TensorRule(Strict):
    """Where one published tensor goes, in the order reshape → transpose → interleaved → split."""

    to: Annotated[tuple[TensorName, ...], OneOrMany] = Field(
        min_length=1,
        description="Our name, or several names that share the tensor along `axis`.",
    )
    reshape: Shape | None = Field(
        default=None,
        description="The same numbers are stored in another shape: this one, with -1 for the axis "
        "that is as long as it has to be.",
    )
    transpose: bool = Field(
        default=False, description="The last two axes of a matrix are stored swapped."
    )
    interleaved: bool = Field(
        default=False,
        description="Rows of the two halves alternate along `axis` (gate, up, gate, up, …).",
    )
    groups: int = Field(
        default=1,
        ge=1,
        le=1 << 20,
        description="Along `axis` stand so many groups, each with a part for every one of ours: "
        "the queries, the key and the value of a key-value head, then those of the next.",
    )
    part: Literal["first", "second"] | None = Field(
        default=None, description="It is one half of ours along `axis`, another tensor the other."
    )
    axis: int = Field(
        default=0, ge=0, le=2, description="The axis of `interleaved`, `part` and of a split."
    )
    alias: bool = Field(
        default=False, description="It is another name for ours, which is read and never written."
    )

    @model_validator(mode="after")
    def _check(self) -> TensorRule:
        if self.groups > 1 and len(self.to) == 1:
            reject("groups", "groups are for a tensor that several of ours share")
        if self.part and len(self.to) > 1:
            reject("part", "half of a tensor is half of one of ours")
        shape = (1,) if self.reshape is None else self.reshape
        if not shape or 0 in shape or shape.count(-1) > 1:
            reject("reshape", "the axes of a shape have lengths, of which one may be -1")
        return self


def _short_rule(value: Any) -> Any:
    return {"to": value} if isinstance(value, (str, list)) else value  # pyright: ignore[reportUnknownVariableType]


Rule = Annotated[
    TensorRule,
    BeforeValidator(_short_rule, json_schema_input_type=str | list[str] | TensorRule),
]


Constant = Literal["causal", "frequencies", "masked", "positions", "slopes", "zeros"]


class Checkpoint(Strict):
    """A published checkpoint's layout, where its names differ from ours.

    Keys of `tensors` are published names or prefixes of them that end at a dot; `{layer}`
    stands for a layer's index on both sides. `{item}` on the published side alone is an index
    along the first axis of ours: experts that are stored one by one. What no rule matches keeps
    its name. A published tensor is read by the first rule that matches it, and ours are written by
    the first rule that leads to them.
    """

    prefix: TensorName | None = Field(
        default=None,
        description="Stands before published names, but for those of the head, whether it is "
        "published with them or not.",
    )
    tensors: dict[TensorName, Rule] = Field(
        default_factory=dict[str, TensorRule], description="Published name → our name."
    )
    ignore: Annotated[tuple[TensorName, ...], OneOrMany] = Field(
        default=(),
        description="Published tensors that the model does not use, whatever they hold.",
    )

    copies: dict[TensorName, TensorName] = Field(
        default_factory=dict[str, str],
        description="What is published once more: published name → our tensor, which it must "
        "equal. A tied head's `lm_head.weight` is one by itself.",
    )
    constants: dict[TensorName, Constant] = Field(
        default_factory=dict[str, Constant],
        description="What is published although the model works it out: published name → what it "
        "must hold: `zeros`; `positions` 0, 1, 2, …; a `causal` mask of ones and zeros; numbers "
        "so low that what they are added to is `masked`; the `frequencies` of the one "
        "`rope`; the `slopes` by which the heads of a layer forget.",
    )

    @model_validator(mode="after")
    def _layers_on_both_sides(self) -> Checkpoint:
        for source, rule in self.tensors.items():
            if source.count("{item}") > (len(rule.to) == 1):
                reject(
                    ("tensors", source),
                    "`{item}` stands once, in the name of an item of one of ours",
                )
            for target in rule.to:
                _check_placeholders(("tensors", source), source.replace("{item}", ""), target)
        for source, target in self.copies.items():
            _check_placeholders(("copies", source), source, target)
        return self


def _check_placeholders(here: tuple[str, str], source: str, target: str) -> None:
    """`{layer}` is the only placeholder of both names, in each of them or in neither."""
    leftover = (source + target).replace("{layer}", "")
    if "{" in leftover or "}" in leftover:
        reject(here, "the placeholders are `{layer}` and, in a key of `tensors`, `{item}`")
    if (source.count("{layer}"), target.count("{layer}")) not in ((0, 0), (1, 1)):
        message = "`{layer}` stands once on both sides, or on neither"
        reject(here, message, "a rule reads like `h.{layer}.attn.: layers.{layer}.x.`")
