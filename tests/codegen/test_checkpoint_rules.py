"""Rules that place published tensors: known numbers in, known numbers out."""

from __future__ import annotations

import pytest
import torch
from conftest import Builder
from torch import Tensor

import archspec

SPEC = """
archspec: 1
name: rules
vocab_size: 16
hidden_size: 8
context_length: 16
norm: {type: rmsnorm}
blocks:
  block:
    mixer: {type: attention, heads: 4, kv_heads: 2, head_dim: 2, qkv_bias: true}
    feedforward:
      {type: moe, experts: 3, top_k: 1, intermediate_size: 5, activation: silu, renormalize: true}
layers: 2 x block
head: {tied: true}
"""
FUSED = """
checkpoint:
  tensors:
    layers.{layer}.qkv:
      to: ["layers.{layer}.self_attn.q_proj", "layers.{layer}.self_attn.k_proj",
           "layers.{layer}.self_attn.v_proj"]
      groups: 2
"""
APART = """
checkpoint:
  tensors:
    layers.{layer}.e.{item}.w1: {to: "layers.{layer}.mlp.experts.gate_up_proj", part: first}
    layers.{layer}.e.{item}.w3: {to: "layers.{layer}.mlp.experts.gate_up_proj", part: second}
    layers.{layer}.e.{item}.w2: layers.{layer}.mlp.experts.down_proj
"""
TRANSPOSED = """
checkpoint:
  tensors:
    layers.{layer}.w2: {to: "layers.{layer}.mlp.experts.down_proj", transpose: true}
"""
FLAT = """
checkpoint:
  tensors:
    layers.{layer}.w1:
      {to: "layers.{layer}.mlp.experts.gate_up_proj", reshape: true, part: first, axis: 1}
    layers.{layer}.v1:
      {to: "layers.{layer}.mlp.experts.gate_up_proj", reshape: true, part: second, axis: 1}
    layers.{layer}.w2:
      {to: "layers.{layer}.mlp.experts.down_proj", reshape: true, transpose: true}
"""


class Loaded:
    """A package, its own tensors, and a way to load others in their place."""

    def __init__(self, rules: str, builder: Builder):
        self.package = builder.load(SPEC + rules)
        torch.manual_seed(0)
        state = self.package.Model().state_dict()
        self.whole = {name: torch.randn_like(tensor) for name, tensor in state.items()}

    def load(self, published: dict[str, Tensor]) -> None:
        with torch.device("meta"):
            born = self.package.Model()
        for model in (self.package.Model(), born):
            self.package.load_checkpoint(model, published)
            for name, tensor in self.whole.items():
                assert torch.equal(model.state_dict()[name], tensor), name
                assert model.state_dict()[name].is_contiguous(), name


def fused(loaded: Loaded) -> dict[str, Tensor]:
    """Rows in the order q0 q1 k0 v0, q2 q3 k1 v1, two to a head."""
    out = {n: t for n, t in loaded.whole.items() if "_proj" not in n or "self_attn" not in n}
    for layer in range(2):
        here = f"layers.{layer}.self_attn."
        out[f"{here}o_proj.weight"] = loaded.whole[f"{here}o_proj.weight"]
        for kind in ("weight", "bias"):
            q, k, v = (loaded.whole[f"{here}{name}_proj.{kind}"] for name in "qkv")
            rows = [q[0:4], k[0:2], v[0:2], q[4:8], k[2:4], v[2:4]]
            out[f"layers.{layer}.qkv.{kind}"] = torch.cat(rows)
    return out


def apart(loaded: Loaded) -> dict[str, Tensor]:
    out = {name: tensor for name, tensor in loaded.whole.items() if "experts" not in name}
    for layer in range(2):
        here = f"layers.{layer}.mlp.experts."
        both, down = loaded.whole[f"{here}gate_up_proj"], loaded.whole[f"{here}down_proj"]
        for item in range(3):
            out[f"layers.{layer}.e.{item}.w1"] = both[item, :5]
            out[f"layers.{layer}.e.{item}.w3"] = both[item, 5:]
            out[f"layers.{layer}.e.{item}.w2"] = down[item]
    return out


