"""What kernels are passed: numbers, pointers, and where the tiles of a tensor are."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor


class Int(int):
    """An integer that is divided as on a GPU, towards zero."""

    def __floordiv__(self, other: int) -> Int:
        return Int(math.trunc(int(self) / int(other)))

    def __mod__(self, other: int) -> Int:
        return Int(int(self) - int(other) * int(self // other))

    def __add__(self, other: Any) -> Any:
        return Int(int(self) + int(other)) if isinstance(other, int) else int(self) + other

    def __sub__(self, other: Any) -> Any:
        return Int(int(self) - int(other)) if isinstance(other, int) else int(self) - other

    def __mul__(self, other: Any) -> Any:
        return Int(int(self) * int(other)) if isinstance(other, int) else int(self) * other

    def __radd__(self, other: int) -> Int:
        return Int(int(other) + int(self))

    def __rsub__(self, other: int) -> Int:
        return Int(int(other) - int(self))

    __rmul__ = __mul__

    def to(self, _: torch.dtype) -> Int:
        return self


class Pointer:
    """Into the numbers of a tensor, as they lie in memory."""

    def __init__(self, tensor: Tensor, offset: Any = 0) -> None:
        assert tensor.is_contiguous()
        self.tensor, self.offset = tensor, offset

    def __add__(self, more: Any) -> Pointer:
        return Pointer(self.tensor, self.offset + more)


class TensorDescriptor:
    """Tiles of a tensor (B, H, T, D), with zeros beyond its end."""

    def __init__(self, tensor: Tensor, block: list[int], layout: Any) -> None:
        assert tensor.data_ptr() % 16 == 0 and tensor.stride(3) == 1
        assert all(step > 0 and step % 8 == 0 for step in tensor.stride()[:3])
        assert layout.swizzle == min(128, 2 * block[-1]) and block[:2] == [1, 1]
        self.tensor, self.block, self.dtype = tensor, block, tensor.dtype
        self.name = ""  # of the kernel's argument
        self.block_type = SimpleNamespace(nbytes=2 * math.prod(block))

    @staticmethod
    def from_tensor(tensor: Tensor, block: list[int], layout: Any) -> TensorDescriptor:
        return TensorDescriptor(tensor, block, layout)

    def room(self, at: list[int]) -> tuple[Tensor, int, int]:
        """What there is of a tile, and its rows and columns."""
        batch, head, row, column = at
        there = self.tensor[batch, head, row : row + self.block[2], column : column + self.block[3]]
        return there, *there.shape
