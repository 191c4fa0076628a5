# Built by archspec 0.1.0 from local-global.yaml; edit the spec and build again.
"""Continue a text token by token; `python -m local_global.generate --help` from a shell.

With `--prompt` the shell command needs the `tokenizers` package and a tokenizer.json.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .checks import check_writing, stop_ids

if TYPE_CHECKING:
    from .model import Model


@torch.no_grad()
def generate(
    model: Model,
    input_ids: Tensor,
    max_new_tokens: int,
    temperature: float = 0.0,
    attention_mask: Tensor | None = None,
    stop_tokens: int | Iterable[int] | Tensor = (),
) -> Tensor:
    """The ids (B, T) with up to `max_new_tokens` more behind them.

    Args:
        model: The model.
        input_ids: (B, T) token ids.
        max_new_tokens: How many tokens to add at the most, 0 or more. That a text gets longer
            than the model is made for is warned of.
        temperature: 0 takes the likeliest token, larger values sample.
        attention_mask: (B, T), 1 for a real token. Texts padded on the right are moved to the
            right first, so that each continues where it ends; the result has them so.
        stop_tokens: Stop when every text has one of these; a text that has one repeats it.

    Raises:
        TypeError: An argument is of another kind.
        ValueError: An argument is one that nothing can be written with; the error says why.
    """
    check_writing(input_ids, attention_mask, max_new_tokens, temperature)
    stops = stop_ids(stop_tokens, input_ids)
    if attention_mask is not None:
        order = attention_mask.bool().int().argsort(dim=1, stable=True)
        input_ids, attention_mask = input_ids.gather(1, order), attention_mask.gather(1, order)
    if max_new_tokens < 1:
        return input_ids
    batch, tokens = input_ids.shape
    cache = model.new_cache(batch, tokens + max_new_tokens - 1)
    ended = torch.zeros(batch, 1, dtype=torch.bool, device=input_ids.device)
    logits = model(input_ids, attention_mask=attention_mask, cache=cache, last_only=True)
    pieces = [input_ids]
    for _ in range(max_new_tokens):
        token = choose(logits[:, -1], temperature)  # (B, 1)
        if len(stops):
            token = torch.where(ended, pieces[-1][:, -1:], token)
            ended = ended | torch.isin(token, stops)
        pieces.append(token)
        if len(pieces) > max_new_tokens or (len(stops) and bool(ended.all())):
            break
        logits = model(token, cache=cache, last_only=True)
    return torch.cat(pieces, dim=1)


def choose(logits: Tensor, temperature: float) -> Tensor:
    """A token for each row of logits (B, V): the likeliest, or one sampled; (B, 1)."""
    if temperature < torch.finfo(torch.float32).tiny:  # no other has a chance
        return logits.argmax(dim=-1, keepdim=True)
    behind = logits.float() - logits.max(dim=-1, keepdim=True).values  # finite over any number
    return torch.multinomial((behind / temperature).softmax(dim=-1), 1)


def main() -> None:
    """Load weights and continue a prompt, or a list of token ids."""
    parser = argparse.ArgumentParser(prog=f"python -m {__package__}.generate")
    parser.add_argument("--checkpoint", help="a .safetensors file, an index or a folder")
    parser.add_argument("--prompt", help="text to continue; needs --tokenizer")
    parser.add_argument("--ids", help="token ids to continue, as 1,2,3")
    parser.add_argument("--tokenizer", type=Path, help="a tokenizer.json")
    parser.add_argument("--max-new-tokens", type=int, default=32)
    parser.add_argument("--temperature", type=float, default=0.0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    try:
        print(written(arguments))
    except (ImportError, OSError, RuntimeError, TypeError, ValueError) as error:
        parser.exit(2, f"{parser.prog}: {str(error) or type(error).__name__}\n")


def written(arguments: argparse.Namespace) -> str:
    """What the model writes for the arguments of a shell: a text, or ids where it has no words."""
    from .checkpoint import load_checkpoint
    from .model import Model

    tokenizer = None
    if arguments.tokenizer is not None:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_str(arguments.tokenizer.read_text(encoding="utf-8"))
    if arguments.prompt is not None:
        if tokenizer is None:
            raise ValueError("--prompt needs --tokenizer")
        ids = tokenizer.encode(arguments.prompt).ids
    elif arguments.ids is not None:
        ids = read_ids("--ids", arguments.ids)
    else:
        raise ValueError("give --ids, or --prompt with --tokenizer")
    input_ids = torch.tensor([ids], dtype=torch.long, device=arguments.device)
    with torch.device(arguments.device):
        model = Model().eval()
    if arguments.checkpoint:
        load_checkpoint(model, arguments.checkpoint)
    else:
        print("no --checkpoint: the weights are random, and so is what they write", file=sys.stderr)
    out = model.generate(input_ids, arguments.max_new_tokens, arguments.temperature)
    tokens = out[0].tolist()
    return tokenizer.decode(tokens) if tokenizer else ",".join(map(str, tokens))


def read_ids(option: str, text: str) -> list[int]:
    """The numbers of `1,2,3`; ValueError for anything else."""
    try:
        return [int(word) for word in text.split(",")]
    except ValueError:
        raise ValueError(f"{option} is {text!r}; expected token ids, as 1,2,3") from None


if __name__ == "__main__":
    main()
