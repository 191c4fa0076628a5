"""The whole model: reading a text, a step of decoding, a step of training.

Its peers are the same package without kernels, both under torch.compile, and transformers where it
is installed and the facts of the package have a configuration for it. What a GPU has no room for is
timed on the first layers of the schedule, and the row says how many there were.
"""

from __future__ import annotations

import importlib
from typing import Any

import torch
from torch import Tensor

from .device import Call, device, first_line, installed
from .operators import forward
from .package import Package
from .race import Bench, Row

READ, TRAINED = 2048, 4096
LAYERS_TRAINED = 4
"""Of which a training step is timed on a GPU: to compile all of them takes minutes."""

ON_CPU = (512, 128)
ROOM = 0.45
"""The share of a GPU's memory that weights may have."""


class Sides:
    """One set of weights in the package with kernels and in that without."""

    def __init__(self, package: Package, plain: Package, layers: int, dtype: torch.dtype) -> None:
        self.package, self.place = package, device()
        schedule = package.schedule()
        self.layers, self.of = layers, len(schedule)
        with package.layers(schedule[:layers]):
            self.ours: Any = package.model(dtype, self.place)
        with plain.layers(plain.schedule()[:layers]):
            self.plain: Any = plain.model(dtype, self.place)
        self.plain.load_state_dict(self.ours.state_dict(), assign=True)


def fits(package: Package, layers: int, dtype: torch.dtype) -> int:
    """How many of `layers` a GPU has room for."""
    if not torch.cuda.is_available():
        return layers
    count = len(package.schedule())
    size = package.facts["parameters"] * dtype.itemsize
    free = ROOM * torch.cuda.get_device_properties(0).total_memory
    return max(1, min(layers, int(count * free / size)))


def run(package: Package, bench: Bench) -> None:
    """All that the model can do."""
    from .package import load

    plain = load(package.folder, kernels=False)
    on_gpu = torch.cuda.is_available()
    dtype = torch.bfloat16 if on_gpu else torch.float32
    count = len(package.schedule())
    read, trained = (READ, TRAINED) if on_gpu else ON_CPU
    context = package.facts["context_length"]
    read, trained = min(read, context - 2), min(trained, context)
    few = min(count, LAYERS_TRAINED) if on_gpu else count
    cases: list[tuple[Row, Call]] = []
    barred: Row = {"barred": True} if package.facts.get("barred") else {}
    if package.decodes:
        row: Row = barred | {
            "operation": "decode a token",
            "batch": 1,
            "keys": read,
            "layers": count,
        }
        cases.append((row, lambda: _decode(bench, package, plain, read, dtype, row)))
    size: Row = barred | {"operation": "train", "batch": 1, "tokens": trained, "layers": few}
    if package.trains:
        cases.append((size, lambda: _train(bench, package, plain, trained, few, dtype, size)))
    whole: Row = {"operation": "read", "batch": 1, "tokens": read, "layers": few}
    cases.append((whole, lambda: _read(bench, package, plain, read, few, dtype, whole)))
    bench.each(cases)


def _ids(package: Package, tokens: int) -> Tensor:
    random = torch.Generator(device()).manual_seed(1)
    size = (1, tokens)
    return torch.randint(package.facts["vocab_size"], size, generator=random, device=device())


def _made(package: Package, plain: Package, layers: int, dtype: torch.dtype, row: Row) -> Sides:
    layers = fits(package, layers, dtype)
    row["layers"] = layers
    return Sides(package, plain, layers, dtype)


def by_layer(model: Any) -> Any:
    """The same weights in a model whose layers torch.compile has compiled, each kind once."""
    import copy

    memo = {id(x): x for x in (*model.parameters(), *model.buffers())}
    made = copy.deepcopy(model, memo)
    for layer in made.layers:
        layer.compile(dynamic=False)
    return made


@torch.no_grad()
def _decode(
    bench: Bench, package: Package, plain: Package, read: int, dtype: torch.dtype, row: Row
) -> None:
    sides = _made(package, plain, row["layers"], dtype, row)
    text, token = _ids(package, read), _ids(package, 1)
    models = {"ours": sides.ours, "pytorch": sides.plain, "ours compiled": by_layer(sides.ours)}
    if torch.cuda.is_available():  # elsewhere both are the same
        models["pytorch compiled"] = by_layer(sides.plain)

    def step(model: Any, cache: Any) -> Call:
        def work() -> Tensor:
            cache.length = read  # the same place again, so that all do the same work
            return model(token, cache=cache)

        return work

    def filled() -> Any:
        with package.layers(package.schedule()[: sides.layers]):
            cache = sides.ours.new_cache(1, read + 2)
        sides.plain(text, cache=cache)
        return cache

    calls = {name: step(model, filled()) for name, model in models.items()}
    truth = step(sides.plain, filled())().double()
    moved = 0  # what the first layers alone read of the weights is not known here
    if sides.layers == sides.of:
        moved = int(sum(p.nbytes for p in sides.ours.parameters()) * package.facts["read_share"])
    bench.race(
        row | {"note": "the share is of the time in which a copy moves as much as the weights"},
        calls,
        [truth],
        lambda found: [found],
        slack=_slack(package),
        moved=moved,
        skipped=_no_peer(package),
    )


