"""`build --plain`: one file that computes what the package does, clean, never over work."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from conftest import ROOT, SPECS, Builder, small_text, spec_id
from plain_files import cached, exact, load_plain
from reading import Reading
from torch import Tensor, nn
from typer.testing import CliRunner

import archspec
from archspec.cli.commands import app
from archspec.codegen.plain import build_plain
from archspec.codegen.plain.site import plain_module
from archspec.mechanisms.feedforward.dense.spec import DenseFeedForward

TINY = ROOT / "examples/tiny.yaml"
TOKENS = 21
PADDED = ([0, 1, 2, 3], [15, 16, 17, 18, 19, 20], [6, 7, 8, 13])
SIZES = [9, 5, *[1] * 7]

LENGTHS = {  # of the hand-written files of the field, where there is one
    "qwen3-0.6b": 255,
    "gemma-3-270m": 387,
    "gpt-oss-20b": 430,
    "gpt2": 255,
    "all-minilm-l6-v2": 255,
    "deepseek-v3-671b": 430,
}

TURNS_BY_LENGTH = """
archspec: 1
name: turns
vocab_size: 50
hidden_size: 16
context_length: 64
blocks:
  one:
    mixer: {type: attention, heads: 2, head_dim: 8, rope: {theta: 100.0, scaling: SCALING}}
    feedforward: {type: dense, intermediate_size: 24, activation: silu, gated: true}
layers: 2 x one
head: {tied: true}
"""
LONGROPE = (
    "{type: longrope, original_context: 13, short_factors: [1.0, 1.1, 1.2, 1.3], "
    "long_factors: [2.0, 2.5, 3.0, 3.5], attention_factor: 1.2}"
)
MTP = """
archspec: 1
name: mtp
vocab_size: 50
hidden_size: 16
context_length: 64
blocks:
  one:
    mixer: {type: attention, heads: 2, head_dim: 8, rope: {theta: 100.0}, window: 5}
    feedforward: {type: dense, intermediate_size: 24, activation: silu, gated: true}
