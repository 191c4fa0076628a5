# Built by archspec 0.1.0 from layer-vectors.yaml; edit the spec and build again.
"""What a call is given, checked: an error says what that was, and what is expected."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable

import torch
from torch import Tensor, nn

VOCABULARY = 512


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
    ids: Tensor, embeds: Tensor | None, name: str = "input_ids", **beside: Tensor | None
) -> tuple[int, int]:
    """How many texts and tokens are given: ids (B, T), beside which may be vectors (B, T, 128).

    Raises:
        TypeError: One is no tensor of its kind of numbers.
        ValueError: A shape is another one, or texts have no tokens.
    """
    check_ids(ids, name, **beside)
    if embeds is not None:
        check_vectors(embeds, name.replace("input_ids", "inputs_embeds"), {name: ids})
    return ids.shape[0], ids.shape[1]


def check_vectors(x: Tensor, name: str, beside: dict[str, Tensor | None]) -> None:
    """Vectors of tokens (B, T, 128) and what is given `beside` them; raises as `check_tokens`."""
    if not isinstance(x, Tensor) or not x.is_floating_point():
        given = f"a tensor of {x.dtype}" if isinstance(x, Tensor) else type(x).__name__
        raise TypeError(
            f"{name} is {given}; expected vectors, a tensor of torch.float32 or shorter"
        )
    if x.ndim != 3 or x.shape[-1] != 128 or x.shape[1] == 0:
        raise ValueError(f"{name} has the shape {tuple(x.shape)}; expected (B, T, 128)")
    check_beside(x.shape[:2], name, beside)


def embedded(table: nn.Module, ids: Tensor | None, name: str = "input_ids") -> Tensor:
    """The vectors of token ids (B, T) in a table: (B, T, 128).

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


CONTEXT = 1024  # tokens, the longest text that the model is made for


def check_writing(
    ids: Tensor,
    mask: Tensor | None,
    max_new_tokens: int,
    temperature: float,
    name: str = "input_ids",
) -> None:
    """What `generate` is given; this waits for a GPU once.

    Raises:
        TypeError: Another kind of value than is expected.
        ValueError: Ids that are not in the vocabulary, a text without tokens, a negative number.
    """
    check_known(ids, name)
    check_ids(ids, name, attention_mask=mask)
    if mask is not None and not bool((mask != 0).any(dim=1).all()):
        raise ValueError("attention_mask hides all of a text; expected one token at least")
    if isinstance(max_new_tokens, bool) or not isinstance(max_new_tokens, int):
        raise TypeError(f"max_new_tokens is {max_new_tokens!r}; expected a whole number")
    if max_new_tokens < 0:
        raise ValueError(f"max_new_tokens is {max_new_tokens}; expected 0 or more")
    if isinstance(temperature, bool) or not isinstance(temperature, (int, float)):
        raise TypeError(f"temperature is {temperature!r}; expected a number")
    if not 0 <= temperature < math.inf:
        raise ValueError(f"temperature is {temperature}; expected 0 or more, and finite")
    tokens = ids.shape[1] + max_new_tokens
    if max_new_tokens and tokens > CONTEXT:
        warnings.warn(
            f"a text of up to {tokens} tokens; the model is made for {CONTEXT}", stacklevel=5
        )


def check_known(ids: Tensor, name: str = "input_ids") -> None:
    """Token ids (B, T) are in the vocabulary; raises as `check_ids`, and waits for a GPU."""
    check_ids(ids, name)
    if bool(((ids < 0) | (ids >= VOCABULARY)).any()):
        raise unknown_id(ids, name)


def stop_ids(stop_tokens: int | Iterable[int] | Tensor, like: Tensor) -> Tensor:
    """The ids that end a text, (N,), of the type and on the device of `like`.

    Raises:
        TypeError: They are no whole numbers.
        ValueError: One is not in the vocabulary, so that no text would end.
    """
    if isinstance(stop_tokens, Tensor):
        stop_tokens = stop_tokens.flatten().tolist()
    stops = [stop_tokens] if isinstance(stop_tokens, int) else list(stop_tokens)
    for stop in stops:
        if isinstance(stop, bool) or not isinstance(stop, int):
            raise TypeError(f"stop_tokens has {stop!r}; expected token ids")
        if not 0 <= stop < VOCABULARY:
            raise ValueError(f"stop_tokens has {stop}; the vocabulary has 0 … {VOCABULARY - 1}")
    return torch.tensor(stops, dtype=like.dtype, device=like.device)
