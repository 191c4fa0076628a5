"""The tests of the ways that a model is used in beside whole texts: each with kernels and without.

Padding on either side, texts packed into rows, keys in pages, autocast, generation, and the kernels
made for one kind of GPU.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from .attention import inputs, kernel_name, numbers
from .definition import Facts
from .device import device
from .package import Package, close, distance, load

Check = Callable[[], str]
"""Raises where something is wrong; returns what was found in a few words."""

PAGE = 16
"""Tokens of a page of keys."""


def paths(package: Package, small: Callable[..., Any], length: int) -> Iterator[tuple[str, Check]]:
    """Name and test; `small` makes a model of a package in some type, for texts of `length`."""
    dtype = torch.float32
    if package.decodes:
        takes = inspect.signature(package.top.Model.forward).parameters
        model = Both(package, small, dtype)
        if "attention_mask" in takes:
            for side in ("left", "right"):
                yield f"padding on the {side}", lambda s=side: _padded(model, s, length)
        if "text_ids" in takes:
            yield "texts packed into rows", lambda: _packed(model, length)
        yield "gradients are the same each time", lambda: _same(model, length)
        if package.trains:
            yield "a step under autocast", lambda: _autocast(package, small, length)
        if package.facts["head"] and package.has("generate"):
            yield "generate gives what single steps give", lambda: _generate(model, length)
    if package.has("paged"):
        for facts in package.facts["attention"]:
            if hasattr(package.module("paged"), f"{facts['entry']}_paged"):
                name = f"keys in pages, {facts['entry']}"
                yield name, lambda own=facts: _paged(package, own, dtype, length)
    if package.has("kernels.attention_hopper"):
        yield "kernels for sm_90 alone", lambda: _hopper(package)


class Both:
    """A model with its kernels, and the same without."""

    def __init__(self, package: Package, small: Callable[..., Any], dtype: torch.dtype) -> None:
        self.package, self.small, self.dtype = package, small, dtype

    def apart(self, call: Callable[[Any], list[Tensor]]) -> str:
        """How far what `call` gives of each is apart; raises where that is no rounding."""
        plain = load(self.package.folder, kernels=False)
        ours, theirs = self.small(self.package, self.dtype), self.small(plain, self.dtype)
        theirs.load_state_dict(ours.state_dict())
        worst = 0.0
        for found, want in zip(call(ours), call(theirs), strict=True):
            off = distance(found, want)
            if not close(off, 0.0, self.dtype):
                raise ArithmeticError(f"off by {off:.1e} from PyTorch's operators")
            worst = max(worst, off)
        return f"off by {worst:.1e} at most"

    def tokens(self, batch: int, length: int) -> Tensor:
        """Drawn ids."""
        random = torch.Generator(device()).manual_seed(2)
        facts = self.package.facts
        size = (batch, min(length, facts["context_length"] // 2))
        return torch.randint(facts["vocab_size"], size, generator=random, device=device())


def _learned(model: Any, results: Tensor) -> list[Tensor]:
    """What was given, and the gradients of a sum of it, as one."""
    weights = torch.linspace(-1.0, 1.0, results.numel(), device=results.device)
    found: Any = torch.autograd.grad(
        (results.float() * weights.view_as(results)).sum(), list(model.parameters()),
        allow_unused=True,
    )  # fmt: skip
    return [results.detach(), torch.cat([g.flatten() for g in found if g is not None])]


def _padded(both: Both, side: str, length: int) -> str:
    """Real tokens, and gradients of theirs; then tokens read behind them."""
    text = both.tokens(2, length)
    mask = torch.ones_like(text)
    half = text.shape[1] // 3
    mask[0, slice(0, half) if side == "left" else slice(-half, None)] = 0

    def call(model: Any) -> list[Tensor]:
        found = _learned(model, model(text, attention_mask=mask)[mask.bool()])
        with torch.no_grad(), both.package.layers(both.package.kinds()):
            cache = model.new_cache(2, text.shape[1] + 2)
            model(text, attention_mask=mask, cache=cache)
            return [*found, model(text[:, :1], cache=cache), model(text[:, 1:2], cache=cache)]

    return both.apart(call)


def _packed(both: Both, length: int) -> str:
    text = both.tokens(2, length)
    place = torch.arange(text.shape[1], device=device())
    ids = torch.stack([(place >= text.shape[1] // 3).long(), place // max(1, text.shape[1] // 4)])
    return both.apart(lambda model: _learned(model, model(text, text_ids=ids)))


def _same(both: Both, length: int) -> str:
    """Bit for bit: nothing is added in whatever order programs end."""
    model, text = both.small(both.package, both.dtype), both.tokens(2, length)
    found = [_learned(model, model(text)) for _ in range(3)]
    if not all(
        torch.equal(x, y) for other in found[1:] for x, y in zip(found[0], other, strict=True)
    ):
        raise ArithmeticError("they differ")
    return "three times"


def _autocast(package: Package, small: Callable[..., Any], length: int) -> str:
    """The loss and the gradient of a training step under autocast, beside those of float32."""
    ours = small(package, torch.float32)
    text = Both(package, small, torch.float32).tokens(2, length)

    def step(low: torch.dtype | None) -> list[Tensor]:
        with torch.autocast(device().type, dtype=low, enabled=low is not None):
            loss = ours(text, labels=text)
        grads: Any = torch.autograd.grad(loss, list(ours.parameters()), allow_unused=True)
        joined = torch.cat([g.flatten().float() for g in grads if g is not None])
        return [loss.detach().float()[None], joined]

    # In the interpreter products of bfloat16 are wrong.
    low = torch.bfloat16 if torch.cuda.is_available() else torch.float16
    (loss, gradient), (want, exact) = step(low), step(None)
    off, turned = distance(loss, want), distance(gradient, exact)
    # Of experts near a tie others may be chosen.
    limit = 0.3 if package.facts["sparse"] else 0.1
    if off > 0.02 or turned > limit:
        raise ArithmeticError(f"the loss is off by {off:.1e}, its gradient by {turned:.1e}")
    return f"the loss off by {off:.1e}, its gradient by {turned:.1e}"


@torch.no_grad()
def _generate(both: Both, length: int) -> str:
    """Greedily, beside the likeliest token of each whole text."""
    model, text = both.small(both.package, both.dtype), both.tokens(2, min(length, 24))
    steps = 4
    with both.package.layers(both.package.kinds()):
        made = model.generate(text, max_new_tokens=steps, temperature=0.0)
    for _ in range(steps):
        text = torch.cat((text, model(text)[:, -1].argmax(dim=-1, keepdim=True)), dim=1)
    if not torch.equal(made, text):
        raise ArithmeticError(f"{int((made != text).sum())} tokens differ")
    return f"{steps} tokens"


@torch.no_grad()
def _paged(package: Package, facts: Facts, dtype: torch.dtype, length: int) -> str:
    """New tokens of two texts whose keys lie in pages, and what is gathered from those."""
    name = f"{facts['entry']}_paged"
    keys = PAGE * (length // PAGE + 1)
    worst = 0.0
    for tokens in (5, 1):
        q, cache, more = _pages(package, facts, tokens, keys, dtype)
        modules = (load(package.folder, kernels=used).module("paged") for used in (True, False))
        found, want = (getattr(module, name)(q, cache, **more) for module in modules)
        worst = max(worst, distance(found, want))
    if not close(worst, 0.0, dtype):
        raise ArithmeticError(f"off by {worst:.1e} from keys that are gathered")
    return f"off by {worst:.1e} at most"


def _pages(
    package: Package, facts: Facts, tokens: int, keys: int, dtype: torch.dtype
) -> tuple[Tensor, Any, dict[str, Any]]:
    """Queries, keys and values in pages in no order, and what else a call brings, by name."""
    given = inputs(facts, 2, tokens, keys, dtype)
    pages = keys // PAGE
    order = torch.randperm(2 * pages, device=device())
    blocks: list[Tensor] = []
    for x in (given.k, given.v):
        parts = x.detach().transpose(1, 2).reshape(2 * pages, PAGE, x.shape[1], x.shape[3])
        blocks.append(torch.empty_like(parts).index_copy(0, order, parts))
    table = order.view(2, pages).int()
    lengths = torch.tensor([keys, keys - PAGE - 3], dtype=torch.int32, device=device())
    cache = package.module("paged").PagedKeyValueCache(*blocks, table, lengths)
    more = dict.fromkeys(("sinks", "slopes"), given.beside) | numbers(facts)
    own = getattr(package.module("paged"), f"{facts['entry']}_paged")
    takes = inspect.signature(own).parameters
    return given.q.detach(), cache, {name: x for name, x in more.items() if name in takes}


def _hopper(package: Package) -> str:
    """What is written in Gluon, beside the portable kernels."""
    if torch.cuda.is_available() and torch.cuda.get_device_capability() == (9, 0):
        return _hopper_beside(package)
    return "not tested: this is no GPU of that kind"


def _hopper_beside(package: Package) -> str:
    operators = package.module("kernels.attention_operators")
    names = [x.name for x in operators.attention._opoverload._schema.arguments]

    def portable(
        kind: str,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        beside: list[Tensor],
        counts: list[int],
        numbers: dict[str, Any],
    ) -> tuple[Tensor, Tensor]:
        given = dict.fromkeys(names) | {"kind": kind, "q": q, "k": k, "v": v, "counts": counts}
        given |= {"sinks": beside[0]} if beside else {}
        given |= {"keep": False} if "keep" in names else {}
        own = {"softcap" if name == "CAP" else name.lower(): x for name, x in numbers.items()}
        made = operators.attention(
            **(given | {name: x for name, x in own.items() if name in names})
        )
        return made[0], made[1]

    hopper = package.module("kernels.attention_hopper")
    calls: list[tuple[Any, ...]] = []
    for facts in package.facts["attention"]:
        if name := kernel_name(facts, hopper.KINDS):
            own = {"CAP" if n == "softcap" else n.upper(): x for n, x in numbers(facts).items()}
            own = {n: x for n, x in own.items() if x is not None}
            widths = (facts["head_dim"], facts["value_dim"])
            calls.append((name, facts["heads"], facts["kv_heads"], *widths, own))
    found = hopper.check(portable, calls)
    for kind, (out, lse) in found.items():
        if not (out < 0.05 and lse < 0.01):
            raise ArithmeticError(f"{kind}: out is off by {out:.1e}, lse by {lse:.1e}")
    return f"{len(found)} kinds, off by {max(out for out, _ in found.values()):.1e} at most"
