# Built by archspec 0.1.0 from encoder.yaml; edit the spec and build again.
"""What a call is given, checked: an error says what that was, and what is expected."""

from __future__ import annotations

import torch
from torch import Tensor

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
    for other, tensor in beside.items():
        if tensor is not None and tensor.shape != ids.shape:
            shapes = f"{tuple(tensor.shape)}; expected {tuple(ids.shape)}"
            raise ValueError(f"{other} has the shape {shapes}, that of {name}")


def unknown_id(ids: Tensor, name: str = "input_ids") -> ValueError:
    """The error for ids that are not in the vocabulary."""
    wrong = int(ids[(ids < 0) | (ids >= VOCABULARY)][0])
    return ValueError(f"{name} has the id {wrong}; the vocabulary has 0 … {VOCABULARY - 1}")
