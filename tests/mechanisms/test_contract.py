"""The faces of every mechanism agree, in every example and in every gallery spec made small."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator

import pytest
import torch
from alone import Alone
from conftest import EXAMPLES, Case
from torch import Tensor, nn

import archspec
from archspec.architecture.graph import OperatorGraph
from archspec.architecture.mask import Mask
from archspec.language.source import parse
from archspec.mechanisms import mechanisms
from archspec.mechanisms.base import Mechanism
from archspec.numbers.analysis import analyse

TOKENS = 37


@pytest.fixture
def model(case: Case) -> nn.Module:
    """The built model with weights large enough that mistakes show."""
    torch.manual_seed(0)
    model = case.package.Model().eval()
    with torch.no_grad():
        for tensor in model.state_dict(keep_vars=True).values():
            scale = tensor.shape[-1] ** -0.5 if tensor.ndim > 1 else 0.1
            tensor.add_(torch.randn_like(tensor) * scale)
    return model


def ids(case: Case, batch: int = 2, tokens: int = TOKENS) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(case.architecture.vocab_size, (batch, tokens), generator=generator)


def needs_cache(case: Case) -> None:
    if not case.architecture.is_causal:
        pytest.skip("an encoder keeps nothing between calls")


def needs_loss(case: Case) -> None:
    if not (case.architecture.is_causal and case.architecture.head):
        pytest.skip("a model without next-token logits has no loss")


def test_every_mechanism_has_an_example_that_uses_every_field() -> None:
    named: dict[str, set[str]] = {}

    def collect(value: object) -> None:
        if isinstance(value, dict) and isinstance(value.get("type"), str):
            named.setdefault(value["type"], set()).update(value)
        parts = value.values() if isinstance(value, dict) else value
        for part in parts if isinstance(value, (dict, list)) else ():
            collect(part)

    for path in EXAMPLES:
        collect(parse(path.read_text(encoding="utf-8")).data)
    common = set(Mechanism.model_fields)
    for mechanism in mechanisms():
        (kind,) = mechanism.model_fields["type"].annotation.__args__  # type: ignore[union-attr]
        assert set(mechanism.model_fields) - common <= named[kind]
    assert common <= set().union(*named.values())


def test_operator_graphs_are_sound(case: Case) -> None:
    def verify(graph: OperatorGraph) -> None:
        graph.verify()
        for operator in graph.operators:
            if operator.inside:
                verify(operator.inside)

    verify(case.architecture.embedding_graph)
    verify(case.architecture.head_graph)
    for graph in case.architecture.encoder_graphs:
        verify(graph)
    if case.architecture.layer_vectors_graph:
        verify(case.architecture.layer_vectors_graph)
    if case.architecture.mtp:
        verify(case.architecture.mtp.graph(case.architecture.hidden_size))
    for block in case.architecture.blocks:
        verify(block.graph(case.architecture.hidden_size))


def test_state_dict_has_the_parameters_of_the_graph(case: Case, model: nn.Module) -> None:
    expected = {p.name: p.shape for p in case.architecture.parameters()}
    assert {name: tuple(t.shape) for name, t in model.state_dict().items()} == expected
    trained = {p.name for p in case.architecture.parameters() if p.trained}
    assert {name for name, _ in model.named_parameters()} == trained
    counted = analyse(case.architecture).parameters
    assert counted.total == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32], ids=["bf16", "fp32"])
@pytest.mark.parametrize("length", [3, 64])
def test_cache_has_the_bytes_that_analysis_says(
    case: Case, model: nn.Module, length: int, dtype: torch.dtype
) -> None:
    needs_cache(case)
    cache = case.new_cache(model.to(dtype), 3, length)
    name = {torch.bfloat16: "bf16", torch.float32: "fp32"}[dtype]
    source = case.source_length or None
    report = analyse(case.architecture, length, 3, name, source).to_dict()
    assert cache.nbytes() == report["cache"]["bytes"]


@torch.no_grad()
def test_prefill_equals_decode(case: Case, model: nn.Module) -> None:
    needs_cache(case)
    tokens = ids(case)
    parts = case.in_parts(model, tokens.split([20] + [1] * (TOKENS - 20), dim=1))
    torch.testing.assert_close(parts, model(**case.inputs(tokens)), atol=2e-4, rtol=1e-4)


@torch.no_grad()
def test_a_warm_cache_takes_several_tokens(case: Case, model: nn.Module) -> None:
    needs_cache(case)
    tokens = ids(case)
    parts = case.in_parts(model, tokens.split([3, 17, 1, 16], dim=1))
    torch.testing.assert_close(parts, model(**case.inputs(tokens)), atol=2e-4, rtol=1e-4)


@torch.no_grad()
def test_the_future_does_not_leak(case: Case, model: nn.Module) -> None:
    needs_cache(case)
    tokens = ids(case)
    changed = tokens.clone()
    changed[:, 30:] = (changed[:, 30:] + 1) % case.architecture.vocab_size
    found, expected = model(**case.inputs(changed)), model(**case.inputs(tokens))
    torch.testing.assert_close(found[:, :30], expected[:, :30], atol=2e-5, rtol=1e-5)


@torch.no_grad()
def test_packed_texts_are_what_each_is_alone(case: Case, model: nn.Module) -> None:
    if not case.architecture.packs:
        pytest.skip("a row holds one text")
    tokens, lengths = ids(case), torch.tensor([20, 1, 16])
    numbers = torch.tensor([1, 0, 1]).repeat_interleave(lengths).expand(2, -1)
    parts = [model(**case.inputs(text)) for text in tokens.split(lengths.tolist(), dim=1)]
    found = model(**case.inputs(tokens), text_ids=numbers)
    torch.testing.assert_close(found, torch.cat(parts, 1), atol=2e-4, rtol=1e-4)


def test_loss_is_the_mean_cross_entropy_with_its_gradients(case: Case, model: nn.Module) -> None:
    needs_loss(case)
    tokens = ids(case)
    labels = case.labels(tokens).clone()
    labels[0, :7] = -100
    loss = model(**case.inputs(tokens), labels=labels)
    loss.backward()
    found = {name: p.grad for name, p in model.named_parameters()}
    model.zero_grad()
    expected = case.loss(model, tokens, labels)
    expected.backward()
    torch.testing.assert_close(loss, expected)
    for name, p in model.named_parameters():
        torch.testing.assert_close(found[name], p.grad, atol=1e-5, rtol=1e-3, msg=name)


def test_gradients_are_finite(case: Case, model: nn.Module) -> None:
    out = model(**case.inputs(ids(case))).square().mean()
    if case.architecture.mtp:
        out = out + sum(x.square().mean() for x in model.mtp_logits(ids(case)))
    out.backward()
    choosing = {p.name for p in case.architecture.parameters() if p.chooses}
    for name, parameter in model.named_parameters():
        assert (parameter.grad is None) == (name in choosing), name
        assert parameter.grad is None or parameter.grad.isfinite().all(), name


def test_compiles_without_a_graph_break(case: Case, model: nn.Module) -> None:
    if case.architecture.is_causal and case.architecture.head:
        pytest.skip("compiled with a cache and with a loss")
    torch.compiler.reset()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    tokens = ids(case)
    given = case.inputs(tokens)
    torch.testing.assert_close(compiled(**given), model(**given), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_compiled_decoding_has_no_graph_break(case: Case, model: nn.Module, backend: str) -> None:
    """As it is read, and with what is written to a cache made results."""
    needs_cache(case)
    torch.compiler.reset()
    compiled = torch.compile(model, fullgraph=True, backend=backend)
    tokens = ids(case)
    with torch.no_grad():
        parts = case.in_parts(model, tokens[:, :22].split([20, 1, 1], dim=1), compiled)
        expected = model(**case.inputs(tokens[:, :22]))
        torch.testing.assert_close(parts, expected, atol=2e-4, rtol=1e-4)


def test_compiled_training_has_no_graph_break(case: Case, model: nn.Module) -> None:
    needs_loss(case)
    torch.compiler.reset()
    tokens = ids(case)
    given = {**case.inputs(tokens), "labels": case.labels(tokens)}
    loss = torch.compile(model, fullgraph=True, backend="aot_eager")(**given)
    loss.backward()
    torch.testing.assert_close(loss, model(**given))


def test_meta_device_takes_no_memory_and_loads(case: Case, model: nn.Module) -> None:
    with torch.device("meta"):
        empty = case.package.Model()
    assert all(tensor.is_meta for tensor in empty.state_dict().values())
    load_own_names(empty, model)
    given = case.inputs(ids(case))
    torch.testing.assert_close(empty(**given), model(**given))


def load_own_names(target: nn.Module, source: nn.Module) -> None:
    target.load_state_dict(source.state_dict(), assign=True)


def test_default_dtype_is_honoured(case: Case) -> None:
    torch.set_default_dtype(torch.bfloat16)
    try:
        made, given = case.package.Model(), case.inputs(ids(case))
    finally:
        torch.set_default_dtype(torch.float32)
    assert {p.dtype for p in made.parameters()} == {torch.bfloat16}
    assert made(**given).isfinite().all()


def test_initialise_writes_all_that_a_new_model_has(case: Case) -> None:
    """As large models are started: made without memory, given some, and then drawn."""
    torch.manual_seed(0)
    want = case.package.Model()
    with torch.device("meta"):
        model = case.package.Model()
    model.to_empty(device="cpu")
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            tensor.fill_(float("nan"))
    torch.manual_seed(0)
    model.initialise()
    found = dict([*model.named_parameters(), *model.named_buffers()])
    for name, tensor in (*want.named_parameters(), *want.named_buffers()):
        torch.testing.assert_close(found[name], tensor, atol=0, rtol=0, msg=name)


def test_every_module_is_called(case: Case, model: nn.Module) -> None:
    """So that hooks, adapters and quantised layers work on every path, and change nothing else."""
    tokens, called = ids(case), set[str]()
    with torch.no_grad():
        plain = model(**case.inputs(tokens))
    for name, module in model.named_modules():
        module.register_forward_hook(lambda *_, name=name: called.add(name))
    every = {n for n, m in model.named_modules() if not isinstance(m, nn.ModuleList)}
    unread = {name for name in every if name.startswith("mtp.")}
    with torch.no_grad():
        found = model(**case.inputs(tokens))
    assert called == every - unread
    torch.testing.assert_close(found, plain, atol=2e-4, rtol=1e-4)
    if case.architecture.is_causal:
        cache = case.new_cache(model, 2, TOKENS)
        with torch.no_grad():
            parts = [model(**case.inputs(tokens[:, :20]), cache=cache)]
            parts += [model(**case.inputs(tokens[:, 20:36], first=False), cache=cache)]
            called.clear()
            parts += [model(**case.inputs(tokens[:, 36:], first=False), cache=cache)]
        assert called == every - unread - reads_the_source(case, every)
        torch.testing.assert_close(torch.cat(parts, 1), plain, atol=2e-4, rtol=1e-4)
    if case.architecture.is_causal and case.architecture.head:
        called.clear()
        labels = case.labels(tokens)
        loss = model(**case.inputs(tokens), labels=labels)
        assert called == every
        torch.testing.assert_close(loss, case.loss(model, tokens, labels))


def reads_the_source(case: Case, names: set[str]) -> set[str]:
    """The modules that work on an encoder's text, and are not called once it was read."""
    if case.architecture.encoder is None:
        return set()
    return {n for n in names if re.search(r"^encoder\b|(encoder|cross)_attn\.[kv]_", n)}


