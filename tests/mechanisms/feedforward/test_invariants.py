"""What cannot be is an error that says why, with the caret on the field."""

from __future__ import annotations

import pytest
from specs import feedforward, moe, spec

import archspec

WRONG = [
    ("top_k: 9", "top_k", "cannot choose 9 of 8 experts"),
    ("router: {groups: {count: 3, keep: 2, by: max}}", "count", "3 groups do not divide 8"),
    ("router: {groups: {count: 4, keep: 5, by: max}}", "keep", "cannot keep 5 of 4 groups"),
    ("router: {groups: {count: 8, keep: 4, by: top2}}", "by", "groups of one expert"),
    (
        "router: {groups: {count: 4, keep: 1, by: max}}",
        "top_k",
        "cannot choose 3 experts from 1 group of 2",
    ),
    ("router: {jitter: 0.1}", "jitter", "`softmax` scores have no jitter"),
    ("router: {score: sparsemixer}", "score", "`sparsemixer` needs `jitter`"),
    (
        "router: {score: sparsemixer, jitter: 0.1, correction_bias: true}",
        "correction_bias",
        "chooses one by one",
    ),
    ("renormalize: true, router: {score: sparsemixer, jitter: 0.1}", "renormalize", "add up"),
    ("renormalize_epsilon: 0.1", "renormalize_epsilon", "nothing is divided"),
    ("renormalize_floor: 0.1", "renormalize_floor", "nothing is divided"),
    (
        "renormalize: true, renormalize_floor: 0.1, renormalize_epsilon: 0.1",
        "renormalize_floor",
        "needs no floor",
    ),
    ("gated: false, up_offset: 1.0", "up_offset", "without a gate"),
    ("scale: 0", "scale", "expected more than 0"),
    ("router_weight_on: both", "router_weight_on", "one of output, input"),
    ("shared: {intermediate_size: 4, gates: true}", "gates", "gate"),
    ("router: {score: sigmod}", "score", "sigmoid"),
]


@pytest.mark.parametrize(("options", "field", "words"), WRONG)
def test_is_rejected(options: str, field: str, words: str) -> None:
    text = moe(options)
    if "top_k: 9" in options:
        text = text.replace("top_k: 3, ", "")
    with pytest.raises(archspec.SpecError) as caught:
        archspec.loads(text)
    assert words in str(caught.value)
    assert caught.value.diagnostics[0].path.endswith(field)


def test_dense_without_a_gate_has_no_up_offset() -> None:
    text = spec("type: dense, intermediate_size: 4, activation: silu, gated: false, up_offset: 1.0")
    with pytest.raises(archspec.SpecError, match="no product"):
        archspec.loads(text)


def test_captions_name_groups_and_the_shared_expert() -> None:
    options = (
        "router: {groups: {count: 4, keep: 2, by: max}}, shared: {intermediate_size: 5, gate: true}"
    )
    assert feedforward(moe(options)).caption(8) == (
        "3 of 8 experts for each token from the best 2 of 4 groups, each 8 → 6 → 8. "
        "A gated shared expert for every token, 8 → 5 → 8."
    )