def test_groups_hold_queries_key_and_value_of_a_head(builder: Builder) -> None:
    loaded = Loaded(FUSED, builder)
    loaded.load(fused(loaded))


def test_experts_stored_one_by_one(builder: Builder) -> None:
    loaded = Loaded(APART, builder)
    loaded.load(apart(loaded))


def test_experts_stored_one_below_the_other(builder: Builder) -> None:
    loaded = Loaded(FLAT, builder)
    out = {name: tensor for name, tensor in loaded.whole.items() if "experts" not in name}
    for layer in range(2):
        here = f"layers.{layer}.mlp.experts."
        both, down = loaded.whole[f"{here}gate_up_proj"], loaded.whole[f"{here}down_proj"]
        out[f"layers.{layer}.w1"] = both[:, :5].reshape(15, 8)
        out[f"layers.{layer}.v1"] = both[:, 5:].reshape(15, 8)
        out[f"layers.{layer}.w2"] = down.mT.reshape(15, 8)
    loaded.load(out)


def test_what_is_published_transposed_lies_in_order(builder: Builder) -> None:
    """Kernels read a weight as it lies in memory."""
    loaded = Loaded(TRANSPOSED, builder)
    published = dict(loaded.whole)
    for layer in range(2):
        tensor = published.pop(f"layers.{layer}.mlp.experts.down_proj")
        published[f"layers.{layer}.w2"] = tensor.mT.contiguous()
    loaded.load(published)


def refusal(loaded: Loaded, published: dict[str, Tensor]) -> str:
    with pytest.raises(ValueError, match="does not fit") as caught:
        loaded.package.load_checkpoint(loaded.package.Model(), published)
    return str(caught.value)


def test_a_missing_expert_is_noticed(builder: Builder) -> None:
    loaded = Loaded(APART, builder)
    published = apart(loaded)
    del published["layers.1.e.2.w3"]
    message = refusal(loaded, published)
    assert "missing a part of layers.1.mlp.experts.gate_up_proj" in message


def test_an_expert_too_many_is_noticed(builder: Builder) -> None:
    loaded = Loaded(APART, builder)
    published = apart(loaded)
    published["layers.0.e.3.w2"] = published["layers.0.e.2.w2"]
    assert "layers.0.e.3.w2 is beyond the last item of (3, 8, 5)" in refusal(loaded, published)


def test_stacked_and_apart_at_once_is_noticed(builder: Builder) -> None:
    loaded = Loaded(APART, builder)
    name = "layers.0.mlp.experts.down_proj"
    message = refusal(loaded, {**apart(loaded), name: loaded.whole[name]})
    assert f"{name} is given twice" in message


def test_groups_that_do_not_come_out_even_are_noticed(builder: Builder) -> None:
    loaded = Loaded(FUSED.replace("groups: 2", "groups: 3"), builder)
    message = refusal(loaded, fused(loaded))
    assert "layers.0.qkv.weight is (16, 8), not 3 groups that hold [8, 4, 4]" in message


RULES = {
    "two placeholders": ("a.{item}.{item}: lm_head.weight", "`{item}` stands once"),
    "an item of two": ("a.{item}: [lm_head.weight, norm.weight]", "`{item}` stands once"),
    "an item on our side": ("a.{item}: norm.{item}", "the placeholders are"),
    "groups of one": ("a: {to: norm.weight, groups: 2}", "several of ours share"),
    "half of two": ("a: {to: [norm.weight, lm_head.weight], part: first}", "half of one of ours"),
}


@pytest.mark.parametrize("case", RULES)
def test_a_rule_that_cannot_be_is_refused(case: str) -> None:
    rule, expected = RULES[case]
    with pytest.raises(archspec.SpecError) as caught:
        archspec.loads(f"{SPEC}\ncheckpoint:\n  tensors:\n    {rule}\n")
    assert expected in str(caught.value)