@pytest.fixture(scope="session")
def importing() -> Iterator[Alone]:
    made = Alone("torch")
    yield made
    made.close()


@pytest.fixture(scope="session")
def running() -> Iterator[Alone]:
    """As the first operator of a package would have it, which takes two seconds."""
    made = Alone("torch", "torch._dynamo")
    yield made
    made.close()


def test_runs_without_archspec(case: Case, importing: Alone, running: Alone) -> None:
    path = f"import sys\nsys.path.insert(0, {str(case.folder.parent)!r})\n"
    importing.run(
        f"{path}import {case.folder.name}.selftest\n"
        "assert 'triton' not in sys.modules and 'transformers' not in sys.modules"
    )
    running.run(
        f"{path}import {case.folder.name}.selftest as selftest\nraise SystemExit(selftest.main())"
    )


def test_flops_equal_those_that_torch_counts(case: Case, model: nn.Module) -> None:
    """Without what mixes tokens: torch counts the masked half of attention scores and whatever a
    chunked recurrence multiplies, we count pairs that are seen and the recurrence itself.

    Weights inside of attention are a linear layer in one of its forms and part of the mixing in the
    other: either all of them are counted or none.
    """
    from torch.utils.flop_counter import FlopCounterMode

    experts = {}
    if (case.folder / "grouped.py").exists():
        namespace = importlib.import_module(f"{case.folder.name}.operators").NAMESPACE
        operator = getattr(torch.ops, namespace).grouped_linear
        experts[operator] = lambda x, weight, _, **kw: 2 * x[0] * weight[1] * weight[2]
    with FlopCounterMode(display=False, custom_mapping=experts) as counter, torch.no_grad():
        model(**case.inputs(ids(case, batch=1)))
    counts = counter.get_flop_counts()["Global"]
    scored = ("attention", "bmm")  # also where the scores are written out
    products = sum(n for op, n in counts.items() if not any(w in str(op) for w in scored))
    architecture = case.architecture
    source = case.source_length
    report = analyse(architecture, context=TOKENS, source=source or None)
    stacks = [(architecture.layers, TOKENS)]
    stacks += [(architecture.encoder.layers, source)] if architecture.encoder else []
    inside = [
        (operator, tokens)
        for layers, tokens in stacks
        for layer in layers
        for module in layer.block.graph(architecture.hidden_size).operators
        if module.inside
        for operator in module.inside.operators
    ]
    pairs = sum(o.per_key * (o.mask or Mask()).keys_seen(0, n, source) for o, n in inside)
    steps = sum(o.per_token * n for o, n in inside if o.kind == "recurrence")
    attending = sum(o.per_token * n for o, n in inside if o.kind == "attention")
    expected = report.to_dict()["flops"]["prefill"] - pairs - steps
    assert products in (expected, expected - attending)


def test_specs_load(case: Case) -> None:
    assert archspec.loads(case.text) == case.architecture