def _train(
    bench: Bench,
    package: Package,
    plain: Package,
    tokens: int,
    layers: int,
    dtype: torch.dtype,
    row: Row,
) -> None:
    sides, text = _made(package, plain, layers, dtype, row), _ids(package, tokens)

    def step(model: Any) -> Call:
        def work() -> list[Tensor]:
            return _gradients(model, forward(package, model, text))

        return work

    skipped = _no_peer(package)
    theirs = _transformers(package, sides, skipped)
    calls = {
        "ours": step(sides.ours),
        "pytorch": step(sides.plain),
        "ours compiled": step(torch.compile(sides.ours, dynamic=False)),
    }
    if torch.cuda.is_available():
        calls["pytorch compiled"] = step(torch.compile(sides.plain, dynamic=False))
    if theirs is not None:
        calls["transformers compiled"] = _their_step(torch.compile(theirs, dynamic=False), text)
    truth = [x.double() for x in calls["pytorch"]()]
    bench.race(
        row,
        calls,
        truth,
        lambda found: found,
        skipped=skipped,
        eager=set(calls),
        slack=_slack(package),
    )


@torch.no_grad()
def _read(
    bench: Bench,
    package: Package,
    plain: Package,
    tokens: int,
    layers: int,
    dtype: torch.dtype,
    row: Row,
) -> None:
    sides, text = _made(package, plain, layers, dtype, row), _ids(package, tokens)
    models: dict[str, Any] = {"ours": sides.ours, "pytorch": sides.plain}
    models |= {"ours compiled": torch.compile(sides.ours, dynamic=False)}
    if torch.cuda.is_available():
        models["pytorch compiled"] = torch.compile(sides.plain, dynamic=False)
    if package.facts["kind"] == "pair":
        from .operators import source

        states = source(package, sides.ours, text)
        calls = {n: (lambda m=m: m(states, decoder_input_ids=text)) for n, m in models.items()}
    else:
        calls = {n: (lambda m=m: m(text)) for n, m in models.items()}
    truth = [calls["pytorch"]().double()]
    bench.race(
        row,
        calls,
        truth,
        lambda found: [found],
        skipped=_no_peer(package),
        slack=_slack(package),
    )


def _slack(package: Package) -> float:
    """Roundings add up over layers, and a router that is near a tie may choose otherwise.

    In bfloat16 that is an eighth of the result's size, and with experts less than a fifth.

    That every kind of layer is right is what the tests say, which come before.
    """
    return 6.0 if package.facts["sparse"] else 4.0


def _no_peer(package: Package) -> dict[str, str]:
    if package.facts.get("transformers"):
        return {} if installed("transformers") else {"transformers": "not installed"}
    return {"transformers": "the spec says no configuration to make the same model of"}


def _transformers(package: Package, sides: Sides, skipped: dict[str, str]) -> Any:
    """The model in transformers with the same weights, where that can be."""
    options = package.facts.get("transformers")
    if not options or not installed("transformers"):
        return None
    try:
        library: Any = importlib.import_module("transformers")
        options = {**options, "num_hidden_layers": sides.layers}
        config = library.AutoConfig.for_model(**options)
        dtype = next(sides.ours.parameters()).dtype
        theirs = library.AutoModelForCausalLM.from_config(config, attn_implementation="sdpa")
        theirs = theirs.to(device(), dtype).train()
        package.module("checkpoint").load_checkpoint(sides.ours, theirs.state_dict())
        return theirs
    except Exception as error:
        skipped["transformers"] = first_line(error)
        return None


def _their_step(model: Any, text: Tensor) -> Call:
    def work() -> list[Tensor]:
        return _gradients(model, model(text, labels=text, use_cache=False).loss)

    return work


def _gradients(model: Any, loss: Tensor) -> list[Tensor]:
    """The loss, and of all gradients, which are computed, the last."""
    learned = [p for p in model.parameters() if p.requires_grad]
    found: Any = torch.autograd.grad(loss, learned, allow_unused=True)
    return [loss.detach().float()[None], [grad for grad in found if grad is not None][-1]]
