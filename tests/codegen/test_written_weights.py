"""Weights are written whole or not at all, in files that the `safetensors` library reads."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from conftest import Builder
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

SPEC = """
archspec: 1
name: written
vocab_size: 32
hidden_size: 16
context_length: 16
norm: {type: rmsnorm}
blocks:
  block:
    mixer: {type: attention, heads: 4, kv_heads: 2, head_dim: 4, qkv_bias: true}
    feedforward:
      {type: moe, experts: 3, top_k: 1, intermediate_size: 6, activation: silu, renormalize: true,
       router: {correction_bias: true}}
layers: 2 x block
head: {tied: false}
checkpoint:
  prefix: model.
  tensors:
    layers.{layer}.qkv:
      to: ["layers.{layer}.self_attn.q_proj", "layers.{layer}.self_attn.k_proj",
           "layers.{layer}.self_attn.v_proj"]
      groups: 2
    layers.{layer}.experts.gate_up:
      {to: "layers.{layer}.mlp.experts.gate_up_proj", transpose: true, interleaved: true, axis: 1}
    layers.{layer}.experts.{item}.down: layers.{layer}.mlp.experts.down_proj
    layers.{layer}.other.{item}.down:
      {to: "layers.{layer}.mlp.experts.down_proj", alias: true}
    layers.{layer}.correction: {to: "layers.{layer}.mlp.router_correction", reshape: [1, -1]}
