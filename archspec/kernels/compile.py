"""The kernels of a package compiled ahead of time, for a GPU that need not be there.

torch and triton are imported here, when it runs, and by no other part of archspec.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import import_module, invalidate_caches
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any

from archspec.errors import ArchspecError
from archspec.kernels import cubin
from archspec.kernels.tensor_work import tensor_work
from archspec.output.place import put_files


@dataclass(frozen=True)
class Target:
    """A kind of GPU, as Triton names it, and what its kernels may use."""

    backend: str
    arch: int | str
    threads: int
    """In a warp."""

    shared_memory: int
    """Bytes that one block can have."""

    matrix: str
    """A pattern of its matrix instructions in the assembly."""

    like: str | None = None
    """Whose tiles it takes, where it has none of its own."""


MMA = r"\bmma\.sync\b"
WGMMA = r"\bwgmma\.mma_async\b"
TARGETS = {
    "sm_80": Target("cuda", 80, 32, 166_912, MMA),
    "sm_89": Target("cuda", 89, 32, 101_376, MMA),
    "sm_90": Target("cuda", 90, 32, 232_448, WGMMA),
    "sm_100": Target("cuda", 100, 32, 232_448, r"\btcgen05\.mma\b"),
    "sm_120": Target("cuda", 120, 32, 101_376, MMA, like="sm_89"),
    "gfx942": Target("hip", "gfx942", 64, 65_536, r"\bv_s?mfmac?_"),
}
AHEAD = "kernels/ahead.py"
"""The file of a package that lists its binaries."""

PRODUCT = r"\btt\.dot\b.* : tensor<(\d+)x(\d+)x.* \* tensor<\d+x(\d+)x"
"""In Triton's own text, a product that one warp computes by itself: its rows, depth and columns."""

WIDE = 64
"""From this on, on every side, a warpgroup can compute a product."""

ASYNC_COPIES = r"\bcp\.async\.(?:ca|cg|bulk\.tensor)\b|\bbuffer_load_\w+ .*\blds\b"
_READING = Lock()


@dataclass(frozen=True)
class Compiled:
    """What became of one kernel.

    `registers` of a thread, `spills` and `shared_memory` in bytes, `matrix` and `async_copies`
    instructions in the text, `wgmma` those matrix instructions that a warpgroup issues together,
    `plain_products` the products that one could have issued so and that are not. `tensor_work`
    is how many times the tensor cores do what the tiles need, where a kernel of NVIDIA's uses them,
    and `spills_in_loops` how many instructions of its loops spill or read what was spilled.
    Where it did not compile, `error` says why and the numbers are None.
    """

    name: str
    target: str
    registers: int | None
    spills: int | None
    shared_memory: int | None
    wgmma: int | None
    matrix: int | None
    async_copies: int | None
    seconds: float
    error: str | None = None
    plain_products: int | None = None
    tensor_work: float | None = None
    spills_in_loops: int | None = None

    @property
    def ok(self) -> bool:
        """Whether it compiled, and fits on its target."""
        return (
            self.shared_memory is not None
            and self.shared_memory <= TARGETS[self.target].shared_memory
        )

    def to_dict(self) -> dict[str, Any]:
        """As plain data for JSON."""
        return asdict(self)


def compile_kernels(
    files: dict[str, str], package: str, target: str, wanted: Callable[[Any], bool] | None = None
) -> list[Compiled]:
    """Compile every kernel of a package for a key of `TARGETS`, from nothing, on all cores.

    `files` are those that `codegen.build` gives for the package of that name. `wanted` picks
    some of the variants for that target. Raises `ArchspecError` where torch or Triton is missing.
    """
    _require()
    with (
        tempfile.TemporaryDirectory() as folder,
        _imported(files, package, folder) as ahead,
    ):
        tiles = TARGETS[target].like or target
        listed: list[Any] = ahead.variants(tiles) if ahead else []
        meant = [variant for variant in listed if variant.target in (None, target)]
        variants = [variant for variant in meant if wanted is None or wanted(variant)]
        triton: Any = import_module("triton")
        with triton.knobs.cache.scope(), ThreadPoolExecutor(os.cpu_count()) as pool:
            triton.knobs.cache.dir = str(Path(folder) / "cache")
            jobs = [pool.submit(_compile, variant, target, folder) for variant in variants]
            return [job.result() for job in jobs]


