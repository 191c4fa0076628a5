"""Train a built model on a CPU in a minute: repeat the second half of a text from its first.

Builds examples/tiny.yaml into out/ and trains it on texts whose second half repeats the first;
the loss on that half falls towards zero as attention learns to look back.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import torch

ROOT = Path(__file__).parent.parent
OUT = ROOT / "out"
HALF, BATCH, STEPS, WORDS = 24, 32, 300, 64


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Texts (B, 2 · HALF) that repeat themselves, and labels for the repeated half only."""
    half = torch.randint(WORDS, (BATCH, HALF))
    ids = torch.cat((half, half), dim=1)
    labels = ids.clone()
    labels[:, : HALF + 1] = -100
    return ids, labels


def main() -> None:
    """Build, train, and show that the model copies."""
    OUT.mkdir(exist_ok=True)
    folder = OUT / "tiny"
    command = [sys.executable, "-m", "archspec", "build", ROOT / "examples/tiny.yaml", "-o", folder]
    subprocess.run(command, check=True)
    sys.path.insert(0, str(OUT))
    torch.manual_seed(0)
    model = importlib.import_module("tiny").Model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * min(1.0, (step + 1) / 20)
        ids, labels = batch()
        loss = model(ids, labels=labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 25 == 0 or step == STEPS - 1:
            print(f"step {step:4}  loss {loss.item():.3f}")
    ids, _ = batch()
    copied = model.eval().generate(ids[:, : HALF + 1], HALF - 1)
    right = (copied[:, HALF + 1 :] == ids[:, HALF + 1 :]).float().mean()
    print(f"copied {100 * right:.1f}% of the tokens")


if __name__ == "__main__":
    main()
