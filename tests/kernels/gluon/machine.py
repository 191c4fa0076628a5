"""The warps of a program, shared memory, barriers and copies, in an order drawn from a seed.

Copies arrive when chance says so and products are computed as late as they may be. What a real
machine would get wrong without a word is a `Fault` here: a tile that is overwritten while someone
reads it, read while it is written, read before it came, or a program that waits for ever.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable
from random import Random
from typing import Any

import torch
from torch import Tensor


class Fault(AssertionError):
    """What must not happen on a GPU."""


class Barrier:
    """It changes phase when so many have arrived and all bytes that were announced have come."""

    def __init__(self) -> None:
        self.count = self.missing = self.bytes = self.phase = 0
        self.shown = False  # to copies, which see shared memory by another way

    def init(self, count: int) -> None:
        self.count = self.missing = count

    def arrive(self) -> None:
        self.missing -= 1
        if self.missing < 0:
            raise Fault("more arrive at a barrier than it counts")
        self.turn()

    def turn(self) -> None:
        if self.missing == 0 and self.bytes == 0:
            self.phase, self.missing = self.phase + 1, self.count

    def passed(self, parity: int) -> bool:
        """Whether the phase of that parity is over: the one at hand has the other."""
        return self.phase & 1 != parity


class Tile:
    """Room for a tile in shared memory, and who is at it."""

    def __init__(self, shape: tuple[int, ...], dtype: torch.dtype) -> None:
        self.shape, self.dtype = shape, dtype
        self.data: Tensor | None = None
        self.holds: tuple[Any, ...] = ()
        self.readers = self.writers = 0
        self.shown = True  # to copies

    def permute(self, order: tuple[int, int]) -> Transposed:
        assert order == (1, 0)
        return Transposed(self)

    def begin_reading(self) -> None:
        if self.writers or self.data is None:
            raise Fault("a tile is read before it came")
        self.readers += 1

    def begin_writing(self) -> None:
        if self.readers or self.writers:
            raise Fault("a tile is written while another is at it")
        self.writers += 1

    def store(self, value: Tensor) -> None:
        here = threading.current_thread()
        assert isinstance(here, Warps)
        here.pause()
        self.begin_writing()
        assert value.shape == self.shape and value.dtype == self.dtype
        self.data, self.writers, self.shown = value, 0, False
        here.stored.append(self)


class Transposed:
    """The same tile read the other way."""

    def __init__(self, tile: Tile) -> None:
        self.tile = tile


class Product:
    """A product under way: nothing is known of it before someone has waited."""

    def __init__(self, compute: Callable[[], Tensor]) -> None:
        self.compute, self.result = compute, None

    @property
    def value(self) -> Tensor:
        if self.result is None:
            raise Fault("a product is used before it is there")
        return self.result


class Warps(threading.Thread):
    """Some warps with work of their own; they run when the machine says so."""

    def __init__(self, machine: Machine, function: Callable[..., None], arguments: Any) -> None:
        super().__init__(daemon=True)
        self.machine, self.work = machine, lambda: function(*arguments)
        self.turn, self.condition = threading.Semaphore(0), lambda: True
        self.error: BaseException | None = None
        self.done = False
        self.products: deque[Product] = deque()
        self.storing = 0
        self.stored: list[Tile] = []
        self.reads: Counter[tuple[Any, ...]] = Counter()

    def run(self) -> None:
        self.turn.acquire()
        try:
            self.work()
            if self.products or self.storing:
                raise Fault("warps end before their products or stores")
        except BaseException as error:  # handed to the machine, which raises it
            self.error = error
        self.done = True
        self.machine.turn.release()

    def pause(self, condition: Callable[[], bool] = lambda: True) -> None:
        """Let others run, and go on when the condition holds."""
        self.condition = condition
        self.machine.turn.release()
        self.turn.acquire()


class Machine:
    """One program of a grid."""

    def __init__(self, seed: str, program: tuple[int], grid: tuple[int]) -> None:
        self.random, self.program, self.grid = Random(seed), program, grid
        self.turn = threading.Semaphore(0)
        self.copies: list[Callable[[], None]] = []
        self.workers: list[Warps] = []
        self.barriers: list[Barrier] = []

    def specialize(self, functions: list[tuple[Callable[..., None], Any]]) -> None:
        """Run each function in warps of its own, until all are done."""
        self.workers = [Warps(self, function, arguments) for function, arguments in functions]
        for worker in self.workers:
            worker.start()
        while alive := [w for w in self.workers if not w.done]:
            able = [w for w in alive if w.condition()]
            if not able and not self.copies:
                raise Fault("a deadlock: all wait, and nothing comes")
            picked = self.random.choice([*able, *self.copies])
            if isinstance(picked, Warps):
                picked.turn.release()
                self.turn.acquire()
                if picked.error:
                    raise picked.error
            else:
                self.copies.remove(picked)
                picked()
        if self.copies:
            raise Fault("a program ends before its copies")

    @property
    def here(self) -> Warps | None:
        """Whose turn it is; None before warps have work of their own."""
        running = threading.current_thread()
        return running if isinstance(running, Warps) else None
