"""Attention's kernels beside SDPA with each backend, FlexAttention and flash-attn."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from . import definition
from .definition import Facts
from .device import Call, device, installed
from .flex import Flex
from .package import Package
from .race import Bench, Row

BACKENDS = {
    "sdpa flash": SDPBackend.FLASH_ATTENTION,
    "sdpa efficient": SDPBackend.EFFICIENT_ATTENTION,
    "sdpa cudnn": SDPBackend.CUDNN_ATTENTION,
    "sdpa math": SDPBackend.MATH,
}
LENGTHS = (4096, 16384, 2048, 8192)
"""Tokens of a text, the most telling first; a batch has `TOKENS` of them."""

TOKENS = 16384
MATH = 2048
"""Up to this length PyTorch's plain operators have room for their scores."""

WIDTHS = ("heads", "kv_heads", "head_dim", "value_dim")
SPECIAL = ("window", "chunk", "blocks", "softcap", "sinks", "slopes", "relative")
KNOWN = frozenset(
    (*WIDTHS, *SPECIAL, "kind", "entry", "causal", "scale", "prefix", "decodes", "gate")
)
"""What peers can be told. A shape with more to it is timed alone."""


@dataclass(frozen=True)
class Inputs:
    """Queries, keys and values as projections lay them out, and what else a score needs."""

    q: Tensor
    k: Tensor
    v: Tensor
    dout: Tensor
    beside: Tensor | None
    gate: Tensor | None
    start: int

    @property
    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values."""
        return self.q, self.k, self.v


def inputs(
    facts: Facts, batch: int, tokens: int, keys: int, dtype: torch.dtype, start: int | None = None
) -> Inputs:
    """Drawn numbers for `tokens` tokens, the last of `keys`."""
    place, heads, kv_heads = device(), facts["heads"], facts["kv_heads"]
    random = torch.Generator(place).manual_seed(0)

    def drawn(count: int, length: int, width: int) -> Tensor:
        size = (batch, length, count, width)
        return torch.randn(size, generator=random, device=place, dtype=dtype).transpose(1, 2)

    beside = None
    if facts["sinks"]:
        beside = torch.randn(heads, generator=random, device=place, dtype=dtype)
    if facts["slopes"]:
        beside = 2.0 ** (-8.0 / heads * torch.arange(1.0, heads + 1, device=place))
    if facts["relative"]:
        side = min(keys, facts["relative"])
        size = (heads, side if facts["causal"] else 2 * side - 1)
        beside = torch.randn(size, generator=random, device=place, dtype=dtype)
    gate = None
    if own := facts["gate"]:
        width = heads * (facts["value_dim"] if own["per"] == "element" else 1)
        size = (batch, tokens, width)
        gate = torch.randn(size, generator=random, device=place, dtype=dtype)
    return Inputs(
        drawn(heads, tokens, facts["head_dim"]).requires_grad_(),
        drawn(kv_heads, keys, facts["head_dim"]).requires_grad_(),
        drawn(kv_heads, keys, facts["value_dim"]).requires_grad_(),
        drawn(heads, tokens, facts["value_dim"]),
        beside,
        gate,
        keys - tokens if start is None else start,
    )


def entry(package: Package, facts: Facts, given: Inputs) -> Callable[..., Tensor]:
    """The package's own function of q, k and v."""
    own = getattr(package.module("kernels.attention_operators"), facts["entry"])
    call = numbers(facts) | {"start": given.start, "prefix": 0, "gate": given.gate}
    call |= dict.fromkeys(("bounds", "starts", "real"))  # no text of the batch is padded
    call |= dict.fromkeys(("sinks", "slopes", "relative"), given.beside)
    more = {name: call[name] for name in inspect.signature(own).parameters if name in call}
    return lambda q, k, v: own(q, k, v, **more)


def numbers(facts: Facts) -> dict[str, Any]:
    """What a call of attention says in numbers."""
    found = {name: facts[name] for name in ("window", "chunk", "scale", "softcap")}
    if own := facts["blocks"]:
        pattern = [own["size"], own["local"], own["first"], own["stride"] or 1 << 30, own["shift"]]
        found["blocks"] = pattern
    return found | ({"activation": facts["gate"]["activation"]} if facts["gate"] else {})


