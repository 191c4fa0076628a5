# Built by archspec 0.1.0 from encoder.yaml; edit the spec and build again.
"""What a call is given, checked: an error says what that was, and what is expected."""

from __future__ import annotations

import torch
from torch import Tensor, nn

VOCABULARY = 1024


def check_ids(ids: Tensor, name: str = "input_ids", **beside: Tensor | None) -> None:
    """Token ids are whole numbers (B, T), and what is given `beside` them has their shape.

    Raises:
        TypeError: They are no tensor, or one of other numbers.
        ValueError: A shape is another one, or texts have no tokens.
    """
    if not isinstance(ids, Tensor) or ids.dtype not in (torch.int64, torch.int32):
        given = f"a tensor of {ids.dtype}" if isinstance(ids, Tensor) else type(ids).__name__
        raise TypeError(f"{name} is {given}; expected token ids, a tensor of torch.int64")
    if ids.ndim != 2:
        hint = f"; for one text give {name}[None]" if ids.ndim == 1 else ""
        raise ValueError(f"{name} has the shape {tuple(ids.shape)}; expected (B, T){hint}")
    if ids.shape[1] == 0:
        raise ValueError(
            f"{name} has no tokens, (B, T) = {tuple(ids.shape)}; expected one at least"
        )
    check_beside(ids.shape, name, beside)


def check_beside(shape: torch.Size, name: str, beside: dict[str, Tensor | None]) -> None:
    """What is given `beside` the tokens called `name` has their shape (B, T); ValueError else."""
    for other, tensor in beside.items():
        if tensor is not None and tensor.shape != shape:
            shapes = f"{tuple(tensor.shape)}; expected {tuple(shape)}"
            raise ValueError(f"{other} has the shape {shapes}, that of {name}")


def check_tokens(
    ids: Tensor | None, embeds: Tensor | None, name: str = "input_ids", **beside: Tensor | None
) -> tuple[int, int]:
    """How many texts and tokens are given, as ids (B, T) or as vectors (B, T, 96).

    Raises:
        TypeError: Both are given or none, or one is no tensor of its kind of numbers.
        ValueError: A shape is another one, or texts have no tokens.
    """
    vectors = name.replace("input_ids", "inputs_embeds")
    if ids is not None and embeds is None:
        check_ids(ids, name, **beside)
        return ids.shape[0], ids.shape[1]
    if ids is not None or embeds is None:
        given = "neither is" if embeds is None else "both are"
        raise TypeError(f"{given} given; expected one of {name} and {vectors}")
    check_vectors(embeds, vectors, beside)
    return embeds.shape[0], embeds.shape[1]


def check_vectors(x: Tensor, name: str, beside: dict[str, Tensor | None]) -> None:
    """Vectors of tokens (B, T, 96) and what is given `beside` them; raises as `check_tokens`."""
    if not isinstance(x, Tensor) or not x.is_floating_point():
        given = f"a tensor of {x.dtype}" if isinstance(x, Tensor) else type(x).__name__
        raise TypeError(
            f"{name} is {given}; expected vectors, a tensor of torch.float32 or shorter"
        )
    if x.ndim != 3 or x.shape[-1] != 96 or x.shape[1] == 0:
        raise ValueError(f"{name} has the shape {tuple(x.shape)}; expected (B, T, 96)")
    check_beside(x.shape[:2], name, beside)


def embedded(table: nn.Module, ids: Tensor | None, name: str = "input_ids") -> Tensor:
    """The vectors of token ids (B, T) in a table: (B, T, 96).

    Raises:
        ValueError: An id is not in the vocabulary. A GPU would have to be waited for, and says so
            in words of its own.
    """
    assert ids is not None
    try:
        return table(ids)
    except IndexError:
        raise unknown_id(ids, name) from None


def unknown_id(ids: Tensor, name: str = "input_ids") -> ValueError:
    """The error for ids that are not in the vocabulary."""
    wrong = int(ids[(ids < 0) | (ids >= VOCABULARY)][0])
    return ValueError(f"{name} has the id {wrong}; the vocabulary has 0 … {VOCABULARY - 1}")


def check_positions(positions: Tensor | None) -> None:
    """Positions (B, T) have a row in the table; those on a GPU, which would wait, are not looked at.

    Raises:
        TypeError: They are no whole numbers.
        ValueError: One is none of the 256 that the model has.
    """
    if positions is None:
        return
    if positions.dtype not in (torch.int64, torch.int32):
        raise TypeError(f"position_ids is a tensor of {positions.dtype}; expected torch.int64")
    if not positions.is_cpu or torch.compiler.is_compiling():
        return
    wrong = positions[(positions < 0) | (positions >= 256)]
    if wrong.numel():
        raise ValueError(f"position_ids has {int(wrong[0])}; the model has 0 … 255")
