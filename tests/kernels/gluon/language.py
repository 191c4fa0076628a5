"""What a kernel in Gluon names, as functions on PyTorch's tensors; layouts say nothing here."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
from kernels.gluon.machine import Barrier, Fault, Machine, Product, Tile, Transposed
from kernels.gluon.values import Int, Pointer, TensorDescriptor
from torch import Tensor

machines: list[Machine] = []
"""Every program that ran, the one at hand last."""

chance = {"seed": "0"}
"""What orders are drawn from, beside the place of a program."""


def _machine() -> Machine:
    return machines[-1]


def _pause(condition: Callable[[], bool] = lambda: True) -> None:
    here = _machine().here
    if here:
        here.pause(condition)
    else:
        assert condition()


def allocate_shared_memory(dtype: torch.dtype, shape: list[int], _: Any) -> Any:
    """Barriers, where it is of whole numbers, or room for tiles."""

    def made() -> Any:
        if dtype != torch.int64:
            return Tile(tuple(shape[1:]), dtype)
        _machine().barriers.append(Barrier())
        return _machine().barriers[-1]

    if dtype == torch.int64 and len(shape) == 1:
        return made()
    places = [made() for _ in range(shape[0])]
    return SimpleNamespace(index=lambda place: places[place])


def warp_specialize(functions: list[Any], warps: list[int], registers: list[int]) -> None:
    """The first function is that of the warps which ran until now."""
    assert len(warps) == len(registers) == len(functions) - 1
    _machine().specialize(functions)


def _wait(barrier: Barrier, phase: int, pred: bool = True) -> None:
    _pause(lambda: not pred or barrier.passed(phase))


def _arrive(barrier: Barrier) -> None:
    _pause()
    barrier.arrive()


def _expect(barrier: Barrier, count: int) -> None:
    _pause()
    barrier.bytes += count
    barrier.arrive()


def fence() -> None:
    """What was written by these warps is seen by copies from now on."""
    here = _machine().here
    if here:
        for tile in here.stored:
            tile.shown = True
    else:
        for barrier in _machine().barriers:
            barrier.shown = True


def _copy_in(source: TensorDescriptor, at: list[int], barrier: Barrier, tile: Tile) -> None:
    _pause()
    if not barrier.shown or not tile.shown:
        raise Fault("a copy sees an earlier state of shared memory")
    assert tile.shape == tuple(source.block[2:])
    tile.begin_writing()

    def land() -> None:
        there, rows, columns = source.room(at)
        tile.data = torch.zeros(tile.shape, dtype=tile.dtype)
        tile.data[:rows, :columns] = there
        tile.holds, tile.writers = (source.name, *map(int, at)), 0
        barrier.bytes -= source.block_type.nbytes
        barrier.turn()

    _machine().copies.append(land)


def _copy_out(target: TensorDescriptor, at: list[int], tile: Tile) -> None:
    _pause()
    here = _machine().here
    assert here
    if not tile.shown:
        raise Fault("a copy sees an earlier state of shared memory")
    tile.begin_reading()
    here.storing += 1

    def land() -> None:
        there, rows, columns = target.room(at)
        assert tile.data is not None
        there.copy_(tile.data[:rows, :columns])
        tile.readers -= 1
        here.storing -= 1

    _machine().copies.append(land)


def _store_wait(pendings: int) -> None:
    here = _machine().here
    assert here and pendings == 0
    here.pause(lambda: here.storing == 0)


def warpgroup_mma(
    a: Any, b: Any, acc: Any, use_acc: bool = True, is_async: bool = False
) -> Product:
    """The product a b, and acc; tiles are read until someone has waited for it."""
    _pause()
    here = _machine().here
    assert here and is_async
    tiles = [x.tile if isinstance(x, Transposed) else x for x in (a, b)]
    tiles = [x for x in tiles if isinstance(x, Tile)]
    for tile in tiles:
        tile.begin_reading()
        here.reads[tile.holds] += 1

    def read(x: Any) -> Tensor:
        found = x.tile.data.T if isinstance(x, Transposed) else x.data if isinstance(x, Tile) else x
        return found.float()

    def compute() -> Tensor:
        total = read(a) @ read(b)
        if use_acc:
            total = total + (acc.value if isinstance(acc, Product) else acc)
        for tile in tiles:
            tile.readers -= 1
        return total

    here.products.append(Product(compute))
    return here.products[-1]


def warpgroup_mma_wait(outstanding: int, deps: list[Any]) -> Any:
    """Until so many products are left; then what `deps` are."""
    _pause()
    here = _machine().here
    assert here
    while len(here.products) > outstanding:
        product = here.products.popleft()
        product.result = product.compute()
    found = [x.value if isinstance(x, Product) else x for x in deps]
    return found[0] if len(found) == 1 else found


def _either(tensors: Callable[..., Any], numbers: Callable[..., Any]) -> Callable[..., Any]:
    def chosen(a: Any, b: Any) -> Any:
        if isinstance(a, int) and isinstance(b, int):
            return Int(numbers(a, b))
        return tensors(torch.as_tensor(a), torch.as_tensor(b))

    return chosen


def _load(at: Pointer) -> Tensor:
    return at.tensor.view(-1)[at.offset]


def _store(at: Pointer, value: Tensor, mask: Tensor) -> None:
    at.tensor.view(-1)[at.offset[mask]] = value[mask]


class Kernel:
    """A function under @gluon.jit, called from another or launched."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function, self.__name__ = function, function.__name__
        self.arg_names = list(signature(function).parameters)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self.function(*arguments, **named)

    def __getitem__(self, grid: tuple[int]) -> Callable[..., None]:
        def run(*arguments: Any, num_warps: int, **constants: int) -> None:
            assert num_warps == 4
            passed = [_argument(x) for x in arguments]
            for name, x in zip(signature(self.function).parameters, passed, strict=False):
                if isinstance(x, TensorDescriptor):
                    x.name = name
            for program in ((x,) for x in range(grid[0])):
                machines.append(Machine(f"{chance['seed']} {program}", program, grid))
                self.function(*passed, **constants)

        return run