def kernel_name(facts: Facts, names: Iterable[str]) -> str | None:
    """Which of these names kernels have that compute it: its kind, with widths or without."""
    widths = f"{facts['entry']}_{facts['head_dim']}x{facts['value_dim']}"
    return next((name for name in (facts["entry"], widths) if name in names), None)


def gluon(
    package: Package, facts: Facts, own: Callable[..., Tensor], skipped: dict[str, str]
) -> dict[str, Callable[..., Tensor]]:
    """The same with the kernel for sm_90 alone, where there is one, or why it is skipped."""
    operators = package.module("kernels.attention_operators")
    if kernel_name(facts, getattr(operators, "GLUON", ())) is None:
        return {}
    if not torch.cuda.is_available() or torch.cuda.get_device_capability() != (9, 0):
        skipped["ours gluon"] = "this is no GPU of that kind"
        return {}

    def asked(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        with package.module("kernels").mode("gluon"):
            return own(q, k, v)

    return {"ours gluon": asked}


def run(package: Package, bench: Bench) -> None:
    """Whole texts, forward, and forward with backward."""
    cases: list[tuple[Row, Call]] = []
    for tokens in LENGTHS[:2] if package.facts.get("brief") else LENGTHS:
        for facts in package.facts["attention"]:
            if facts["window"] and tokens not in LENGTHS[:2]:
                continue
            for backward in (False, True):
                row = about(facts, TOKENS // tokens, tokens, tokens)
                row |= {"operation": "forward and backward" if backward else "forward"}
                cases.append((row, _case(package, bench, facts, tokens, backward, row)))
    bench.each(cases)


def about(facts: Facts, batch: int, tokens: int, keys: int) -> Row:
    """What a row says of a shape."""
    plain = not any(facts[name] for name in SPECIAL)
    return {
        "attention": facts["entry"],
        "plain": plain,
        "causal": facts["causal"],
        **{name: facts[name] for name in WIDTHS},
        "batch": batch,
        "tokens": tokens,
        "keys": keys,
    }


def _case(
    package: Package, bench: Bench, facts: Facts, tokens: int, backward: bool, row: Row
) -> Call:
    def work() -> None:
        given = inputs(facts, TOKENS // tokens, tokens, tokens, bench.dtype)
        calls, skipped = contenders(facts, given)
        own = entry(package, facts, given)
        calls = {"ours": own} | gluon(package, facts, own, skipped) | calls
        eager = [name for name in calls if name.endswith("and mask")]
        bench.race(
            row,
            {name: _call(function, given, backward) for name, function in calls.items()},
            _truth(facts, given, backward),
            lambda found: _seen(facts, found),
            skipped=skipped,
            eager=eager,
            work=(3.5 if backward else 1.0) * flops(facts, TOKENS // tokens, tokens),
        )

    return work


def _call(function: Callable[..., Tensor], given: Inputs, backward: bool) -> Call:
    def forward() -> list[Tensor]:
        with torch.no_grad():
            return [function(*(x.detach() for x in given.tensors))]

    def both() -> list[Tensor]:
        out = function(*given.tensors)
        return [out.detach(), *torch.autograd.grad(out, given.tensors, given.dout)]

    return both if backward else forward


def _truth(facts: Facts, given: Inputs, backward: bool) -> list[Tensor]:
    """In float64, what the first key-value head of the first text takes part in."""
    group = facts["heads"] // facts["kv_heads"]
    q, dout = given.q[:1, :group].double(), given.dout[:1, :group].double()
    k, v = given.k[:1, :1].double(), given.v[:1, :1].double()
    beside = None if given.beside is None else given.beside[:group].double()
    gate = None if given.gate is None else given.gate[:1].double()
    opened = definition.opened(facts, gate, q)[:, :group]
    if backward:
        return definition.gradients(facts, given.start, dout, q, k, v, beside, opened)
    with torch.no_grad():
        return [definition.attention(facts, given.start, q, k, v, beside) * opened]


def _seen(facts: Facts, found: list[Tensor]) -> list[Tensor]:
    """The same part of what a contender gives: out, dq, dk and dv."""
    group = facts["heads"] // facts["kv_heads"]
    return [x[:1, : group if number < 2 else 1] for number, x in enumerate(found)]


def flops(facts: Facts, batch: int, tokens: int) -> float:
    """Of both products of the forward pass, over the pairs that a mask leaves."""
    pairs = tokens * tokens / (2 if facts["causal"] else 1)
    if reach := facts["window"] or facts["chunk"]:
        pairs = min(pairs, tokens * reach / (1 if facts["window"] else 2))
    if facts["blocks"]:
        size = facts["blocks"]["size"]
        block = torch.arange(0, tokens, size)
        seen = definition.in_blocks(facts, 1, block[:, None], block) & (block <= block[:, None])
        pairs = size * (size * seen.sum().item() - tokens / 2)
    widths = facts["head_dim"] + facts["value_dim"]
    return 2.0 * batch * facts["heads"] * pairs * widths


def contenders(
    facts: Facts, given: Inputs
) -> tuple[dict[str, Callable[..., Tensor]], dict[str, str]]:
    """Peers that compute the same, and why others are skipped."""
    if strange := sorted(name for name in facts.keys() - KNOWN if facts[name]):
        return {}, dict.fromkeys(["sdpa", "flex"], f"cannot be told of {', '.join(strange)}")
    calls: dict[str, Callable[..., Tensor]] = {}
    skipped: dict[str, str] = {}
    tokens, keys = given.q.shape[2], given.k.shape[2]
    if any(facts[name] for name in SPECIAL):
        skipped["sdpa"] = "has no such attention without a mask of all pairs"
    else:
        options: dict[str, Any] = {
            "scale": facts["scale"],
            "is_causal": facts["causal"] and tokens > 1,
        }
        options["enable_gqa"] = facts["heads"] != facts["kv_heads"]
        calls["sdpa"] = lambda q, k, v: F.scaled_dot_product_attention(q, k, v, **options)
        for name, backend in BACKENDS.items():
            if name == "sdpa math" and max(tokens, keys) > MATH:
                skipped[name] = "has no room for all scores at this length"
                continue
            calls[name] = _backend(backend, options)
    try:
        flex = Flex(facts, given.q, given.k, given.beside)
        calls["flex"] = flex
        if flex.visible is not None:
            calls["flex and mask"] = flex.anew
    except Exception as error:
        skipped["flex"] = str(error).partition("\n")[0][:300]
    _flash(facts, given, calls, skipped)
    return {name: gated(facts, given, call) for name, call in calls.items()}, skipped


def gated(facts: Facts, given: Inputs, call: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A peer that knows no gate, and what it gives multiplied by that, where there is one."""
    gate = given.gate
    if gate is None:
        return call
    return lambda q, k, v: call(q, k, v) * definition.opened(facts, gate, q)


def _backend(backend: SDPBackend, options: dict[str, Any]) -> Callable[..., Tensor]:
    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        with sdpa_kernel(backend):
            return F.scaled_dot_product_attention(q, k, v, **options)

    return attend


def _flash(
    facts: Facts,
    given: Inputs,
    calls: dict[str, Callable[..., Tensor]],
    skipped: dict[str, str],
) -> None:
    """flash-attn, in both its versions, where they are installed and know such attention."""
    options: dict[str, Any] = {"softmax_scale": facts["scale"], "causal": facts["causal"]}
    if facts["window"]:
        options["window_size"] = (facts["window"] - 1, 0)
    if facts["softcap"]:
        options["softcap"] = facts["softcap"]
    for name, module in (("flash-attn", "flash_attn"), ("flash-attn-3", "flash_attn_interface")):
        if not installed(name):
            skipped[name] = "not installed"
            continue
        strange = any(facts[name] for name in ("sinks", "chunk", "relative", "blocks"))
        if strange or (facts["slopes"] and name != "flash-attn"):
            skipped[name] = "has no such attention"
            continue
        own = options | ({"alibi_slopes": given.beside} if facts["slopes"] else {})
        calls[name] = _flash_call(module, own)


def _flash_call(module: str, options: dict[str, Any]) -> Callable[..., Tensor]:
    import importlib

    function: Any = importlib.import_module(module).flash_attn_func

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        found = function(*(x.transpose(1, 2) for x in (q, k, v)), **options)
        return (found[0] if isinstance(found, tuple) else found).transpose(1, 2)

    return attend