layers: 2 x one
head: {tied: false}
mtp: {depth: 2, block: one}
"""
TEXTS = {
    "longrope": TURNS_BY_LENGTH.replace("SCALING", LONGROPE),
    "dynamic": TURNS_BY_LENGTH.replace(
        "SCALING", "{type: dynamic, factor: 4, original_context: 9}"
    ),
    "mtp": MTP,
    **{spec_id(path): small_text(path) for path in SPECS},
}


class Pair(Reading):
    """One spec as a plain file and as a package, of the same weights in float64."""

    def __init__(self, text: str, builder: Builder):
        super().__init__(archspec.loads(text))
        self.plain = load_plain(text, builder.folder)
        torch.manual_seed(0)
        self.package: nn.Module = _roughened(builder.load(text).Model()).double().eval()
        self.model: nn.Module = self.plain.Model().double().eval()
        self.model.load_state_dict(self.package.state_dict())
        self.ids = torch.randint(self.architecture.vocab_size, (3, TOKENS))
        self.mask = torch.ones_like(self.ids)
        for row, places in enumerate(PADDED):
            self.mask[row, places] = 0

    def same(self, mask: Tensor | None, **more: object) -> None:
        """Both give the same numbers, where tokens are real."""
        given = exact(self.inputs(self.ids, mask), self.model) | more
        self.close(self.model(**given), self.package(**given), mask)

    def close(self, found: Tensor, wanted: Tensor, mask: Tensor | None = None) -> None:
        """Frequencies of rotations are float32 in both, and not made in the same order."""
        if mask is not None and found.ndim:
            found, wanted = found[mask.bool()], wanted[mask.bool()]
        atol = 1e-5 * max(1.0, wanted.abs().max().item())
        torch.testing.assert_close(found.double(), wanted, atol=atol, rtol=0)


def _roughened(model: nn.Module) -> nn.Module:
    """Weights large enough that mistakes show."""
    with torch.no_grad():
        for parameter in model.parameters():
            scale = parameter.shape[-1] ** -0.5 if parameter.ndim > 1 else 0.1
            parameter.add_(torch.randn_like(parameter) * scale)
        for buffer in model.buffers():
            buffer.add_(torch.randn_like(buffer) * 0.1)
    return model


@pytest.mark.parametrize("name", TEXTS)
@torch.no_grad()
def test_it_computes_what_the_package_computes(name: str, builder: Builder) -> None:
    """Whole texts, the loss and pieces from a cache, with padding in front, behind and between."""
    pair = Pair(TEXTS[name], builder)
    a = pair.architecture
    prefixes = "prefix_length" in pair.model.forward.__code__.co_varnames
    pair.same(None)
    pair.same(pair.mask)
    if prefixes:
        pair.same(pair.mask, prefix_length=5)
    if not a.is_causal:
        return
    theirs = pair.new_cache(pair.package, 3, TOKENS)
    found = cached(pair, pair.model, pair.plain.Cache(), pair.ids, pair.mask, SIZES)
    wanted = cached(pair, pair.package, theirs, pair.ids, pair.mask, SIZES)
    pair.close(found, wanted, pair.mask)
    if a.head:
        labels = pair.labels(pair.ids).clone()
        labels[1, 3:5] = -100
        pair.same(pair.mask, labels=labels)
        given = exact(pair.inputs(pair.ids[:, :5]), pair.model)
        tokens = pair.package.generate(**given, max_new_tokens=4)  # type: ignore[operator]
        assert torch.equal(pair.plain.generate(pair.model, **given, max_new_tokens=4), tokens)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("distance < self.window", "distance <= self.window"),
        ("1 << 30", "-5"),
        (" + cache.length", ""),
        ("* up", "* (up + 1e-3)"),
        ("x.dtype), angles.sin()", "x.dtype), -angles.sin()"),
    ],
)
@torch.no_grad()
def test_the_comparison_sees_small_errors(
    old: str, new: str, builder: Builder, tmp_path: Path
) -> None:
    pair = Pair(TEXTS["gemma-3-270m"], builder)
    worse = load_plain(TEXTS["gemma-3-270m"], tmp_path, old, new)
    model = worse.Model().double().eval()
    model.load_state_dict(pair.package.state_dict())
    theirs = pair.new_cache(pair.package, 3, TOKENS)
    wanted = cached(pair, pair.package, theirs, pair.ids, pair.mask, SIZES)
    found = cached(pair, model, worse.Cache(), pair.ids, pair.mask, SIZES)
    with pytest.raises(AssertionError):
        pair.close(found, wanted, pair.mask)


def test_every_gradient_is_that_of_the_package(builder: Builder) -> None:
    pair = Pair(TEXTS["gpt-oss-20b"], builder)
    for model in (pair.model, pair.package):
        model(pair.ids, attention_mask=pair.mask, labels=pair.ids).backward()
    wanted = dict(pair.package.named_parameters())
    for name, parameter in pair.model.named_parameters():
        assert parameter.grad is not None, name
        torch.testing.assert_close(parameter.grad, wanted[name].grad, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("path", SPECS, ids=spec_id)
def test_lines_fit_and_nothing_is_returned_by_way_of_a_name(path: Path) -> None:
    """What linters find, they find in test_package.py."""
    source = build_plain(archspec.load(path), path.name)
    long = [line for line in source.splitlines() if len(line) > 100 and "{layer}" not in line]
    assert long == []
    assert re.findall(r"^( +)(\w+) = .*\n\1return \2$", source, re.MULTILINE) == []


@pytest.mark.parametrize("name", LENGTHS)
def test_it_is_no_longer_than_the_hand_written_file(name: str) -> None:
    text = build_plain(archspec.load(ROOT / f"gallery/{name}.yaml"), f"{name}.yaml")
    assert len(text.splitlines()) <= LENGTHS[name]


def test_the_same_spec_gives_the_same_bytes() -> None:
    texts = {build_plain(archspec.load(path), path.name) for path in [SPECS[0]] * 2}
    assert len(texts) == 1


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["build", *arguments])
    return done.exit_code, done.output + (str(done.exception) if done.exception else "")


def test_a_file_that_archspec_wrote_is_written_anew_and_another_kept(tmp_path: Path) -> None:
    target = tmp_path / "tiny_model.py"
    arguments = [str(TINY), "--plain", "-o", str(target)]
    assert run(*arguments)[0] == 0
    first = target.read_text(encoding="utf-8")
    assert run(*arguments)[0] == 0
    assert run(*arguments, "--check")[0] == 0
    target.write_text(first.replace("RMSNorm", "LayerNorm"), encoding="utf-8")
    code, said = run(*arguments)
    assert code and "exists already" in said
    assert "LayerNorm" in target.read_text(encoding="utf-8")
    assert run(*arguments, "--check")[0] == 1
    assert run(*arguments, "--force")[0] == 0
    assert target.read_text(encoding="utf-8") == first


@pytest.mark.parametrize(("name", "expected"), [("torch.py", "in place of"), ("model", ".py")])
def test_a_name_that_cannot_serve_is_refused(name: str, expected: str, tmp_path: Path) -> None:
    code, said = run(str(TINY), "--plain", "-o", str(tmp_path / name))
    assert code and expected in said
    assert list(tmp_path.iterdir()) == []


def test_a_mechanism_without_a_plain_form_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DenseFeedForward, "__module__", "archspec.mechanisms.common.spec")
    with pytest.raises(archspec.ArchspecError, match="`type: dense` has no plain form"):
        plain_module(DenseFeedForward)
