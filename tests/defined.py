"""Built models beside the definition of what they compute, and how they compare."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from reading import Reading
from torch import Tensor, nn

from archspec.architecture import definition


def roughened(model: nn.Module) -> nn.Module:
    """In float64, drawn anew, with weights large enough that mistakes show."""
    torch.manual_seed(0)
    model.initialise()  # type: ignore[operator]
    model = model.eval().double()
    with torch.no_grad():
        for tensor in model.state_dict(keep_vars=True).values():
            scale = tensor.shape[-1] ** -0.5 if tensor.ndim > 1 else 0.1
            tensor.add_(torch.randn_like(tensor) * scale)
    return model


class Defined:
    """A model of `reading` and its definition, of the same weights."""

    def __init__(self, reading: Reading, model: nn.Module, longest: int = 133):
        self.reading, self.model, self.longest = reading, model, longest
        self.architecture = reading.architecture
        trained = {name for name, _ in model.named_parameters()}
        self.weights = {
            name: tensor.detach().clone().double().requires_grad_(name in trained)
            for name, tensor in model.state_dict().items()
        }
        self.given: dict[str, Tensor] = {}

    @property
    def exact(self) -> bool:
        """Whether all is float64: tables of positions are float32 in any model."""
        positions = [stack.embedding.positions for stack in self._stacks()]
        tables = any(p is not None and p.type == "sinusoidal" for p in positions)
        return not tables and not any(m.rotaries() for m in self.architecture.mechanisms)

    @property
    def takes_prefix(self) -> bool:
        """Whether a call may say how many tokens see each other both ways."""
        masks = (mechanism.mask() for mechanism in self.architecture.mechanisms)
        return any(mask is not None and mask.prefix for mask in masks)

    @property
    def tokens(self) -> int:
        """As many as show all that there is: three chunks of a recurrence, all kinds of block."""
        found = [37]
        for mechanism in self.architecture.mechanisms:
            mask, state = mechanism.mask(), mechanism.state()
            if mask is not None and mask.blocks is not None:
                found.append(min(mask.blocks.settles + 9, 105))
            if mask is None and state.exact:
                found.append(133)
        return min(max(found), self.longest)

    def ids(self, batch: int = 2) -> Tensor:
        """Texts of so many tokens."""
        generator = torch.Generator().manual_seed(1)
        size = (batch, self.tokens)
        return torch.randint(self.architecture.vocab_size, size, generator=generator)

    def logits(self, ids: Tensor, prefix: int = 0) -> Tensor:
        """By the definition; `given` then has what every mechanism gives."""
        self.given = {}
        source = next(iter(self.reading.source(ids.shape[0]).values()), None)
        source = source.double() if _floats(source) else source
        seen = self.given.__setitem__
        return definition.logits(self.architecture, self.weights, ids, source, prefix, seen)

    def mtp(self, ids: Tensor) -> list[Tensor]:
        """The same of tokens further on, where the model predicts any."""
        if self.architecture.mtp is None:
            return []
        return definition.mtp_logits(self.architecture, self.weights, ids)

    def gradients(self, of: Tensor) -> dict[str, Tensor]:
        """Of `of`, for every trained tensor that it depends on."""
        trained = {name: w for name, w in self.weights.items() if w.requires_grad}
        found = torch.autograd.grad(of, list(trained.values()), allow_unused=True)
        return {n: g for n, g in zip(trained, found, strict=True) if g is not None}

    def inputs(
        self, ids: Tensor, mask: Tensor | None = None, first: bool = True, prefix: int = 0
    ) -> dict[str, Any]:
        """The arguments of the model, in float64."""
        read = self.reading.inputs(ids, mask, first)
        read |= {n: x.double() for n, x in read.items() if _floats(x)}
        return read | ({"prefix_length": prefix} if prefix else {})

    @staticmethod
    def short(inputs: dict[str, Any]) -> dict[str, Any]:
        """The same in float32."""
        return inputs | {n: x.float() for n, x in inputs.items() if _floats(x)}

    def in_parts(
        self, ids: Tensor, mask: Tensor, sizes: Sequence[int], prefix: int = 0
    ) -> list[Tensor]:
        """What the model gives part by part, with a cache; a part without padding has no mask."""
        cache = self.reading.new_cache(self.model, *ids.shape)
        found: list[Tensor] = []
        for part, real in zip(ids.split(list(sizes), 1), mask.split(list(sizes), 1), strict=True):
            given = None if bool(real.all()) else real
            inputs = self.inputs(part, given, not found, prefix)
            found.append(self.model(**inputs, cache=cache))
        return found

    @contextmanager
    def heard(self) -> Iterator[dict[str, Tensor]]:
        """What every mechanism of the model gives meanwhile, by the name of its module."""
        found: dict[str, Tensor] = {}

        def listen(name: str) -> Any:
            return lambda _module, _given, out: found.__setitem__(name, out)

        modules = [m for m in self.model.named_modules() if m[0] in self.given]
        hooks = [module.register_forward_hook(listen(name)) for name, module in modules]
        yield found
        for hook in hooks:
            hook.remove()

    def close(self, found: Tensor, expected: Tensor, name: str, share: float = 0.0) -> None:
        """Equal up to a share of the largest number: the last digits of what is float32."""
        share = share or (1e-9 if self.exact else 8e-6)
        limit = share * expected.abs().max().item() + 1e-9
        apart = (found - expected).abs().max().item()
        assert apart <= limit, f"{name} is {apart:.1e} off, {limit:.1e} would pass"

    def _stacks(self) -> list[Any]:
        encoder = self.architecture.encoder
        return [self.architecture, *([encoder] if encoder else [])]


def _floats(x: Any) -> bool:
    return isinstance(x, Tensor) and x.is_floating_point()


PADDED = ((0, 0, 0, 0, 1, 1), (2, 0, 1, 1, 1, 0), (0, 3, 0, 1, 0, 1))
"""Of each text: padding before it, behind its third token, its tenth, its 21st, two before the end,
and behind it; every row has more, so that all are equally long."""


def padded(ids: Tensor) -> tuple[Tensor, Tensor]:
    """Texts (3, T) with padding in places that differ: ids and mask (3, T + 6)."""
    rows, masks = list[Tensor](), list[Tensor]()
    tokens, most = ids.shape[1], max(map(sum, PADDED))
    for text, gaps in zip(ids, PADDED, strict=True):
        gaps = (*gaps[:-1], gaps[-1] + most - sum(gaps))
        places = (0, 3, 10, 21, tokens - 2, tokens)
        row, mask = list[int](), list[int]()
        for place in range(tokens + 1):
            for gap in (g for g, p in zip(gaps, places, strict=True) if p == place):
                row, mask = [*row, *[5] * gap], [*mask, *[0] * gap]
            if place < tokens:
                row, mask = [*row, int(text[place])], [*mask, 1]
        rows.append(torch.tensor(row))
        masks.append(torch.tensor(mask))
    return torch.stack(rows), torch.stack(masks)
