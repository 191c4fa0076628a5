"""Fresh weights: none is left untouched, and each is drawn as the spec says."""

from __future__ import annotations

import math

import pytest
import torch
from conftest import SPECS, Builder, Case, small_text
from torch import Tensor, nn

import archspec
from archspec.importers import import_config

SPEC = """
archspec: 1
name: drawn
vocab_size: 300
hidden_size: 64
context_length: 32
blocks:
  block:
    mixer: {type: attention, heads: 4, kv_heads: 2, head_dim: 16, qkv_bias: true}
    feedforward:
      {type: moe, experts: 4, top_k: 2, intermediate_size: 48, activation: silu, renormalize: true}
layers: 4 x block
head: {tied: false}
initialization: """


def test_nothing_is_left_as_memory_was(case: Case) -> None:
    """Buffers included, kept with the weights or not: made without memory, then given some."""
    with torch.device("meta"):
        model = case.package.Model()
    model.to_empty(device="cpu")
    tensors = dict(model.named_parameters()) | dict(model.named_buffers())
    for tensor in tensors.values():
        tensor.data.fill_(math.nan if tensor.is_floating_point() else -(1 << 30))
    model.initialise()
    for name, tensor in tensors.items():
        left = tensor.isnan() if tensor.is_floating_point() else tensor == -(1 << 30)
        assert not left.any(), name


def test_every_branch_ends_in_a_matrix_that_can_be_scaled() -> None:
    """By its name: what `output` is said of, in every mechanism there is."""
    for path in SPECS:
        architecture = archspec.loads(small_text(path))
        for block in architecture.blocks:
            for branch in block.branches:
                graph = branch.body.graph(architecture.hidden_size)
                names = [f".{p.name}".removesuffix(".weight") for p in graph.parameters()]
                ends = tuple(f".{name}" for name in branch.body.outputs())
                assert any(name.endswith(ends) for name in names), (path, branch.name)


def drawn(scheme: str, builder: Builder) -> dict[str, Tensor]:
    torch.manual_seed(0)
    model: nn.Module = builder.load(SPEC + scheme).Model()
    return {name: p.detach() for name, p in model.named_parameters() if p.ndim > 1}


def assert_drawn(tensor: Tensor, std: float, name: str) -> None:
    """Within five deviations of what so many numbers can say of one, and around zero."""
    count = tensor.numel()
    assert tensor.std().item() == pytest.approx(std, rel=5 / math.sqrt(2 * count)), name
    assert abs(tensor.mean().item()) <= 5 * std / math.sqrt(count), name


def is_output(name: str) -> bool:
    return name.removesuffix(".weight").endswith(("o_proj", "down_proj"))


SCHEMES: dict[str, tuple[str, dict[str, float]]] = {
    "one": ("{std: 0.05}", {"embed": 0.05, "head": 0.05, "output": 0.05, "rest": 0.05}),
    "gpt2": (
        "{output: scaled}",
        {"embed": 0.02, "head": 0.02, "output": 0.02 / math.sqrt(8), "rest": 0.02},
    ),
    "own": (
        "{embedding_std: 1, head_std: 0.001, output: zeros}",
        {"embed": 1.0, "head": 0.001, "output": 0.0, "rest": 0.02},
    ),
}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_matrices_have_the_deviation_of_their_kind(scheme: str, builder: Builder) -> None:
    text, expected = SCHEMES[scheme]
    for name, tensor in drawn(text, builder).items():
        kind = "embed" if "embed" in name else "head" if "lm_head" in name else "rest"
        assert_drawn(tensor, expected["output" if is_output(name) else kind], name)


def test_fan_in_is_the_width_that_a_matrix_reads(builder: Builder) -> None:
    """An expert's width and not how many experts there are; scaled by depth as well."""
    scheme = "{std: 1, fan_in: true, embedding_std: 0.3, output: scaled}"
    for name, tensor in drawn(scheme, builder).items():
        width = 48 if "experts.down_proj" in name else 64
        std = 1 / math.sqrt(width) / (math.sqrt(8) if is_output(name) else 1)
        assert_drawn(tensor, 0.3 if "embed" in name else std, name)


def test_a_cut_distribution_has_no_large_numbers(builder: Builder) -> None:
    for name, tensor in drawn("{std: 0.1, truncated: 2}", builder).items():
        assert tensor.abs().max() <= 0.2, name
        # Of a normal distribution cut at two deviations.
        assert_drawn(tensor, 0.1 * 0.87962566, name)


def test_gpt2_starts_as_transformers_starts_it(builder: Builder) -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(vocab_size=500, n_positions=100, n_embd=96, n_head=4, n_layer=6)
    package = builder.load(import_config(config.to_dict(), name="gpt2"))
    torch.manual_seed(0)
    theirs = package.load_checkpoint(package.Model(), GPT2LMHeadModel(config).state_dict())
    expected = theirs.state_dict()
    for name, tensor in package.Model().state_dict().items():
        if expected[name].std() == 0:
            assert torch.equal(tensor, expected[name]), name
        else:
            rel = 7 / math.sqrt(2 * tensor.numel())  # two samples
            assert tensor.std().item() == pytest.approx(expected[name].std().item(), rel=rel), name


def test_a_scheme_that_cannot_be_is_refused() -> None:
    with pytest.raises(archspec.SpecError, match="give them an `embedding_std`"):
        archspec.loads(SPEC + "{fan_in: true}")
    with pytest.raises(archspec.SpecError, match="initialization"):
        archspec.loads(SPEC.replace("initialization: ", "init_std: 0.01"))
