"""Latent attention's whole texts in kernels: a layer is its formulas, a model is itself."""

from __future__ import annotations

import pytest
import torch
from conftest import ROOT, Builder
from kernels.latent import MIXED
from measure import agrees, drawn
from torch import Tensor
from twice import Twice

EXAMPLE = (ROOT / "archspec/mechanisms/mixers/mla/example.yaml").read_text(encoding="utf-8")
EVERY_FIELD = EXAMPLE.replace("2 x (low_rank, plain_query)", "low_rank, plain_query").replace(
    "2 x sparse_again", "sparse_again"
)
assert EVERY_FIELD.count("2 x") == 0
CHOOSING = EVERY_FIELD.replace("low_rank, plain_query, no_positions, sparse", "sparse")
assert "layers: sparse, sparse_again" in CHOOSING
TEXTS = {"every-field": EVERY_FIELD, "mixed": MIXED, "choosing": CHOOSING}
WHOLE = ["every-field", "mixed"]
TOKENS, CHOSEN = 13, 11  # a token of the example's last layers sees so many
IDS = torch.arange(2 * TOKENS).view(2, TOKENS)
LEFT = torch.ones(2, TOKENS, dtype=torch.long)
LEFT[0, :5] = 0
BOTH = LEFT.clone()
BOTH[1, 10:] = 0

LAYER = """
archspec: 1
name: layer
vocab_size: 16
hidden_size: 40
context_length: 64
blocks:
  only:
    mixer:
      type: mla
      heads: {heads}
      kv_rank: 24
      nope_dim: {nope}
      rope_dim: {rope}
      value_head_dim: {value}
layers: only
head: {{tied: true}}
"""


@pytest.mark.parametrize(
    ("heads", "nope", "rope", "value"),
    [(1, 128, 64, 128), (3, 8, 4, 20), (2, 24, 0, 12)],
    ids=["192-128", "wide-values", "no-shared-key"],
)
@pytest.mark.parametrize("padded", [False, True], ids=["whole", "padded"])
def test_a_layer_is_its_formulas(
    heads: int,
    nope: int,
    rope: int,
    value: int,
    padded: bool,
    builder: Builder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Section 2.1 of arXiv 2405.04434, with a shared key that does not rotate."""
    text = LAYER.format(heads=heads, nope=nope, rope=rope, value=value)
    model = Twice(text, builder, monkeypatch)
    module = next(m for m in model.model.modules() if hasattr(m, "kv_b_proj"))
    names = [name for name, _ in module.named_parameters()]
    weights = [
        drawn(*weight.shape, seed=number, scale=weight.shape[1] ** -0.5)
        for number, weight in enumerate(module.parameters())
    ]
    tokens = 37
    real = torch.ones(2, tokens, dtype=torch.bool)
    if padded:
        real[0, 28:], real[1, 30:] = False, False
    hidden = torch.ones(tokens, tokens).triu(1).bool() | ~real[:, None]
    hidden = (hidden & ~torch.eye(tokens).bool())[:, None]

    def built(x: Tensor, *given: Tensor) -> Tensor:
        own = dict(zip(names, given, strict=True))
        step = model.module("step").make_step(0, tokens, real if padded else None, x)
        return torch.func.functional_call(module, own, (x, step, None)) * real[..., None]

    def formulas(x: Tensor, *given: Tensor) -> Tensor:
        own = dict(zip(names, given, strict=True))
        q = (x @ own["q_proj.weight"].T).unflatten(2, (heads, nope + rope)).transpose(1, 2)
        c, r = (x @ own["kv_a_proj_with_mqa.weight"].T).split((24, rope), dim=-1)
        kv = (c @ own["kv_b_proj.weight"].T).unflatten(2, (heads, nope + value)).transpose(1, 2)
        scores = q[..., :nope] @ kv[..., :nope].mT + q[..., nope:] @ r[:, None].mT
        shares = (scores * (nope + rope) ** -0.5).masked_fill(hidden, float("-inf")).softmax(-1)
        out = (shares @ kv[..., nope:]).transpose(1, 2).flatten(2)
        return (out @ own["o_proj.weight"].T) * real[..., None]

    launched = model.launched()
    agrees(built, formulas, drawn(2, tokens, 40, seed=7), *weights)
    assert "causal_forward" in launched and "causal_backward_keys" in launched


@pytest.fixture
def model(
    request: pytest.FixtureRequest, builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> Twice:
    return Twice(TEXTS[request.param], builder, monkeypatch)


@pytest.mark.parametrize("tokens", [1, CHOSEN, TOKENS])
@pytest.mark.parametrize("model", WHOLE, indirect=True)
def test_a_model_agrees_with_itself_without_kernels(model: Twice, tokens: int) -> None:
    model.agrees(lambda: model.learned(IDS[:, :tokens]))


@pytest.mark.parametrize("mask", [LEFT, BOTH], ids=["left", "both"])
@pytest.mark.parametrize("model", WHOLE, indirect=True)
def test_padding_on_either_side(model: Twice, mask: Tensor) -> None:
    model.agrees(lambda: model.learned(IDS, mask))


@pytest.mark.parametrize("mask", [None, LEFT, BOTH], ids=["whole", "left", "both"])
@pytest.mark.parametrize("model", WHOLE, indirect=True)
def test_a_text_goes_on(model: Twice, mask: Tensor | None) -> None:
    """Kernels read what a cache begins with, and the latents in it serve the tokens after."""
    model.agrees(lambda: model.goes_on(IDS, mask, [1, 4, 1]))


@pytest.mark.parametrize("given", ["labels", "attention_mask"])
@pytest.mark.parametrize("model", ["mixed"], indirect=True)
def test_kernels_leave_the_graph_whole(model: Twice, given: str) -> None:
    ids = IDS[:, :9]
    model.stays_whole(input_ids=ids, **{given: {"labels": ids}.get(given, LEFT[:, :9])})


@torch.no_grad()
@pytest.mark.parametrize("model", ["choosing"], indirect=True)
def test_a_choice_is_not_made_in_kernels(model: Twice) -> None:
    """A text so short that all of it is seen has none; of a longer one the first tokens see all."""
    launched = model.launched()
    model.model(IDS[:, :CHOSEN])
    assert launched == ["causal_forward"] * 2
    model.model(IDS[:, : CHOSEN + 1])
    assert launched == ["causal_forward"] * 4
