"""Weights that are wrong are refused by name, and the model stays as it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Builder
from safetensors.torch import save_file
from torch import Tensor

SPEC = """
archspec: 1
name: faults
vocab_size: 16
hidden_size: 8
context_length: 16
norm: {type: rmsnorm}
blocks:
  block:
    mixer: {type: attention, heads: 2, kv_heads: 2, head_dim: 4, rope: {theta: 10_000}}
    feedforward:
      {type: moe, experts: 3, top_k: 1, intermediate_size: 8, activation: silu, renormalize: true}
layers: 1 x block
head: {tied: true}
checkpoint:
  prefix: model.
  tensors:
    layers.{layer}.self_attn.qkv:
      - layers.{layer}.self_attn.q_proj
      - layers.{layer}.self_attn.k_proj
      - layers.{layer}.self_attn.v_proj
    layers.{layer}.mlp.experts.{item}.w1:
      {to: "layers.{layer}.mlp.experts.gate_up_proj", part: first}
    layers.{layer}.mlp.experts.{item}.w3:
      {to: "layers.{layer}.mlp.experts.gate_up_proj", part: second}
    layers.{layer}.mlp.experts.{item}.w2: layers.{layer}.mlp.experts.down_proj
  copies: {encoder.embed_tokens: embed_tokens}
  constants:
    final_bias: zeros
    layers.{layer}.position_ids: positions
    layers.{layer}.mask: causal
    layers.{layer}.low: masked
    layers.{layer}.inv_freq: frequencies
  ignore: [vision]
