"""Latent attention's whole texts in kernels: a layer is its formulas, a model is itself."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from conftest import ROOT, Builder
from kernels.latent import ALONE, MIXED
from measure import agrees, drawn
from torch import Tensor, nn

import archspec
from archspec.bench import attention, checks, decode, device
from archspec.bench.package import load
from archspec.bench.race import Bench
from archspec.bench.timing import Times
from archspec.kit import put_package

EXAMPLE = (ROOT / "archspec/mechanisms/mixers/mla/example.yaml").read_text(encoding="utf-8")
EVERY_FIELD = EXAMPLE.replace("2 x (low_rank, plain_query)", "low_rank, plain_query").replace(
    "2 x sparse_again", "sparse_again"
)
assert EVERY_FIELD.count("2 x") == 0
TEXTS = {"every-field": EVERY_FIELD, "mixed": MIXED}
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
      value_dim: {value}
layers: only
head: {{tied: true}}
"""


def part(package: ModuleType, name: str) -> Any:
    return importlib.import_module(f"{package.__name__}.{name}")


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
    package = builder.load(LAYER.format(heads=heads, nope=nope, rope=rope, value=value))
    module = package.Model().layers[0].self_attn
    names = [name for name, _ in module.named_parameters()]
    weights = [
        drawn(*weight.shape, seed=number, scale=weight.shape[1] ** -0.5)
        for number, weight in enumerate(module.parameters())
    ]
    tokens = 37
    real = torch.ones(2, tokens, dtype=torch.bool)
    if padded:
        real[0, :9], real[1, 30:] = False, False
    hidden = torch.ones(tokens, tokens).triu(1).bool() | ~real[:, None]
    hidden = (hidden & ~torch.eye(tokens).bool())[:, None]

    def built(x: Tensor, *given: Tensor) -> Tensor:
        own = dict(zip(names, given, strict=True))
        step = part(package, "step").make_step(0, tokens, real if padded else None, x)
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

    launched = watch(package, monkeypatch)
    agrees(built, formulas, drawn(2, tokens, 40, seed=7), *weights)
    assert "causal_forward" in launched and "causal_backward_keys" in launched