def _require() -> None:
    for name, install in {"torch": "torch", "triton": "triton"}.items():
        if find_spec(name) is None:
            raise ArchspecError(
                f"compiling kernels needs {name}, which is not installed\n"
                f"  help: pip install {install}"
            )
    if os.environ.get("TRITON_INTERPRET") == "1":
        raise ArchspecError(
            "TRITON_INTERPRET=1 is set, with which Triton compiles nothing\n  help: unset it"
        )


@contextmanager
def _imported(files: dict[str, str], package: str, folder: str) -> Generator[Any]:
    """The module of a package that lists its binaries, for a while; None where it has none."""
    # A name that no other module has, however often a package is compiled in one process.
    name = f"{package}_{Path(folder).name}"
    put_files(files, Path(folder) / name)
    sys.path.insert(0, folder)
    try:
        invalidate_caches()
        yield import_module(f"{name}.kernels.ahead") if AHEAD in files else None
    finally:
        sys.path.remove(folder)
        for module in [m for m in sys.modules if m.partition(".")[0] == name]:
            del sys.modules[module]


def _compile(variant: Any, name: str, folder: str) -> Compiled:
    target = TARGETS[name]
    compiler: Any = import_module("triton.compiler")
    backends: Any = import_module("triton.backends.compiler")
    divisible = {
        (i,): [["tt.divisibility", 16]]
        for i, argument in enumerate(variant.signature)
        if argument in variant.attrs
    }
    # What is written in Gluon names its layouts itself, and is a language of its own.
    gluon: Any = import_module("triton.experimental.gluon._runtime")
    language = gluon.GluonASTSource if variant.kernel.is_gluon() else compiler.ASTSource
    source = language(
        variant.kernel,
        signature=variant.signature,
        constexprs=variant.constants,
        attrs=divisible,
    )
    start = time.perf_counter()
    try:
        made = compiler.compile(
            _read_alone(source),
            target=backends.GPUTarget(target.backend, target.arch, target.threads),
            options={"num_warps": variant.num_warps, "num_stages": variant.num_stages},
        )
    except Exception as error:  # whatever the compiler raises is its verdict on this kernel
        seconds = time.perf_counter() - start
        reason = f"{type(error).__name__}: {error}"
        return Compiled(variant.name, name, *[None] * 6, seconds=seconds, error=reason)
    seconds = time.perf_counter() - start
    text: str = made.asm["ptx" if target.backend == "cuda" else "amdgcn"]
    work = looped = None
    if target.backend == "cuda":
        registers, spills = cubin.usage(made.asm["cubin"], folder)
        looped = cubin.spills_in_loops(made.asm["cubin"], folder) if spills else 0
        work = tensor_work(text, made.asm["ttgir"], variant.num_warps)
    else:
        registers, spills = _amd_usage(text)
    return Compiled(
        variant.name,
        name,
        registers,
        spills,
        made.metadata.shared,
        _count(WGMMA, text),
        _count(target.matrix, text),
        _count(ASYNC_COPIES, text),
        seconds,
        plain_products=_plain_products(made.asm["ttgir"]) if target.matrix == WGMMA else None,
        tensor_work=work,
        spills_in_loops=looped,
    )


def _read_alone(source: Any) -> Any:
    """The same, whose Python no other thread reads meanwhile; compiling what comes of it is free.

    CPython 3.11 counts the depth of syntax trees once for all threads: two that are made at the
    same time raise SystemError now and then (python/cpython#106905).
    """
    read = source.make_ir

    def alone(*given: Any) -> Any:
        with _READING:
            return read(*given)

    source.make_ir = alone
    with _READING:
        source.hash()
    return source


def _plain_products(text: str) -> int:
    """The products of `WIDE` and more on every side that stayed with single warps."""
    return sum(min(int(n) for n in sizes) >= WIDE for sizes in re.findall(PRODUCT, text))


def _count(pattern: str, text: str) -> int:
    return len(re.findall(pattern, text))


def _amd_usage(text: str) -> tuple[int, int]:
    """Vector registers of a thread and bytes spilled."""

    def number(name: str) -> int:
        return sum(int(n) for n in re.findall(rf"^\s*\.{name}:\s+(\d+)", text, re.MULTILINE))

    # .vgpr_count is the sum of both kinds on this target; .agpr_count is a part of it.
    return number("vgpr_count"), 4 * number("vgpr_spill_count")
