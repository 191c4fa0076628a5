"""Attention's kernels in Gluon: their text run by a machine of our own, and compiled for sm_90.

No GPU has run them. The machine does what a program says, its warps in an order drawn by chance,
and says where two of them would meet in shared memory.
"""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from kernels.gluon import language
from kernels.gluon.machine import Fault, Machine
from kernels.shape import Shape
from torch import Tensor

from archspec.codegen.environment import environment
from archspec.kernels.attention.files import kernel_context
from archspec.kernels.attention.hopper import HopperView, hopper_view
from archspec.kernels.compile import compile_kernels
from archspec.output.place import put_files

HOPPER = "kernels/attention_hopper.py"


def shape(heads: int, kv_heads: int, width: int, value: int | None = None, **more: Any) -> Shape:
    """A shape of attention; what is not said is as plain as can be."""
    return Shape(heads, kv_heads, width, value or width, **more)


KIND = "attended"
LAUNCHED = """
def launched(target):
    found = []
    attention_hopper.launch, attention_hopper.maps_of = Noted(found), types_of_maps
    with torch.device("meta"):
        q, k, v, *beside = (torch.empty(x, dtype=torch.bfloat16) for x in SIZES)
        attention_hopper.attention(KIND, q, k, v, beside, COUNTS, NUMBERS)
    return {"attention_hopper": found}
"""


def launched(view: Shape) -> str:
    """What calls the kernel once, without data."""
    sizes = [(1, view.heads, 16, view.head_dim)]
    sizes += [(1, view.kv_heads, 16, width) for width in (view.head_dim, view.value_dim)]
    sizes += [(view.heads,)] if view.sinks else []
    counts = [0] if view.chunk else []
    values = {"SIZES": sizes, "COUNTS": counts, "NUMBERS": constants(view), "KIND": KIND}
    text = LAUNCHED
    for name, value in values.items():
        text = text.replace(name, repr(value))
    return text


def constants(view: Shape) -> dict[str, Any]:
    """What a call brings, by the names that kernels have for it."""
    return {"CAP" if n == "softcap" else n.upper(): x for n, x in view.numbers().items()}


def files(view: Shape) -> dict[str, str]:
    """The files of a package that holds the kernel and nothing else."""

    class Module:
        kernel = view.kernel

    def rendered(template: str, **more: Any) -> str:
        context = {"header": "", "model": "a test", "has_gluon": True} | more
        context |= kernel_context([Module()])
        return environment().get_template(template).render(context)

    listed = rendered("templates/kernels/attention/ahead_hopper.jinja")
    listed += rendered("templates/kernels/attention/noted.jinja") + launched(view)
    ahead = [{"module": "attention_hopper", "text": listed, "by_target": True}]
    return {
        "__init__.py": "",
        "operators.py": rendered("templates/package/operators.py.jinja"),
        "kernels/__init__.py": rendered("templates/kernels/init.py.jinja"),
        "kernels/launch.py": rendered("templates/kernels/launch.py.jinja"),
        "kernels/ahead.py": rendered("templates/kernels/ahead.py.jinja", ahead=ahead),
        "kernels/attention.py": rendered("templates/kernels/attention/kernels.py.jinja"),
        HOPPER: rendered("templates/kernels/attention/hopper_kernels.py.jinja"),
    }