"""
Weights = dict[str, Any]
HERE = "model.layers.0."


class Model:
    """A package, and tensors as they would be published for it."""

    def __init__(self, builder: Builder):
        self.package = builder.load(SPEC)
        torch.manual_seed(0)
        own = {n: torch.randn_like(t) for n, t in self.package.Model().state_dict().items()}
        self.own = own
        mixer, experts = "layers.0.self_attn.", "layers.0.mlp.experts."
        pieces = {f"{mixer}{p}_proj.weight" for p in "qkv"}
        pieces |= {f"{experts}gate_up_proj", f"{experts}down_proj"}
        self.published: Weights = {f"model.{n}": t for n, t in own.items() if n not in pieces}
        qkv = torch.cat([own[f"{mixer}{p}_proj.weight"] for p in "qkv"])
        self.published[f"{HERE}self_attn.qkv.weight"] = qkv
        for item in range(3):
            both = own[f"{experts}gate_up_proj"][item]
            self.published[f"model.{experts}{item}.w1"] = both[:8].clone()
            self.published[f"model.{experts}{item}.w3"] = both[8:].clone()
            self.published[f"model.{experts}{item}.w2"] = own[f"{experts}down_proj"][item].clone()

    def refusal(self, source: Weights | Path) -> str:
        """What is said of it, once it is seen that no tensor of the model has changed."""
        model = self.package.Model()
        before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        with pytest.raises((TypeError, ValueError), match=r"\w") as caught:
            self.package.load_checkpoint(model, source)
        after = model.state_dict()
        assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
        return str(caught.value)


@pytest.fixture(scope="module")
def model(builder: Builder) -> Model:
    return Model(builder)


def moved(old: str, new: str) -> Callable[[Weights], None]:
    def change(weights: Weights) -> None:
        weights[new] = weights.pop(old)

    return change


def given(**changes: Any) -> Callable[[Weights], None]:
    """Further tensors, or others; a function makes one of the tensor that is there."""

    def change(weights: Weights) -> None:
        for key, value in changes.items():
            name = NAMES.get(key, key)
            weights[name] = value(weights[name]) if callable(value) else value

    return change


EXPERT = f"{HERE}mlp.experts."
NAMES = {
    "embed": "model.embed_tokens.weight",
    "head": "lm_head.weight",
    "again": "model.encoder.embed_tokens.weight",
    "unprefixed": "embed_tokens.weight",
    "norm": "model.norm.weight",
    "qkv": f"{HERE}self_attn.qkv.weight",
    "expert": f"{EXPERT}1.w1",
    "fourth": f"{EXPERT}3.w2",
    "whole": f"{EXPERT}down_proj",
    "zeros": "final_bias",
    "positions": f"{HERE}position_ids",
    "mask": f"{HERE}mask",
    "low": f"{HERE}low",
    "frequencies": f"{HERE}inv_freq",
}
FAULTS: dict[str, tuple[Callable[[Weights], None], str]] = {
    "an item with a leading zero": (
        moved(f"{EXPERT}1.w1", f"{EXPERT}01.w1"),
        f"unknown {EXPERT}01.w1; missing a part of layers.0.mlp.experts.gate_up_proj: "
        "item 1 first half",
    ),
    "an item in other digits": (
        moved(f"{EXPERT}1.w1", f"{EXPERT}\u0661.w1"),
        f"unknown {EXPERT}\u0661.w1",
    ),
    "a layer with a leading zero": (
        moved(f"{HERE}input_layernorm.weight", "model.layers.00.input_layernorm.weight"),
        "unknown model.layers.00.input_layernorm.weight",
    ),
    "one half twice": (
        moved(f"{EXPERT}1.w3", "layers.0.mlp.experts.1.w1"),
        "layers.0.mlp.experts.gate_up_proj is given twice, by "
        f"{EXPERT}1.w1 and layers.0.mlp.experts.1.w1; "
        "missing a part of layers.0.mlp.experts.gate_up_proj: item 1 second half",
    ),
    "an expert of a huge number": (
        moved(f"{EXPERT}1.w1", f"{EXPERT}{'9' * 5000}.w1"),
        "unknown",
    ),
    "an expert too many": (
        given(fourth=torch.zeros(8, 8)),
        f"{EXPERT}3.w2 is beyond the last item of (3, 8, 8)",
    ),
    "pieces and the whole": (
        given(whole=torch.zeros(3, 8, 8)),
        "layers.0.mlp.experts.down_proj is given twice",
    ),
    "with the prefix and without": (
        given(unprefixed=torch.zeros(16, 8)),
        "embed_tokens.weight is given twice, by model.embed_tokens.weight and embed_tokens.weight",
    ),
    "a third of what is joined": (
        given(qkv=lambda t: t[:8]),
        f"{HERE}self_attn.qkv.weight is (8, 8), which does not hold [8, 8, 8]",
    ),
    "a number for a matrix": (
        given(qkv=torch.tensor(1.0)),
        f"{HERE}self_attn.qkv.weight is (), which is not cut along axis 0",
    ),
    "another head": (
        given(head=torch.zeros(16, 8)),
        "lm_head.weight differs from model.embed_tokens.weight",
    ),
    "a head of another shape": (
        given(head=torch.zeros(7, 3)),
        "lm_head.weight is (7, 3), not (16, 8)",
    ),
    "another encoder's embedding": (
        given(again=torch.zeros(16, 8)),
        "model.encoder.embed_tokens.weight differs from model.embed_tokens.weight",
    ),
    "integers": (
        given(embed=lambda t: t.int()),
        "model.embed_tokens.weight is int32, not float16, bfloat16, float32 or float64",
    ),
    "truth values": (given(expert=lambda t: t > 0), f"{EXPERT}1.w1 is bool, not float16"),
    "eight bits without a scale": (
        given(qkv=lambda t: t.to(torch.float8_e4m3fn)),
        f"{HERE}self_attn.qkv.weight is float8_e4m3fn, not float16",
    ),
    "complex numbers": (
        given(norm=lambda t: t + 0j),
        "model.norm.weight is complex64, not float16",
    ),
    "no numbers": (
        given(norm=lambda t: t.to("meta")),
        "model.norm.weight is on the meta device",
    ),
    "a sparse tensor": (
        given(embed=lambda t: t.to_sparse()),
        "model.embed_tokens.weight is sparse_coo, not dense",
    ),
    "no tensor": (given(norm=[1.0]), "'model.norm.weight' is of type list, not a tensor"),
    "a bias of the logits": (
        given(zeros=torch.ones(1, 16)),
        "final_bias does not hold zeros",
    ),
    "other positions": (
        given(positions=torch.tensor([[0, 1, 3]])),
        f"{HERE}position_ids does not hold positions",
    ),
    "a mask that sees the future": (
        given(mask=torch.ones(1, 1, 4, 4)),
        f"{HERE}mask does not hold causal",
    ),
    "a mask that hides nothing": (given(low=torch.tensor(0.0)), f"{HERE}low does not hold masked"),
    "other frequencies": (
        given(frequencies=torch.tensor([1.0, 0.02])),
        f"{HERE}inv_freq does not hold frequencies",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_weights_with(fault: str, model: Model) -> None:
    change, expected = FAULTS[fault]
    weights = dict(model.published)
    change(weights)
    assert expected in model.refusal(weights)


def test_copies_and_constants_that_agree_are_fine(model: Model) -> None:
    """Each in the types that published files have; a head alone is the embedding."""
    weights = dict(model.published)
    embedding = weights["model.embed_tokens.weight"]
    given(
        head=embedding.double(),
        again=embedding.clone(),
        zeros=torch.zeros(1, 16),
        positions=torch.arange(16)[None],
        mask=torch.ones(1, 1, 4, 4, dtype=torch.bool).tril(),
        low=torch.tensor(-1e4, dtype=torch.bfloat16),
        frequencies=torch.tensor([1.0, 0.01], dtype=torch.float16),
    )(weights)
    weights["vision.anything"] = torch.ones(3, dtype=torch.int32)
    alone = {name: t for name, t in weights.items() if name != "model.embed_tokens.weight"}
    del alone["model.encoder.embed_tokens.weight"]
    for source in (weights, alone):
        state = model.package.load_checkpoint(model.package.Model(), source).state_dict()
        assert all(torch.equal(state[name], tensor) for name, tensor in model.own.items())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_floats_are_cast_to_the_model_s_type(dtype: torch.dtype, model: Model) -> None:
    weights = {name: tensor.to(dtype) for name, tensor in model.published.items()}
    state = model.package.load_checkpoint(model.package.Model(), weights).state_dict()
    for name, tensor in model.own.items():
        assert torch.equal(state[name], tensor.to(dtype).float())


class Shards:
    """The published tensors in two files with an index."""

    def __init__(self, model: Model, folder: Path):
        self.model, self.folder = model, folder
        names = sorted(model.published)
        self.place = {name: FIRST if name < HERE else SECOND for name in names}
        for file in (FIRST, SECOND):
            self.write(file, {n: model.published[n] for n in names if self.place[n] == file})
        self.index({"weight_map": self.place})

    def write(self, file: str, tensors: dict[str, Tensor]) -> None:
        whole = {name: tensor.contiguous() for name, tensor in tensors.items()}
        save_file(whole, self.folder / file)

    def index(self, content: Any) -> None:
        text = content if isinstance(content, str) else json.dumps(content)
        (self.folder / "model.safetensors.index.json").write_text(text)


FIRST, SECOND = "model-1.safetensors", "model-2.safetensors"
EMBEDDING = "model.embed_tokens.weight"


def test_shards_and_links_to_them_are_read(model: Model, tmp_path: Path) -> None:
    """Download caches are made of links."""
    shards = Shards(model, tmp_path)
    (tmp_path / SECOND).rename(tmp_path / "blob")
    (tmp_path / SECOND).symlink_to(tmp_path / "blob")
    state = model.package.load_checkpoint(model.package.Model(), shards.folder).state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in model.own.items())


PLACES = [
    "../model-1.safetensors",
    "/etc/passwd",
    "..",
    "",
    "a\\b",
    "c:x",
    "sub/x",
    "a\0b",
    3,
    None,
]


@pytest.mark.parametrize("place", PLACES)
def test_an_index_names_files_beside_it_alone(place: Any, model: Model, tmp_path: Path) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    shards = Shards(model, folder)
    shards.write("../model-1.safetensors", {EMBEDDING: model.published[EMBEDDING]})
    shards.index({"weight_map": {**shards.place, EMBEDDING: place}})
    message = model.refusal(folder)
    assert "index.json" in message
    assert f"{EMBEDDING} is said to be in {place!r}" in message


def lie(size: int) -> Callable[[bytes], bytes]:
    """The file with another length of its header."""
    return lambda raw: size.to_bytes(8, "little") + raw[8:]


BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "cut short": lambda raw: raw[:-7],
    "with more behind": lambda raw: raw + b"more",
    "empty": lambda raw: b"",
    "a header past the end": lie(1 << 40),
    "a header too short": lie(5),
    "no header": lambda raw: b"\x00" * 8,
    "something else": lambda raw: b"<!DOCTYPE html>" * 9,
    "offsets that overlap": lambda raw: raw.replace(b'"data_offsets":[0,', b'"data_offsets":[1,'),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_file_that_is_broken_is_named(how: str, model: Model, tmp_path: Path) -> None:
    shards = Shards(model, tmp_path)
    file = tmp_path / SECOND
    file.write_bytes(BROKEN[how](file.read_bytes()))
    assert f"{file}: not a safetensors file" in model.refusal(shards.folder)
    assert f"{file}: not a safetensors file" in model.refusal(file)


def test_an_index_and_its_files_agree(model: Model, tmp_path: Path) -> None:
    shards = Shards(model, tmp_path)
    shards.index({"weight_map": {**shards.place, EMBEDDING: SECOND}})
    assert f"{EMBEDDING} is not in {SECOND}" in model.refusal(tmp_path)
    shards.index({"weight_map": {**shards.place, "other": "model-3.safetensors"}})
    assert f"{tmp_path / 'model-3.safetensors'}: no such file" in model.refusal(tmp_path)
    shards.index({"weight_map": shards.place})
    shards.write(FIRST, {n: model.published[n] for n in [EMBEDDING, f"{EXPERT}0.w1"]})
    assert f"{EXPERT}0.w1 stands in {FIRST} and in {SECOND}" in model.refusal(tmp_path)


INDEXES = ["", "[]", "{}", '{"weight_map": 3}', '{"weight_map": []}', "[" * 100_000, '"\\ud800']


@pytest.mark.parametrize("text", INDEXES)
def test_what_is_no_index_is_named(text: str, model: Model, tmp_path: Path) -> None:
    Shards(model, tmp_path).index(text)
    message = model.refusal(tmp_path)
    assert "index.json" in message
    assert "not an index" in message


def test_a_folder_without_weights_says_what_it_looked_for(model: Model, tmp_path: Path) -> None:
    message = model.refusal(tmp_path)
    assert f"{tmp_path}: a folder with neither" in message
    assert "no such file" in model.refusal(tmp_path / "nothing.safetensors")


SLOPES = """
archspec: 1
name: slopes
vocab_size: 16
hidden_size: 8
context_length: 16
norm: {type: rmsnorm}
blocks:
  block:
    mixer:
      type: linear_attention
      heads: 2
      key_head_dim: 4
      decay: {type: slopes, factor: 1.5, fall: 0.5}
layers: 2 x block
head: {tied: true}
checkpoint: {constants: {"layers.{layer}.self_attn.slope_rate": slopes}}
"""


def test_slopes_that_are_published_are_those_of_the_layer(builder: Builder) -> None:
    """2^(−8 h / 2) for h = 1 and 2, times 1.5 in the first layer and 1 in the second."""
    package = builder.load(SLOPES)
    name = "layers.1.self_attn.slope_rate"
    model = package.Model()
    right = {**model.state_dict(), name: torch.tensor([[[0.0625]], [[0.00390625]]])}
    package.load_checkpoint(package.Model(), right)
    first = {**model.state_dict(), name.replace("1", "0"): right[name] * 1.5}
    package.load_checkpoint(package.Model(), first)
    with pytest.raises(ValueError, match=f"{name} does not hold slopes"):
        package.load_checkpoint(package.Model(), {**right, name: right[name] * 1.5})
