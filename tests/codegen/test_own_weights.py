"""What a model's `state_dict` gives comes back through `load_checkpoint`, bit for bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from conftest import Builder, Case
from safetensors.torch import save_file, save_model
from torch import Tensor, nn

SQUARE = """
archspec: 1
name: square
vocab_size: 16
hidden_size: 8
context_length: 16
norm: {type: rmsnorm}
blocks:
  block:
    mixer: {type: attention, heads: 2, kv_heads: 2, head_dim: 4}
layers: 1 x block
head: {tied: true}
checkpoint:
  tensors:
    layers.{layer}.self_attn.o_proj: {to: "layers.{layer}.self_attn.o_proj", transpose: true}
"""


def drawn(model: nn.Module) -> dict[str, Tensor]:
    """Numbers of its own for every tensor, each in the tensor's type."""
    torch.manual_seed(1)
    return {name: torch.randn_like(tensor) for name, tensor in model.state_dict().items()}


def test_a_saved_state_dict_is_loaded_as_it_was(case: Case, tmp_path: Path) -> None:
    package = case.package
    model = package.Model()
    saved = drawn(model)
    save_file(saved, tmp_path / "own.safetensors", metadata={"format": "pt"})
    model.load_state_dict(saved)
    save_model(model, str(tmp_path / "model.safetensors"))
    with torch.device("meta"):
        born = package.Model()
    for source, target in [
        (saved, package.Model()),
        (tmp_path / "own.safetensors", package.Model()),
        (tmp_path, born),
    ]:
        state = package.load_checkpoint(target, source).state_dict()
        assert all(torch.equal(state[name], tensor) for name, tensor in saved.items())


def test_what_fits_both_ways_is_not_guessed(builder: Builder) -> None:
    """A square matrix that is published transposed under our own name."""
    package = builder.load(SQUARE)
    saved, name = drawn(package.Model()), "layers.0.self_attn.o_proj.weight"
    model = package.Model()
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    with pytest.raises(ValueError, match=f"fits twice: {name}"):
        package.load_checkpoint(model, saved)
    assert all(torch.equal(model.state_dict()[key], tensor) for key, tensor in before.items())
    own = package.load_checkpoint(package.Model(), saved, own_names=True)
    published = package.load_checkpoint(package.Model(), saved, own_names=False)
    assert torch.equal(own.state_dict()[name], saved[name])
    assert torch.equal(published.state_dict()[name], saved[name].mT)