@pytest.fixture
def kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Imports the kernels of a view, with our language in place of Gluon."""

    def load(view: Shape, change: tuple[str, str] | None = None) -> ModuleType:
        package = tmp_path / f"{tmp_path.name}_{len(list(tmp_path.iterdir()))}"
        written = files(view)
        if change:
            assert change[0] in written[HOPPER]
            written[HOPPER] = written[HOPPER].replace(*change)
        put_files(written, package)
        monkeypatch.syspath_prepend(tmp_path)
        importlib.invalidate_caches()
        importlib.import_module(f"{package.name}.kernels.attention")  # in the real Triton
        with monkeypatch.context() as patched:
            for name, module in language.modules().items():
                patched.setitem(sys.modules, name, module)
            return importlib.import_module(f"{package.name}.kernels.attention_hopper")

    return load


def drawn(heads: int, length: int, width: int, batch: int = 1) -> Tensor:
    """(B, H, T, D) in half precision, as a projection gives it."""
    return torch.randn(batch, length, heads, width).half().transpose(1, 2)


def visible(view: Shape, query: Tensor, key: Tensor) -> Tensor:
    """Which keys a query sees, by their positions."""
    seen = (key <= query) | (not view.causal)
    if view.window:
        seen = seen & (query - key < view.window)
    if view.chunk:
        seen = seen & (query // view.chunk == key // view.chunk)
    return seen


def definition(view: Shape, start: int, q: Tensor, k: Tensor, v: Tensor, *sinks: Tensor):
    """What attention is in float64, and lse as the portable kernel keeps it: (B, K, T · G)."""
    q, k, v = (x.double() for x in (q, k, v))
    k, v = (x.repeat_interleave(view.group, dim=1) for x in (k, v))
    scores = (q @ k.mT) * view.scale
    if view.softcap:
        scores = view.softcap * torch.tanh(scores / view.softcap)
    tokens, keys = q.shape[2], k.shape[2]
    query = start + torch.arange(tokens)[:, None]
    key = start + tokens - keys + torch.arange(keys)
    scores = scores.masked_fill(~visible(view, query, key), float("-inf"))
    column = [x.double()[None, :, None, None].expand(*scores.shape[:3], 1) for x in sinks]
    scores = torch.cat((scores, *column), dim=-1)
    lse = scores.logsumexp(dim=-1) / torch.log(torch.tensor(2.0, dtype=torch.float64))
    lse = lse.view(q.shape[0], view.kv_heads, view.group, tokens).mT.flatten(2)
    return scores.softmax(dim=-1)[..., :keys] @ v, lse


def run(module: ModuleType, view: Shape, tokens: int, keys: int, batch: int = 1) -> list[Machine]:
    """Compare what the kernel gives with the definition; the programs that ran."""
    torch.manual_seed(0)
    q = drawn(view.heads, tokens, view.head_dim, batch)
    k = drawn(view.kv_heads, keys, view.head_dim, batch)
    v = drawn(view.kv_heads, keys, view.value_dim, batch)
    beside = [torch.randn(view.heads).half()] if view.sinks else []
    start = keys - tokens + (33 if view.chunk else 0)
    phase = [(start + tokens - keys) % view.chunk] if view.chunk else []
    language.machines.clear()
    out, lse = module.attention(KIND, q, k, v, beside, phase, constants(view))
    want, want_lse = definition(view, start, q, k, v, *beside)
    assert float((out.double() - want).abs().max()) < 2e-3
    assert float((lse.double() - want_lse).abs().max()) < 1e-4
    assert (
        out.stride()
        == q.new_empty(batch, tokens, view.heads, view.value_dim).transpose(1, 2).stride()
    )
    return list(language.machines)


CASES = {
    "causal": (shape(2, 1, 128), 300, 300),
    "one-token": (shape(1, 1, 128), 1, 1),
    "a-tile": (shape(1, 1, 128), 128, 128),
    "after-others": (shape(3, 1, 128), 70, 500),
    "after-a-few": (shape(1, 1, 128), 260, 261),
    "64": (shape(1, 1, 64), 390, 411),
    "256": (shape(2, 2, 256), 140, 140),
    "192-128": (shape(2, 1, 192, 128), 200, 200),
    "192": (shape(1, 1, 192, 192), 130, 150),
    "80": (shape(1, 1, 80), 150, 150),
    "72": (shape(1, 1, 72), 150, 150),
    "window": (shape(2, 1, 128, window=200), 520, 600),
    "window-of-a-tile": (shape(1, 1, 64, window=128), 300, 420),
    "window-of-one": (shape(1, 1, 128, window=1), 200, 200),
    "window-just-wide": (shape(1, 1, 64, window=129), 400, 700),
    "window-longer-than-the-text": (shape(1, 1, 128, window=4096), 200, 200),
    "chunk": (shape(1, 1, 128, chunk=150), 500, 560),
    "short-chunk": (shape(1, 1, 128, chunk=50), 200, 240),
    "both-ways": (shape(1, 1, 128, causal=False), 150, 300),
    "both-ways-even": (shape(1, 1, 64, causal=False), 10, 256),
    "softcap": (shape(2, 1, 128, softcap=3.0), 150, 150),
    "sinks": (shape(4, 2, 64, sinks=True, window=140), 260, 260),
}


@pytest.mark.parametrize("name", CASES)
def test_a_machine_of_our_own_gives_attention(name: str, kernels: Any) -> None:
    view, tokens, keys = CASES[name]
    hopper = hopper_view(view.kernel)
    assert hopper
    programs = run(kernels(view), view, tokens, keys)
    tiles = -(-tokens // hopper.ring.rows)
    assert len(programs) == view.heads * tiles
    for program in programs:
        first = (tiles - 1 - program.program[0] % tiles) * hopper.ring.rows
        begins = seen_tiles(view, first, hopper, tokens, keys)
        *readers, _, _ = program.workers
        assert len(readers) == hopper.ring.warpgroups
        for reader in readers:
            found = [(x, at[2]) for (x, *at), times in reader.reads.items() if times == 1]
            for x, parts in (("k_at", view.kernel.key_parts), ("v_at", view.kernel.value_parts)):
                for part in parts:
                    read = sorted(begin for who, begin in found if who == x + part.suffix)
                    assert read == begins


def seen_tiles(view: Shape, first: int, hopper: HopperView, tokens: int, keys: int) -> list[int]:
    """Where the tiles of keys begin of which the rows of a program see any, by the definition."""
    start = keys - tokens + (33 if view.chunk else 0)
    query = (start + torch.arange(tokens))[first : first + hopper.ring.rows, None]
    key = start + tokens - keys + torch.arange(keys)
    seen = visible(view, query, key).any(dim=0).nonzero().flatten() // hopper.ring.keys
    return [int(tile) * hopper.ring.keys for tile in seen.unique()]


def test_any_order_will_do(kernels: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    view = shape(1, 1, 192, 128, window=300)
    module = kernels(view)
    for number in range(12):
        monkeypatch.setitem(language.chance, "seed", str(number))
        run(module, view, 200, 1000)


def test_sequences_do_not_meet(kernels: Any) -> None:
    view = shape(2, 1, 128)
    run(kernels(view), view, 100, 130, batch=3)


VALUES = "acc, _, weights = warpgroup_mma_wait(0, deps=[acc, p, weights])"
FREE = "mbarrier.arrive(v_free.index(before))"
WRONG = {
    "no room is waited for": ("mbarrier.wait(free.index(place), (i // STAGES & 1) ^ 1)", "pass"),
    "the other phase": ("(i + 1) // STAGES & 1, pred", "((i + 1) // STAGES & 1) ^ 1, pred"),
    "no one says that it has read": (FREE, "pass"),
    "values are free too soon": (f"{VALUES}\n        {FREE}", f"{FREE}\n        {VALUES}"),
    "keys are free too soon": (
        "warpgroup_mma_wait(1, deps=[s])",
        "warpgroup_mma_wait(2, deps=[s])",
    ),
    "what is stored is not shown": ("fence_async_shared()\n    tma", "tma"),
    "barriers are not shown": ("fence_async_shared()\n    sequence", "sequence"),
    "too few bytes": ("x_at.block_type.nbytes)", "x_at.block_type.nbytes - 16)"),
    "no end is waited for": ("    tma.store_wait(0)\n", ""),
}


@pytest.mark.parametrize("what", WRONG)
def test_the_machine_finds_what_is_wrong(what: str, kernels: Any) -> None:
    view = shape(1, 1, 128)
    module = kernels(view, WRONG[what])
    with pytest.raises(Fault):
        run(module, view, 1100, 1100)


COMPILED = {
    "64": (shape(8, 2, 64, window=4096, sinks=True), 48),
    "192-128": (shape(8, 8, 192, 128), 80),
    "256": (shape(8, 4, 256, softcap=50.0), 80),
}


@pytest.mark.parametrize("name", COMPILED)
def test_it_compiles_for_hopper(name: str) -> None:
    view, products = COMPILED[name]
    [kernel] = compile_kernels(files(view), "hopper", "sm_90")
    assert kernel.error is None and kernel.ok
    assert kernel.spills == 0
    assert kernel.wgmma == products
    maps = len(view.kernel.key_parts + view.kernel.value_parts) * 3  # two for queries, two for sums
    assert kernel.async_copies is not None and kernel.async_copies >= maps


def test_other_targets_have_none() -> None:
    assert compile_kernels(files(shape(1, 1, 128)), "hopper", "sm_80") == []


def test_the_compiler_keeps_what_the_machine_takes_for_granted(tmp_path: Path) -> None:
    assembly = tmp_path / "assembly.py"
    assembly.write_text(ASSEMBLY, encoding="utf-8")
    put_files(files(shape(8, 2, 128)), tmp_path / "package")
    done = subprocess.run(
        [sys.executable, str(assembly)], capture_output=True, text=True, check=True
    )
    ptx, sass = json.loads(done.stdout)
    # A warpgroup meets between a product's end and the word that its tiles are free.
    marks = re.findall(r"wgmma\.wait_group|bar\.sync|mbarrier\.arrive\.shared", ptx)
    before = [marks[i - 1] for i, mark in enumerate(marks) if mark.startswith("mbarrier")]
    assert before and set(before) == {"bar.sync"}
    # Weights are made, 64 · 128 exponentials by 128 threads, while the product of values runs.
    waits = re.split(r"WARPGROUP\.DEPBAR\.LE gsb0, (0x[01])", sass)
    between = [
        part.count("MUFU.EX2")
        for kind, part, then in zip(waits[1::2], waits[2::2], waits[3::2], strict=False)
        if (kind, then) == ("0x1", "0x0")
    ]
    assert len(between) == 2 and min(between) >= 64
    # Two warpgroups wait four times each in the text: no product was put behind another.
    assert len(waits) == 2 * 8 + 1


ASSEMBLY = """
import json, subprocess, sys, tempfile
from pathlib import Path
sys.path.insert(0, str(Path(__file__).parent))
import triton
from triton.backends.compiler import GPUTarget
from triton.experimental.gluon._runtime import GluonASTSource
from package.kernels.ahead import variants
[variant] = variants("sm_90")
source = GluonASTSource(variant.kernel, variant.signature, variant.constants)
made = triton.compile(source, target=GPUTarget("cuda", 90, 32), options={"num_warps": 4})
cubin = Path(__file__).with_suffix(".cubin")
cubin.write_bytes(made.asm["cubin"])
program = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
said = subprocess.run([program, "-sass", cubin], capture_output=True, text=True, check=True)
print(json.dumps([made.asm["ptx"], said.stdout]))
"""


def test_what_it_is_not_made_for() -> None:
    assert hopper_view(shape(1, 1, 32).kernel) is None
    assert hopper_view(shape(1, 1, 100).kernel) is None
    assert hopper_view(shape(1, 1, 512).kernel) is None
    assert hopper_view(shape(1, 1, 64, 128).kernel) is None
    assert hopper_view(shape(4, 4, 64, slopes=True).kernel) is None
    assert hopper_view(None) is None
