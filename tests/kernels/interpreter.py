"""Attention's kernels in Triton's interpreter: one JSON case a line in, one line of errors out.

A process of its own, since Triton must not be imported before TRITON_INTERPRET is set. Errors are
the largest differences from attention written out in float64; beside them those of PyTorch's own
operators in the same type, and what the float64 result is in size.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import sys
import tempfile
from itertools import accumulate
from pathlib import Path
from typing import Any

os.environ |= {"TRITON_INTERPRET": "1", "ARCHSPEC_KERNELS": "interpret"}

import quick  # noqa: F401
import torch
from shape import Shape
from torch import Tensor

from archspec.codegen.environment import environment
from archspec.codegen.format import format_python
from archspec.kernels.attention.files import KERNEL_FILES, kernel_context
from archspec.kernels.attention.view import KernelView
from archspec.output.place import put_files

FILES = ("kernels/attention.py", "kernels/attention_operators.py")
TEMPLATES = {file.path: file.template for file in KERNEL_FILES}
AROUND = {
    "kernels/__init__.py": "templates/kernels/init.py.jinja",
    "kernels/launch.py": "templates/kernels/launch.py.jinja",
    "operators.py": "templates/package/operators.py.jinja",
}
DECODING = ("kernels/decode.py", "paged.py", "kernels/paged.py")


def main() -> None:
    """Answer cases until there are no more."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        sys.path.insert(0, folder)
        for line in sys.stdin:
            print(json.dumps(check(Path(folder), json.loads(line))), flush=True)


def module(folder: Path, view: KernelView) -> Any:
    """The kernels of one shape, as a package of their own."""
    name = "kernels_" + hashlib.sha256(repr(view).encode()).hexdigest()[:12]
    if not (folder / name).exists():

        class Module:
            kernel = view

        context = {"header": "", "model": "a test"} | kernel_context([Module()])
        context["has_gluon"] = False  # its kernels have tests of their own
        wanted = [*FILES, *(DECODING if view.paged else DECODING[: view.decodes])]
        places = {file: TEMPLATES[file] for file in wanted} | AROUND
        rendered = {
            file: environment().get_template(place).render(context)
            for file, place in places.items()
        }
        put_files(format_python(rendered), folder / name)  # which drops what is not used
        (folder / name / "__init__.py").touch()
        (folder / name / "attend.py").write_text("takes = None\n", encoding="utf-8")
        importlib.invalidate_caches()
    return importlib.import_module(f"{name}.kernels.attention_operators")


def folder_of(kernels: Any) -> str:
    """The package around the folder of kernels."""
    return kernels.__package__.rpartition(".")[0]


FAR = ("window", "chunk")
"""What one token's kernels are not told: the keys that they are given are seen."""


def with_tiles(view: KernelView) -> list[str]:
    """The files that cut work."""
    return ["attention"] + ["decode"] * view.decodes + ["paged"] * view.paged


