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
from pathlib import Path
from typing import Any

os.environ |= {"TRITON_INTERPRET": "1", "ARCHSPEC_KERNELS": "interpret"}

import torch
from torch import Tensor

from archspec.codegen.environment import environment
from archspec.mechanisms.mixers.attention.hopper import hopper_context
from archspec.mechanisms.mixers.attention.kernels import KernelView, kernel_context


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
        (folder / name).mkdir()

        class Module:
            kernel = view

        context = {"header": "", "model": "a test"}
        context |= kernel_context([Module()]) | hopper_context([Module()])
        for file in ("launch.py", "attention_kernels.py"):
            text = environment().get_template(f"templates/kernels/{file}.jinja").render(context)
            (folder / name / file).write_text(text, encoding="utf-8")
        (folder / name / "__init__.py").touch()
        importlib.invalidate_caches()
    return importlib.import_module(f"{name}.attention_kernels")


def check(folder: Path, case: dict[str, Any]) -> dict[str, float]:
    """Errors of the output and of every gradient."""
    shape = {"window": None, "chunk": None, "softcap": None, "sinks": False, "slopes": False}
    shape |= {"causal": True, "kind": "attention"} | case["shape"]
    shape.setdefault("value_dim", shape["head_dim"])
    shape.setdefault("scale", shape["head_dim"] ** -0.5)
    view = KernelView(**shape)
    kernels = module(folder, view)
    for kernel in kernels.TILES if "tiles" in case else ():
        kernels.TILES[kernel] = kernels.Tiles(*case["tiles"])
    tokens, keys, dtype = case["tokens"], case.get("keys", case["tokens"]), case["dtype"]
    torch.manual_seed(0)

    def drawn(heads: int, length: int, width: int) -> Tensor:
        made = torch.randn(2, length, heads, width, dtype=torch.float64).to(getattr(torch, dtype))
        return made.transpose(1, 2)

    q = drawn(view.heads, tokens, view.head_dim)
    k, v = drawn(view.kv_heads, keys, view.head_dim), drawn(view.kv_heads, keys, view.value_dim)
    beside = [torch.randn(view.heads).to(q.dtype)] if view.sinks else []
    start = case.get("start", keys - tokens)
    inputs = [x.clone().requires_grad_() for x in (q, k, v, *beside)]
    if view.slopes:
        inputs.append(2.0 ** -torch.arange(1.0, view.heads + 1))
    dout = drawn(view.heads, tokens, view.value_dim)

    def own(*tensors: Tensor) -> Tensor:
        return kernels.attention(*tensors, *([start] if view.chunk else []))

    got = gradients(own, inputs, dout)
    want = gradients(
        lambda *tensors: definition(view, start, *tensors),
        [x.double().detach().requires_grad_(x.requires_grad) for x in inputs],
        dout.double(),
    )
    plain = gradients(lambda *tensors: definition(view, start, *tensors), inputs, dout)
    names = ["out", "dq", "dk", "dv", "dsinks"]
    found: dict[str, float] = {}
    for name, x, y, z in zip(names, got, plain, want, strict=False):
        assert x.shape == z.shape, name
        found[name] = float((x.double() - z).abs().max())
        found[f"{name}_plain"] = float((y.double() - z).abs().max())
        found[f"{name}_size"] = float(z.abs().max())
    if case.get("opcheck"):
        op = kernels._attention_decode if tokens == 1 else kernels._attention
        phase = [(start + tokens - keys) % view.chunk] if view.chunk and tokens > 1 else []
        torch.library.opcheck(op, (*inputs, *phase))
    return found


def gradients(function: Any, inputs: list[Tensor], dout: Tensor) -> list[Tensor]:
    """The output and the gradients of what has one."""
    out = function(*inputs)
    learned = [x for x in inputs if x.requires_grad]
    return [out.detach(), *torch.autograd.grad(out, learned, dout)]


def definition(view: KernelView, start: int, q: Tensor, k: Tensor, v: Tensor, *beside: Tensor):
    """Attention written out, in the type of q."""
    k = k.repeat_interleave(view.group, dim=1)
    v = v.repeat_interleave(view.group, dim=1)
    scores = (q @ k.mT) * view.scale
    if view.softcap:
        scores = view.softcap * torch.tanh(scores / view.softcap)
    tokens, keys = q.shape[2], k.shape[2]
    query = start + torch.arange(tokens)[:, None]
    key = start + tokens - keys + torch.arange(keys)
    if tokens == 1 and view.chunk:
        key = start - start % view.chunk + torch.arange(keys)
    if view.slopes:
        scores = scores - (beside[-1].to(q.dtype)[:, None, None] * (query - key))
    if view.causal:
        hidden = key > query
        if view.window:
            hidden = hidden | (query - key >= view.window)
        if view.chunk:
            hidden = hidden | (query // view.chunk != key // view.chunk)
        scores = scores.masked_fill(hidden, float("-inf"))
    if view.sinks:
        column = beside[0].to(q.dtype)[None, :, None, None].expand(*scores.shape[:3], 1)
        scores = torch.cat((scores, column), dim=-1)
    return scores.softmax(dim=-1)[..., :keys] @ v


if __name__ == "__main__":
    main()
