"""Under autocast the experts are computed in its type, as every linear layer is."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from conftest import Builder
from specs import moe
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode


class Types(TorchDispatchMode):
    """The types of numbers that the experts' operators read."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, set[torch.dtype]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if name.startswith("grouped_"):
            read = {x.dtype for x in args if isinstance(x, Tensor) and x.is_floating_point()}
            self.found.setdefault(name, set()).update(read)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("options", ["renormalize: true", "bias: true"])
def test_operators_read_the_type_that_autocast_asks_for(builder: Builder, options: str) -> None:
    torch.manual_seed(0)
    model = builder.load(moe(options)).Model()
    ids = torch.randint(16, (2, 9))
    with Types() as seen, torch.autocast("cpu", torch.bfloat16):
        loss = model(ids, labels=ids)
    with seen:
        loss.backward()
    assert seen.found == {
        "grouped_linear": {torch.bfloat16},
        "grouped_outer": {torch.bfloat16},
    }
    assert all(p.grad.dtype == torch.float32 for p in model.parameters() if p.grad is not None)
    torch.testing.assert_close(loss, model(ids, labels=ids), atol=0.05, rtol=0.05)
