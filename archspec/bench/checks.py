"""The tests of a package: its kernels against float64, forward and backward, and how they behave.

On a GPU in all types, and without one in Triton's interpreter, where bfloat16 products are wrong.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from . import definition
from .attention import entry, inputs
from .definition import Facts
from .device import device, first_line
from .operators import calls, learn
from .package import Package, close, distance, load
from .paths import Check, paths
from .race import Bench

TOKENS = 333
"""Of a text on a GPU: several tiles, and an odd number."""

FEW = 37
"""The same in the interpreter, which is slow."""


def run(package: Package, bench: Bench) -> None:
    """Every test, each in a row."""
    # Convolutions would be computed in fewer bits than float32 has.
    torch.backends.cudnn.allow_tf32 = False
    for name, check in checks(package):
        if bench.only and not any(word in name for word in bench.only):
            continue
        if bench.over():
            bench.put({"test": name, "ok": None, "found": "the time was up"})
            continue
        bench.begin({"test": name})
        try:
            bench.put({"test": name, "ok": True, "found": check()})
        except torch.OutOfMemoryError as error:
            bench.put({"test": name, "ok": None, "found": first_line(error)})
        except Exception as error:
            bench.put({"test": name, "ok": False, "found": first_line(error)})
        torch.compiler.reset()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def dtypes() -> list[torch.dtype]:
    """The types that kernels are made for, where they can be tested."""
    found = [torch.float32, torch.float16]
    return [*found, torch.bfloat16] if torch.cuda.is_available() else found


def checks(package: Package) -> Iterator[tuple[str, Check]]:
    """Name and test, the most telling first."""
    for dtype in dtypes():
        name = str(dtype).removeprefix("torch.")
        for facts in package.facts["attention"]:
            where = f"attention {facts['entry']} {name}"
            yield where, lambda f=facts, d=dtype: _attention(package, f, d)
        yield f"model {name}", lambda d=dtype: _model(package, d)
    yield from paths(package, _small, _length())
    yield "operators are registered as torch wants them", lambda: _opcheck(package)
    yield "selftest", lambda: _selftest(package)
    yield "the graph is whole", lambda: _whole_graph(package)
    if torch.cuda.is_available():
        yield "twenty shapes share their binaries", lambda: _no_recompiles(package)
        if package.decodes:
            yield "a step of decoding is a CUDA graph", lambda: _cuda_graph(package)


def _tokens(package: Package, batch: int, tokens: int) -> Tensor:
    random = torch.Generator(device()).manual_seed(1)
    length = min(tokens, package.facts["context_length"])
    size = (batch, length)
    return torch.randint(package.facts["vocab_size"], size, generator=random, device=device())


def _length() -> int:
    return TOKENS if torch.cuda.is_available() else FEW


def _small(package: Package, dtype: torch.dtype) -> nn.Module:
    """A model with as few layers as have every class in them."""
    with package.layers(package.kinds()):
        return package.model(dtype, device())


def _attention(package: Package, facts: Facts, dtype: torch.dtype) -> str:
    """Outputs and gradients of whole texts, of texts that go on, and of one token."""
    worst = 0.0
    length = _length()
    if own := facts["blocks"]:  # enough that some are not seen
        length += own["size"] * (own["local"] + own["first"] + (own["stride"] or 1))
    reach = facts["window"] or facts["chunk"] or length
    sizes = [(2, length, length), (1, 5, 5)]
    if facts["causal"]:
        sizes += [(2, 1, min(length, reach)), (1, length // 2, length)]
    for batch, tokens, keys in sizes:
        given = inputs(facts, batch, tokens, keys, dtype)
        q, k, v = (x.detach().double() for x in given.tensors)
        beside = None if given.beside is None else given.beside.double()
        gate = None if given.gate is None else given.gate.double()
        opened = definition.opened(facts, gate, q)
        dout = given.dout.double()
        want = definition.gradients(facts, given.start, dout, q, k, v, beside, opened)
        rounded = given.beside if given.beside is None else given.beside.to(dtype)
        opened = opened.to(dtype)
        plain = definition.gradients(
            facts, given.start, given.dout, *given.tensors, rounded, opened
        )
        out = entry(package, facts, given)(*given.tensors)
        found = [out.detach(), *torch.autograd.grad(out, given.tensors, given.dout)]
        for name, a, b, c in zip(("out", "dq", "dk", "dv"), found, plain, want, strict=True):
            off, theirs = distance(a, c), distance(b, c)
            if not close(off, theirs, dtype):
                raise ArithmeticError(
                    f"{name} of {tokens} tokens over {keys} keys is off by {off:.1e},"
                    f" PyTorch's operators by {theirs:.1e}"
                )
            worst = max(worst, off)
    return f"off by {worst:.1e} at most"


def _model(package: Package, dtype: torch.dtype) -> str:
    """What the model gives, and every gradient, beside itself without kernels in float64."""
    plain = load(package.folder, kernels=False)
    ours, tokens = _small(package, dtype), _tokens(package, 2, _length())
    own, exact = _small(plain, dtype), _small(plain, torch.float64)
    own.load_state_dict(ours.state_dict())
    exact.load_state_dict(ours.state_dict())
    found = learn(package, ours, tokens)
    theirs, truth = learn(plain, own, tokens), learn(plain, exact, tokens)
    if dtype != torch.float32:  # of a few numbers, a rounding that falls otherwise is much
        found, theirs, truth = (_joined(results) for results in (found, theirs, truth))
    worst = 0.0
    for name, want in truth.items():
        off, plainly = distance(found[name], want), distance(theirs[name], want)
        if not close(off, plainly, dtype):
            raise ArithmeticError(f"{name} is off by {off:.1e}, without kernels by {plainly:.1e}")
        worst = max(worst, off)
    return f"off by {worst:.1e} at most"


def _joined(results: dict[str, Tensor]) -> dict[str, Tensor]:
    first, *rest = results
    grads = [results[name].double().flatten() for name in rest]
    return {first: results[first], "the gradient": torch.cat(grads)}


def _opcheck(package: Package) -> str:
    """torch.library.opcheck of every operator as the model calls it."""
    if not package.has("kernels.launch"):
        return "there are none"
    model: Any = _small(package, torch.float32)
    found = calls(package, lambda: learn(package, model, _tokens(package, 2, 5)))
    if package.decodes:
        with torch.no_grad():
            found += calls(package, lambda: _filled(package, model, (5, 1)))
    for called in found:
        torch.library.opcheck(called.operator, called.fresh())
    return f"{len(found)} calls of {len({called.name for called in found})} operators"


def _filled(package: Package, model: Any, lengths: tuple[int, ...]) -> Any:
    """A cache that has read texts of such lengths one after the other."""
    with package.layers(package.kinds()):
        cache = model.new_cache(1, 40)
    for length in lengths:
        model(_tokens(package, 1, length), cache=cache)
    return cache


def _selftest(package: Package) -> str:
    """The package's own, on this device."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), device():
        code = package.module("selftest").main()
    if code:
        raise ArithmeticError("; ".join(said.getvalue().split("\n")))
    return f"{len(said.getvalue().splitlines())} checks"