def _argument(x: Any) -> Any:
    return Int(x) if isinstance(x, int) else Pointer(x) if isinstance(x, Tensor) else x


def jit(function: Any = None, **_: Any) -> Any:
    """The function itself."""
    return Kernel if function is None else Kernel(function)


def _layout(*_: Any, **__: Any) -> None:
    return None


class NVMMASharedLayout:
    def __init__(self, swizzle: int, bits: int, rank: int) -> None:
        assert bits == 16 and rank in (2, 4)
        self.swizzle = swizzle


LANGUAGE: dict[str, Any] = {
    "DotOperandLayout": _layout,
    "NVMMADistributedLayout": _layout,
    "NVMMASharedLayout": NVMMASharedLayout,
    "SliceLayout": _layout,
    "allocate_shared_memory": allocate_shared_memory,
    "arange": lambda begin, end, _: torch.arange(begin, end),
    "cdiv": lambda a, b: Int(-(-int(a) // int(b))),
    "constexpr": lambda x: x,
    "convert_layout": lambda x, _: x,
    "exp2": torch.exp2,
    "float32": torch.float32,
    "full": lambda shape, value, dtype, _: torch.full(shape, value, dtype=dtype),
    "int64": torch.int64,
    "load": _load,
    "log2": torch.log2,
    "max": lambda x, axis: x.amax(axis),
    "maximum": _either(torch.maximum, max),
    "minimum": _either(torch.minimum, min),
    "num_programs": lambda axis: Int(_machine().grid[axis]),
    "program_id": lambda axis: Int(_machine().program[axis]),
    "static_range": range,
    "store": _store,
    "sum": lambda x, axis: x.sum(axis),
    "warp_specialize": warp_specialize,
    "where": lambda mask, x, other: torch.where(mask, x, other),
    "zeros": lambda shape, dtype, _: torch.zeros(shape, dtype=dtype),
}
HOPPER: dict[str, Any] = {
    "fence_async_shared": fence,
    "mbarrier": SimpleNamespace(
        MBarrierLayout=_layout,
        arrive=_arrive,
        expect=_expect,
        init=lambda barrier, count: barrier.init(count),
        wait=_wait,
    ),
    "tma": SimpleNamespace(
        async_copy_global_to_shared=_copy_in,
        async_copy_shared_to_global=_copy_out,
        store_wait=_store_wait,
    ),
    "warpgroup_mma": warpgroup_mma,
    "warpgroup_mma_wait": warpgroup_mma_wait,
}


def modules() -> dict[str, ModuleType]:
    """What stands in for Triton's modules of these names while a file of kernels is imported."""
    made: dict[str, ModuleType] = {}
    gluon = "triton.experimental.gluon"
    names: dict[str, dict[str, Any]] = {
        "triton": {},
        "triton.experimental": {},
        gluon: {"jit": jit},
        f"{gluon}.language": LANGUAGE,
        f"{gluon}.language.nvidia": {},
        f"{gluon}.language.nvidia.hopper": HOPPER,
        f"{gluon}.nvidia": {},
        f"{gluon}.nvidia.hopper": {"TensorDescriptor": TensorDescriptor},
    }
    for name, holds in names.items():
        made[name] = ModuleType(name)
        vars(made[name]).update(holds)
        parent, _, last = name.rpartition(".")
        if parent:
            setattr(made[parent], last, made[name])
    return made
