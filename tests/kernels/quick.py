"""Triton's interpreter at several times its speed: what it does again and again, it does once.

- By itself it does every sum and product of integers a second time in 64 bits, to find an overflow
  of 32: those are places in tensors of a few thousand numbers here. What is compiled has no such
  check.
- Whatever a kernel calls prepares the language anew, as the kernel's launch has; and each launch
  looks through the language for what is to be prepared.
- It makes its table of types for every number.
- Each tensor has a type of its own, and both wrap every size of their shape, write the type's name
  and compare shapes size by size: shapes are few, and the same ones are one object here.
- Each operator goes through two functions that only hand on what they are given.
"""

import inspect
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from triton import language
from triton._utils import validate_block_shape
from triton.language import core, semantic
from triton.runtime import interpreter

prepare = interpreter._patch_lang
prepared: set[str] = set()


def call(function: interpreter.InterpretedFunction[Any], *given: Any, **more: Any) -> Any:
    """What a kernel calls: its launch has prepared `tl`; Triton's own use the same as `core`."""
    own = function.fn.__module__
    if own.startswith("triton.") and own not in prepared:
        prepare(function.fn)
        prepared.add(own)
    return function.rewrite()(*given, **more)


@cache
def builtins(place: object) -> list[tuple[str, Callable[..., Any]]]:
    """What the language is made of there, each without what is wrapped around it."""
    found = [(name, own) for name, own in inspect.getmembers(place) if core.is_builtin(own)]
    return [(name, inspect.unwrap(own)) for name, own in found]


def prepare_builtins(place: object, _: object, scope: interpreter._LangPatchScope) -> None:
    """Hand the interpreter to each of them."""
    for name, own in builtins(place):

        def interpreted(*given: Any, own: Callable[..., Any] = own, **more: Any) -> Any:
            more["_semantic"] = interpreter.interpreter_semantic
            return own(*given, **more)

        scope.set_attr(place, name, interpreted)


of_scalar = cache(interpreter._get_np_dtype)


def stored(dtype: language.dtype) -> np.dtype[Any]:
    """As what NumPy stores numbers of a type; pointers are numbers of 64 bits."""
    return of_scalar(language.uint64 if dtype.scalar.is_ptr() else dtype.scalar)


@cache
def shaped(sizes: tuple[int, ...]) -> tuple[core.tuple, int, core.tuple, core.constexpr]:
    """A shape and how many numbers it has, as types know them and as tensors do."""
    if not sizes:
        raise TypeError("0d block_type is forbidden")
    count = validate_block_shape(list(sizes))
    constants = core.tuple([core.constexpr(size) for size in sizes])
    return core.tuple(sizes), count, constants, core.constexpr(count)


def plain(sizes: Iterable[Any]) -> tuple[int, ...]:
    """Sizes as numbers of Python."""
    return tuple([getattr(size, "value", size) for size in sizes])


def make_block(self: Any, element_ty: language.dtype, shape: Iterable[Any]) -> None:
    """The type of a tensor with a shape."""
    self.element_ty = element_ty
    self.shape, self.numel, self.constants, self.count = shaped(plain(shape))


KEPT = {id(kind) for kind in (language.float32, language.float64, language.int32, language.int64)}
"""Types whose numbers stay as they are, whatever the operator; pointers have no hash."""
NO_SHAPE, ONE = core.tuple(()), core.constexpr(1)


def make_tensor(self: Any, handle: interpreter.TensorHandle, type: language.dtype) -> None:
    """A tensor of a type, or a number."""
    self.handle, self.type, self.dtype = handle, type, type.scalar
    block = type.is_block()
    self.shape, self.numel = (type.constants, type.count) if block else (NO_SHAPE, ONE)


broadcast = semantic.TritonSemantic.broadcast_impl_value
check = semantic.TritonSemantic.binary_op_type_checking_impl


def splat(self: Any, number: Any, shape: core.tuple) -> core.tensor:
    """A number as often as the shape has places."""
    kind = core.block_type(number.dtype, shape)
    return core.tensor(self.builder.create_splat(kind, number.handle), kind)


def broadcast_both(self: Any, one: Any, other: Any) -> tuple[Any, Any]:
    """Both with the same shape, which most have as they are."""
    own, others = one.type, other.type
    if own.is_block() != others.is_block():
        if own.is_block():
            return one, splat(self, other, own.shape)
        return splat(self, one, others.shape), other
    if not own.is_block() or own.shape is others.shape:
        return one, other
    return broadcast(self, one, other)


def check_both(self: Any, one: Any, other: Any, *given: Any, **more: Any) -> tuple[Any, Any]:
    """What an operator is of: tensors of one type of numbers, most often, which keep it."""
    kind = getattr(one, "dtype", None)
    if id(kind) in KEPT and kind is getattr(other, "dtype", None):
        return broadcast_both(self, one, other)
    return check(self, one, other, *given, **more)


equals = language.dtype.__eq__


def same(one: language.dtype, other: object) -> bool:
    """Whether two types are: most often they are one object."""
    return one is other or equals(one, other)


builder = interpreter.interpreter_builder
builder.options = replace(builder.options, sanitize_overflow=False)
interpreter.InterpretedFunction.__call__ = call
interpreter._patch_builtin = prepare_builtins
interpreter._get_np_dtype = stored
core.block_type.__init__ = make_block
core.block_type.name = property(lambda self: f"<{self.shape}, {self.element_ty}>")
core.tensor.__init__ = make_tensor
semantic.TritonSemantic.broadcast_impl_value = broadcast_both
semantic.TritonSemantic.binary_op_type_checking_impl = check_both
core.dtype.__eq__ = same