@torch.no_grad()
def _whole_graph(package: Package) -> str:
    """torch.compile(fullgraph=True), with Inductor on a GPU."""
    dtype = torch.bfloat16 if torch.cuda.is_available() else torch.float32
    model: Any = _small(package, dtype)
    if package.facts["kind"] == "pair":
        return "not tested with an encoder"
    backend = "inductor" if torch.cuda.is_available() else "aot_eager"
    compiled: Any = torch.compile(model, fullgraph=True, dynamic=False, backend=backend)
    tokens = _tokens(package, 2, 64 if torch.cuda.is_available() else 9)
    off = distance(compiled(tokens), model(tokens))
    # Of two ways to round, a router that is near a tie may choose otherwise.
    if off > (0.2 if dtype == torch.bfloat16 else 1e-4):
        raise ArithmeticError(f"what it gives compiled is off by {off:.1e}")
    return f"off by {off:.1e}"


def _no_recompiles(package: Package) -> str:
    """After one text and one token, twenty texts of other shapes compile nothing more."""
    from triton import knobs

    model, made = _small(package, torch.bfloat16), list[str]()

    def noted(*_: Any, **named: Any) -> None:
        made.append(str(named.get("repr", "")).partition("[")[0])

    knobs.runtime.jit_post_compile_hook = noted
    try:
        learn(package, model, _tokens(package, 2, 64))
        before = len(made)
        for batch in (1, 2, 3, 4):
            for length in (2, 17, 33, 65, 128):
                learn(package, model, _tokens(package, batch, length))
    finally:
        knobs.runtime.jit_post_compile_hook = None
    if len(made) > before:
        names = sorted(set(made[before:]))
        raise ArithmeticError(f"{len(made) - before} binaries more: {', '.join(names)}")
    return f"{before} binaries"


@torch.no_grad()
def _cuda_graph(package: Package) -> str:
    """Captured and replayed, a step gives what it gives by itself."""
    model: Any = _small(package, torch.bfloat16)
    token = _tokens(package, 1, 1)

    def step(cache: Any) -> Tensor:
        cache.length = 33  # the same place again
        return model(token, cache=cache)

    cache, want = _filled(package, model, (33,)), step(_filled(package, model, (33,)))
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        step(_filled(package, model, (33,)))
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        found = step(cache)
    graph.replay()
    torch.cuda.synchronize()
    off = distance(found, want)
    if off > 1e-2:
        raise ArithmeticError(f"what it gives replayed is off by {off:.1e}")
    return f"off by {off:.1e}"
