"""Plain files give transformers' numbers, by way of `archspec import`: padding anywhere, cached."""

from __future__ import annotations

import pytest
import torch
from conftest import Builder
from oracle import CASES, oracle
from plain_files import cached, load_plain, spread
from reading import SOURCE, Inputs, Reading
from torch import Tensor

import archspec
from archspec.importers import import_config

pytestmark = pytest.mark.filterwarnings("ignore")

SAMPLE = {
    *("bert", "gpt2", "llama-yarn", "gemma3_text", "gpt_oss", "t5-gated", "falcon-rw", "dbrx"),
    *("gemma4_text@acceptance", "deepseek_v32", "kimi_linear", "minimax", "jamba", "nemotron_h"),
}
"""One family of every mechanism and of every layout of a checkpoint; `make sweep` has all."""

TOKENS, PADDED = 30, 35
ROWS = [[0, 1, 2, 3, 4], [30, 31, 32, 33, 34], [12, 13, 21, 22, 29]]
"""Where padding lies: in front of a text, behind it, and inside, in later pieces as well."""

SIZES = [24, 3, *[1] * 8]


class Given(Reading):
    """A case whose source, where it has one, is without the tokens that stand for padding."""

    def source(self, batch: int) -> Inputs:
        if not self.architecture.encoder:
            return {}
        generator = torch.Generator().manual_seed(2)
        read = torch.randint(3, 250, (1, SOURCE), generator=generator)
        return {"input_ids": read.expand(batch, -1)}


@pytest.mark.parametrize(
    "case",
    [name if name in SAMPLE else pytest.param(name, marks=pytest.mark.slow) for name in CASES],
)
def test_plain_file_beside_transformers(case: str, builder: Builder) -> None:
    theirs, config = oracle(case)
    text = import_config(config, name=case)
    reading = Given(archspec.loads(text))
    plain = load_plain(text, builder.folder)
    ours = plain.load_checkpoint(plain.Model(), theirs.state_dict()).eval()
    ids = torch.randint(3, 250, (1, TOKENS), generator=torch.Generator().manual_seed(1))
    padded, mask = spread(ids, ROWS, PADDED)

    def real(out: Tensor) -> Tensor:
        return out[mask.bool()].view(len(ROWS), TOKENS, -1)

    with torch.no_grad():
        out = theirs(**reading.inputs(ids))
        wanted = out.last_hidden_state if "last_hidden_state" in out else out.logits
        whole = ours(**reading.inputs(ids))
        torch.testing.assert_close(whole, wanted, atol=1e-4, rtol=0)
        wanted = wanted.expand(len(ROWS), -1, -1)
        found = real(ours(**reading.inputs(padded, mask)))
        torch.testing.assert_close(found, wanted, atol=1e-4, rtol=0)
        if hasattr(plain, "Cache"):
            found = real(cached(reading, ours, plain.Cache(), padded, mask, SIZES))
            torch.testing.assert_close(found, wanted, atol=1e-3, rtol=0)