"""
INDEX = "model.safetensors.index.json"


@pytest.fixture(scope="module")
def package(builder: Builder) -> ModuleType:
    return builder.load(SPEC)


@pytest.fixture
def model(package: ModuleType) -> nn.Module:
    torch.manual_seed(0)
    made = package.Model()
    with torch.no_grad():
        for tensor in made.state_dict().values():
            tensor.normal_()
    return made


def listing(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def published(own: dict[str, Tensor]) -> dict[str, Tensor]:
    """What the rules of the spec mean, written out by hand."""
    out = {f"model.{n}": t for n, t in own.items() if "_proj" not in n and "correction" not in n}
    out["lm_head.weight"] = out.pop("model.lm_head.weight")
    for layer in range(2):
        here, there = f"layers.{layer}.", f"model.layers.{layer}."
        out[f"{there}self_attn.o_proj.weight"] = own[f"{here}self_attn.o_proj.weight"]
        for kind in ("weight", "bias"):
            q, k, v = (own[f"{here}self_attn.{name}_proj.{kind}"] for name in "qkv")
            rows = [q[0:8], k[0:4], v[0:4], q[8:16], k[4:8], v[4:8]]
            out[f"{there}qkv.{kind}"] = torch.cat(rows)
        both = own[f"{here}mlp.experts.gate_up_proj"].mT  # (3, 16, 12): six gates, then six ups
        mixed = torch.empty_like(both, memory_format=torch.contiguous_format)
        mixed[:, :, 0::2], mixed[:, :, 1::2] = both[:, :, :6], both[:, :, 6:]
        out[f"{there}experts.gate_up"] = mixed
        for item in range(3):
            out[f"{there}experts.{item}.down"] = own[f"{here}mlp.experts.down_proj"][item]
        out[f"{there}correction"] = own[f"{here}mlp.router_correction"][None]
    return out


def test_rules_are_undone(package: ModuleType, model: nn.Module, tmp_path: Path) -> None:
    package.save_checkpoint(model, tmp_path)
    found, expected = load_file(tmp_path / "model.safetensors"), published(model.state_dict())
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


def test_a_file_is_what_the_library_writes(
    package: ModuleType, model: nn.Module, tmp_path: Path
) -> None:
    """To the byte: header, order, types and metadata."""
    model.to(torch.bfloat16)  # the router's correction stays in float32
    package.save_checkpoint(model, tmp_path)
    tensors = {name: t.contiguous() for name, t in published(model.state_dict()).items()}
    assert {t.dtype for t in tensors.values()} == {torch.bfloat16, torch.float32}
    save_file(tensors, tmp_path / "theirs", metadata={"format": "pt"})
    assert listing(tmp_path)["model.safetensors"] == listing(tmp_path)["theirs"]


def test_shards_hold_what_fits_and_the_index_says_where(
    package: ModuleType, model: nn.Module, tmp_path: Path
) -> None:
    package.save_checkpoint(model, tmp_path, max_shard_size=3000)
    index = json.loads((tmp_path / INDEX).read_text())
    place = index["weight_map"]
    count = len({*place.values()})
    assert count > 2
    assert {*place.values()} == {
        f"model-{i:05d}-of-{count:05d}.safetensors" for i in range(1, count + 1)
    }
    assert {*place.values(), INDEX} == {*listing(tmp_path)}
    sizes = []
    for file in {*place.values()}:
        with safe_open(tmp_path / file, "pt") as opened:
            assert {*opened.keys()} == {name for name, where in place.items() if where == file}
        tensors = load_file(tmp_path / file)
        sizes.append(sum(tensor.nbytes for tensor in tensors.values()))
        assert sizes[-1] <= 3000 or len(tensors) == 1
    assert sum(sizes) == index["metadata"]["total_size"]
    again = package.load_checkpoint(package.Model(), tmp_path).state_dict()
    assert all(torch.equal(again[name], tensor) for name, tensor in model.state_dict().items())


def test_weights_are_not_written_over_unasked(
    package: ModuleType, model: nn.Module, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text("{}")
    for size in (3000, 10**9):
        package.save_checkpoint(model, tmp_path, max_shard_size=size, overwrite=True)
        before = listing(tmp_path)
        with pytest.raises(FileExistsError, match="overwrite=True"):
            package.save_checkpoint(package.Model(), tmp_path)
        assert listing(tmp_path) == before
    assert {*before} == {"config.json", "model.safetensors"}  # the shards of the first are gone
    package.save_checkpoint(model, tmp_path, max_shard_size=3000, overwrite=True)
    assert "model.safetensors" not in listing(tmp_path)


def test_a_write_that_fails_leaves_the_folder_as_it_was(
    package: ModuleType, model: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package.save_checkpoint(model, tmp_path, max_shard_size=3000)
    before = listing(tmp_path)
    shards = sys.modules[f"{package.__name__}.shards"]
    written: list[Path] = []
    first = shards.write_file

    def full(path: Path, *given: Any) -> None:
        written.append(path)
        if len(written) == 3:
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")
        first(path, *given)

    monkeypatch.setattr(shards, "write_file", full)
    with pytest.raises(OSError, match="No space left"):
        package.save_checkpoint(package.Model(), tmp_path, max_shard_size=2000, overwrite=True)
    assert listing(tmp_path) == before


REFUSED: dict[str, tuple[Callable[[nn.Module], Any], str]] = {
    "no numbers yet": (lambda model: model.to("meta"), "embed_tokens.weight is on the meta device"),
    "eight bits": (
        lambda model: model.lm_head.register_buffer("packed", torch.zeros(4, dtype=torch.int8)),
        "lm_head.packed is int8, not float16",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_weight_is_refused(
    what: str, package: ModuleType, model: nn.Module, tmp_path: Path
) -> None:
    change, said = REFUSED[what]
    change(model)
    with pytest.raises(ValueError, match=said):
        package.save_checkpoint(model, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_names_are_those_that_were_read(
    package: ModuleType, model: nn.Module, tmp_path: Path
) -> None:
    """Also other ones for the same; not once there are more experts than they name."""
    weights = published(model.state_dict())
    bare = {
        n.removeprefix("model.").replace("experts.1.", "other.1."): t for n, t in weights.items()
    }
    loaded = package.load_checkpoint(package.Model(), bare)
    package.save_checkpoint(loaded, tmp_path / "bare")
    assert load_file(tmp_path / "bare/model.safetensors").keys() == bare.keys()
    experts = loaded.layers[0].mlp.experts
    experts.down_proj = nn.Parameter(torch.cat((experts.down_proj, experts.down_proj)))
    package.save_checkpoint(loaded, tmp_path / "more")
    more = {f"model.layers.0.experts.{item}.down" for item in (3, 4, 5)}
    assert load_file(tmp_path / "more/model.safetensors").keys() == weights.keys() | more


def test_own_weights_do_not_say_how_files_name_them(
    package: ModuleType, model: nn.Module, tmp_path: Path
) -> None:
    """Training that goes on from a state dict ends in published names."""
    again = package.load_checkpoint(package.Model(), model.state_dict())
    package.save_checkpoint(again, tmp_path)
    assert load_file(tmp_path / "model.safetensors").keys() == published(model.state_dict()).keys()


def test_torch_alone_is_enough(
    package: ModuleType, model: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    package.save_checkpoint(model, tmp_path)
    assert load_file(tmp_path / "model.safetensors").keys() == published(model.state_dict()).keys()