def check(folder: Path, case: dict[str, Any]) -> dict[str, float]:
    """Errors of the output and of every gradient."""
    view = Shape(**case["shape"])
    kernels = module(folder, view.kernel)
    files = [
        importlib.import_module(f"{kernels.__package__}.{name}") for name in with_tiles(view.kernel)
    ]
    for file in files if "tiles" in case else ():
        for own in file.TILES.values():
            own |= dict.fromkeys(own, files[0].Tiles(*case["tiles"]))
    tokens, keys, dtype = case["tokens"], case.get("keys", case["tokens"]), case["dtype"]
    torch.manual_seed(0)

    def drawn(heads: int, length: int, width: int) -> Tensor:
        made = torch.randn(2, length, heads, width, dtype=torch.float64).to(getattr(torch, dtype))
        return made.transpose(1, 2)

    q = drawn(view.heads, tokens, view.head_dim)
    k, v = drawn(view.kv_heads, keys, view.head_dim), drawn(view.kv_heads, keys, view.value_dim)
    beside = [torch.randn(view.heads).to(q.dtype)] if view.sinks else []
    start = case.get("start", keys - tokens)
    if view.relative:
        side = min(keys, view.relative)
        beside.append(torch.randn(view.heads, side if view.causal else 2 * side - 1).to(q.dtype))
    if view.gate:
        width = view.heads * (view.value_dim if view.gate[0] == "element" else 1)
        beside.append(3 * torch.randn(2, tokens, width).to(q.dtype))
    inputs = [x.clone().requires_grad_() for x in (q, k, v, *beside)]
    if view.slopes:
        inputs.insert(3, 2.0 ** -torch.arange(1.0, view.heads + 1))
    if "page" in case:
        paged = importlib.import_module(f"{folder_of(kernels)}.paged")
        taken = inputs[:-1] if view.gate else inputs  # pages know no gate
        return check_paged(paged, view, case, [x.detach() for x in taken])
    dout = drawn(view.heads, tokens, view.value_dim)

    real = reality(case, start, keys)  # (B, positions), None without padding
    rows = torch.ones(2, tokens, dtype=torch.bool) if real is None else real[:, start:]
    dout = dout * rows[:, None, :, None]
    counts = [start] * bool(view.chunk) + [case.get("prefix", 0)] * view.prefix
    bounds = bounds_of(view, case, start + tokens)

    def own(*tensors: Tensor) -> Tensor:
        if tokens == 1 and real is not None:  # what is seen of keys, whatever may follow from it
            shape = next(iter(files[1].SHAPES))
            return kernels.decode(shape, *tensors, bounds, real, **view.numbers(*FAR))
        one = {view.kernel.for_one: None} if view.kernel.for_one else {}
        return kernels.attended(*tensors, *counts, bounds, **one, **view.numbers())

    def written_out(*tensors: Tensor) -> Tensor:
        return definition(view, case, start, real, *tensors)

    got = gradients(own, inputs, dout)
    want = gradients(
        written_out,
        [x.double().detach().requires_grad_(x.requires_grad) for x in inputs],
        dout.double(),
    )
    plain = gradients(written_out, inputs, dout)
    for made in (got, want, plain):  # what padding gives is nobody's concern, but it is a number
        assert all(x.isfinite().all() for x in made)
        made[:2] = [x * rows[:, None, :, None] for x in made[:2]]
    there = {"dsinks": view.sinks, "drelative": view.relative, "dgate": view.gate}
    names = ["out", "dq", "dk", "dv", *(name for name, own in there.items() if own)]
    found: dict[str, float] = {}
    for name, x, y, z in zip(names, got, plain, want, strict=False):
        assert x.shape == z.shape, name
        found[name] = float((x.double() - z).abs().max())
        found[f"{name}_plain"] = float((y.double() - z).abs().max())
        found[f"{name}_size"] = float(z.abs().max())
    if case.get("opcheck"):
        if tokens == 1:
            name = next(iter(files[1].SHAPES))
            given = (name, *inputs, bounds, real, *view.numbers(*FAR).values())
            torch.library.opcheck(kernels.decode, given)
        else:
            counts = [(start + tokens - keys) % view.chunk] if view.chunk else counts
            if view.relative:
                counts = [inputs[3].shape[1] // 2 if not view.causal else inputs[3].shape[1] - 1]
            keep = [True] if view.gate else []
            given = ("attended", *inputs, bounds, counts, *view.numbers().values(), *keep)
            torch.library.opcheck(kernels.attention, given)
    return found


def check_paged(
    paged: Any, view: Shape, case: dict[str, Any], inputs: list[Tensor]
) -> dict[str, float]:
    """The same for keys in pages, each text as long as it is; with kernels, and without."""
    (q, k, v, *beside), page, lengths = inputs, case["page"], torch.tensor(case["lengths"])
    pages = -(-k.shape[2] // page)
    table = torch.randperm(2 * pages).view(2, pages).int()
    blocks = [k.new_zeros(2 * pages, page, view.kv_heads, x.shape[3]) for x in (k, v)]
    # As servers have them: the pages in use of a table with room for more.
    table = torch.cat((table, table.new_full((2, 3), -1)), dim=1)[:, :pages]
    cache = paged.PagedKeyValueCache(*blocks, table, torch.zeros(2, dtype=torch.int32))
    cache.append(k[:, :, :3], v[:, :, :3])
    cache.append(k[:, :, 3:], v[:, :, 3:])
    cache.lengths = torch.stack((lengths.int(), lengths.int() - 1), dim=1)[:, 0]
    found: dict[str, float] = {"out": 0.0, "out_plain": 0.0, "out_size": 0.0}
    for used, name in ((True, "out"), (False, "out_plain")):
        paged.takes = lambda *_, used=used: used
        out = paged.attended_paged(q, cache, *beside, **view.numbers("activation"))
        assert out.isfinite().all()
        for b, length in enumerate(case["lengths"]):
            own = [
                x[b : b + 1].double()
                for x in (q[:, :, -length:], k[:, :, :length], v[:, :, :length])
            ]
            start = length - own[0].shape[2]
            want = definition(
                view, {"whole": True}, start, None, *own, *(x.double() for x in beside)
            )
            error = (out[b, :, -length:] - want[0]).abs().max().item()
            found[name] = max(found[name], error)
            found["out_size"] = max(found["out_size"], want.abs().max().item())
    if case.get("opcheck"):
        kernels = importlib.import_module(f"{paged.__package__}.kernels.paged")
        last = (cache.k, cache.v, *beside, cache.table, cache.lengths)
        numbers = view.numbers("activation").values()
        torch.library.opcheck(kernels.attend, ("attended", q, *last, *numbers))
    return found


GATES = {"sigmoid": torch.sigmoid, "softplus": torch.nn.functional.softplus}


def reality(case: dict[str, Any], start: int, keys: int) -> Tensor | None:
    """Which positions are real, by the bounds of both texts and the gaps in them."""
    if "bounds" not in case:
        return None
    positions = torch.arange(start + case["tokens"])
    real = torch.stack([(positions >= a) & (positions < b) for a, b in case["bounds"]])
    for sequence, position in case.get("gaps", ()):
        real[sequence, position] = False
    return real


def openings(case: dict[str, Any], positions: int) -> Tensor:
    """The slot where the text of each token opens, (B or 1, positions)."""
    if "texts" in case:
        return spans(case["texts"])[:, 0]
    return torch.tensor([[a] for a, _ in case.get("bounds", [[0, 0]])]).expand(-1, positions)


def spans(rows: list[list[int]]) -> Tensor:
    """Where the text of each token opens and closes, (B, 2, T), by the lengths of texts."""
    found: list[Tensor] = []
    for lengths in rows:
        own, ends = torch.tensor(lengths), torch.tensor(list(accumulate(lengths)))
        found.append(torch.stack((ends - own, ends)).repeat_interleave(own, dim=1))
    return torch.stack(found).int()


def bounds_of(view: Shape, case: dict[str, Any], positions: int) -> Tensor | None:
    """What kernels are told of texts: (B, 2), or for each token, padding being a text as well."""
    if "texts" in case:
        return spans(case["texts"])
    if "bounds" not in case:
        return None
    if not view.causal or view.blocks or case["tokens"] == 1:
        return torch.tensor(case["bounds"], dtype=torch.int32)
    return spans([[a, b - a, positions - b] for a, b in case["bounds"]])


def gradients(function: Any, inputs: list[Tensor], dout: Tensor) -> list[Tensor]:
    """The output and the gradients of what has one."""
    out = function(*inputs)
    learned = [x for x in inputs if x.requires_grad]
    return [out.detach(), *torch.autograd.grad(out, learned, dout)]


def definition(
    view: Shape,
    case: dict[str, Any],
    start: int,
    real: Tensor | None,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *beside: Tensor,
) -> Tensor:
    """Attention written out, in the type of q."""
    k = k.repeat_interleave(view.group, dim=1)
    v = v.repeat_interleave(view.group, dim=1)
    scores = (q @ k.mT) * view.scale
    if view.softcap:
        scores = view.softcap * torch.tanh(scores / view.softcap)
    tokens, keys = q.shape[2], k.shape[2]
    query = start + torch.arange(tokens)[:, None]
    key = start + tokens - keys + torch.arange(keys)
    if tokens == 1 and view.chunk and "whole" not in case:
        key = start - start % view.chunk + torch.arange(keys)
    if view.slopes:
        scores = scores - (beside[0].to(q.dtype)[:, None, None] * (query - key))
    if view.relative:
        biases = beside[0].to(q.dtype)
        here = 0 if view.causal else biases.shape[1] // 2  # the place of no distance
        scores = scores + biases[:, (query - key + here).clamp(0, biases.shape[1] - 1)]
    hidden = torch.zeros(1, 1, tokens, keys, dtype=torch.bool)
    if tokens == 1 and view.window and "whole" not in case:
        key = start - (start - torch.arange(keys)) % keys
    if view.causal:
        hidden = hidden | (key > query)
        if view.window:
            hidden = hidden | (query - key >= view.window)
        opens = openings(case, start + tokens)
        mine, theirs = opens[:, None, start:, None], opens[:, None, None, key]
        if view.chunk:
            hidden = hidden | ((query - mine) // view.chunk != (key - theirs) // view.chunk)
        if view.blocks:
            firsts = opens[:, None, :1, None]
            hidden = hidden | ~written_blocks(view, query, key, firsts)
        prefix = mine + case.get("prefix", 0)
        hidden = hidden & ~((query < prefix) & (key < prefix))
        hidden = hidden | (mine != theirs)
    if real is not None:
        hidden = hidden | ~real[:, None, None, key]
        if view.causal:
            hidden = hidden & real[:, None, start:, None]  # a row of padding may see anything
    scores = scores.masked_fill(hidden, float("-inf"))
    if view.sinks:
        column = beside[0].to(q.dtype)[None, :, None, None].expand(*scores.shape[:3], 1)
        scores = torch.cat((scores, column), dim=-1)
    out = scores.softmax(dim=-1)[..., :keys] @ v
    if view.gate and "whole" not in case:
        opened = GATES[view.gate[1]](beside[-1].to(q.dtype))
        out = out * opened.view(*opened.shape[:2], view.heads, -1).transpose(1, 2)
    return out


def written_blocks(view: Shape, query: Tensor, key: Tensor, firsts: Tensor) -> Tensor:
    """Whether keys are in blocks that queries see, pair by pair: (texts, H, T, S)."""
    own = view.blocks
    seen = torch.zeros(len(firsts), view.heads, len(query), len(key), dtype=torch.bool)
    for text, opens in enumerate(firsts.flatten().tolist()):
        for t, place in enumerate((query.flatten() - opens).tolist()):
            last = place // own.size
            sees = [
                {*range(last - own.local + 1, last + 1), *range(own.first)}
                | {
                    b
                    for b in range(last)
                    if own.stride and (b + 1 + own.shift * h) % own.stride == 0
                }
                for h in range(view.kv_heads)
            ]
            for h in range(view.heads):
                blocks = sees[h // view.group]
                for s, other in enumerate((key - opens).tolist()):
                    seen[text, h, t, s] = other // own.size in blocks
    return seen


if __name__ == "__main__":
    main()
