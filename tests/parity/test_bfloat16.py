"""In bfloat16, where what is rounded first is seen."""

from __future__ import annotations

import pytest
import torch
from cases import CASES
from conftest import Builder
from oracle import rough
from torch import Tensor, nn

from archspec.importers import import_config

pytestmark = pytest.mark.filterwarnings("ignore")


def entering(model: nn.Module, layers: nn.ModuleList, ids: Tensor) -> Tensor:
    """The first hidden state."""
    seen: list[Tensor] = []
    layers[0].register_forward_pre_hook(
        lambda _, args, kwargs: seen.append(args[0]), with_kwargs=True
    )
    model(input_ids=ids)
    return seen[0]


@pytest.mark.parametrize("case", ["gemma3_text", "gemma4_text@acceptance"])
@torch.no_grad()
def test_gemma_s_factor_is_rounded_as_published(case: str, builder: Builder) -> None:
    """√80 is 8.9375 in bfloat16, not 8.944: to the last bit, in float32 as well."""
    kind, options = CASES[case]
    theirs, config = rough(kind, {**options, "hidden_size": 80})
    package = builder.load(import_config(config, name="rounded"))
    ids = torch.arange(3, 250)[None]
    for dtype in (torch.float32, torch.bfloat16):
        theirs = theirs.to(dtype)
        ours = package.load_checkpoint(package.Model().to(dtype), theirs.state_dict())
        expected = entering(theirs, theirs.model.layers, ids)
        assert torch.equal(entering(ours, ours.layers, ids), expected)