def watch(package: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A list that fills with the kernels of attention that are launched."""
    launched: list[str] = []
    launch = part(package, "launch").launch

    def noting(kernel: Any, *given: Any, **more: Any) -> None:
        launched.append(kernel.__name__)
        launch(kernel, *given, **more)

    monkeypatch.setattr(part(package, "attention_operators"), "launch", noting)
    return launched


class Model:
    """A model whose results with kernels are held against those without."""

    def __init__(self, text: str, builder: Builder, monkeypatch: pytest.MonkeyPatch):
        torch.manual_seed(0)
        self.package = builder.load(text)
        self.model: nn.Module = self.package.Model()
        with torch.no_grad():
            for parameter in self.model.parameters():
                if parameter.ndim > 1:
                    parameter.normal_(std=parameter.shape[-1] ** -0.5)
        self.monkeypatch = monkeypatch

    def agrees(self, call: Callable[[], list[Tensor]]) -> None:
        """What `call` gives is the same with kernels and without."""
        found = call()
        self.monkeypatch.setattr(part(self.package, "launch"), "USED", False)
        for kernel, own in zip(found, call(), strict=True):
            assert (kernel - own).abs().max() < 1e-5 * max(1.0, float(own.abs().max()))

    def gradients(self, result: Tensor) -> list[Tensor]:
        self.model.zero_grad()
        result.backward()
        return [p.grad.clone() for p in self.model.parameters() if p.grad is not None]


@pytest.fixture(params=TEXTS.values(), ids=TEXTS)
def model(
    request: pytest.FixtureRequest, builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> Model:
    return Model(request.param, builder, monkeypatch)


@pytest.mark.parametrize("tokens", [1, CHOSEN, TOKENS])
def test_a_model_agrees_with_itself_without_kernels(model: Model, tokens: int) -> None:
    ids = IDS[:, :tokens]

    def learn() -> list[Tensor]:
        loss = model.model(ids, labels=ids) if tokens > 1 else model.model(ids).square().mean()
        return [model.model(ids).detach(), loss.detach(), *model.gradients(loss)]

    model.agrees(learn)


@pytest.mark.parametrize("mask", [LEFT, BOTH], ids=["left", "both"])
def test_padding_on_either_side(model: Model, mask: Tensor) -> None:
    def read() -> list[Tensor]:
        logits = model.model(IDS, attention_mask=mask)[mask.bool()]
        total = (logits * drawn(*logits.shape).float()).sum()
        return [logits.detach(), *model.gradients(total)]

    model.agrees(read)


@torch.no_grad()
@pytest.mark.parametrize("mask", [None, LEFT, BOTH], ids=["whole", "left", "both"])
def test_a_text_goes_on(model: Model, mask: Tensor | None) -> None:
    """Kernels read what a cache begins with, and the latents in it serve the tokens after."""
    real = torch.ones_like(IDS) if mask is None else mask

    def read() -> list[Tensor]:
        cache = model.model.new_cache(2, TOKENS + 8)  # type: ignore[operator]
        found = [model.model(IDS, attention_mask=mask, cache=cache)[real.bool()]]
        found += [model.model(IDS[:, :count], cache=cache) for count in (1, 4, 1)]
        return found

    model.agrees(read)


@pytest.mark.parametrize("model", [MIXED], ids=["mixed"], indirect=True)
def test_kernels_leave_the_graph_whole(model: Model) -> None:
    compiled = torch.compile(model.model, fullgraph=True, backend="aot_eager")
    ids = IDS[:, :9]
    for given in ({"labels": ids}, {"attention_mask": LEFT[:, :9]}):
        torch.testing.assert_close(compiled(ids, **given), model.model(ids, **given))


@torch.no_grad()
def test_a_choice_is_not_made_in_kernels(builder: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a text is so short that all of it is seen, there is none to be made."""
    text = EVERY_FIELD.replace("low_rank, plain_query, no_positions, sparse", "sparse")
    assert "layers: sparse, sparse_again" in text
    package = builder.load(text)
    made, launched = package.Model(), watch(package, monkeypatch)
    made(IDS[:, :CHOSEN])
    assert launched == ["causal_forward"] * 2
    made(IDS[:, : CHOSEN + 1])
    assert len(launched) == 2


def test_the_benchmarks_own_tests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "FEW", 7)
    package = load(put_package(archspec.loads(ALONE), ALONE, "spec.yaml", tmp_path))
    found = dict(checks.checks(package))
    kernels = [name for name in found if name.startswith("attention ") and "float32" in name]
    assert len(kernels) == len(package.facts["attention"]) == 2
    for name in (*kernels, "operators are registered as torch wants them", "selftest"):
        found[name]()


def a_second_each(_: device.Stopwatch, contenders: dict[str, Any]) -> Times:
    return Times({name: [1.0, 1.0] for name in contenders})


@pytest.mark.filterwarnings("ignore")  # of eager FlexAttention, and of backends that are not there
def test_what_the_benchmark_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = MIXED.replace("name: mixed", "name: timed_latent")
    package = load(put_package(archspec.loads(text), text, "spec.yaml", tmp_path))
    monkeypatch.setattr(torch, "compile", lambda function=None, **_: function)
    monkeypatch.setattr(device.Stopwatch, "race", a_second_each)
    monkeypatch.setattr(attention, "LENGTHS", (9,))
    monkeypatch.setattr(attention, "TOKENS", 9)
    monkeypatch.setattr(decode, "LENGTHS", (16,))
    monkeypatch.setattr(decode, "BYTES", (4096,))
    rows: dict[str, set[str]] = {}
    for section in (attention, decode):
        bench = Bench(tmp_path / section.__name__, 600, False, "a section", "timed_latent")
        bench.dtype = torch.float32
        section.run(package, bench)
        found = [json.loads(line) for line in bench.rows.read_text().splitlines()]
        assert not any("failed" in row for row in found), found
        rows[section.__name__] = {row["attention"] for row in found}
    assert rows[attention.__name__] == {"causal_4x16", "causal_4x48", "causal_2x16"}
    assert rows[decode.__name__] == {"causal_4x16", "causal_2x16"}
