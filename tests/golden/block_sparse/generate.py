# Built by archspec 0.1.0 from block-sparse.yaml; edit the spec and build again.
"""Continue a text token by token; `python -m block_sparse.generate --help` from a shell.

With `--prompt` the shell command needs the `tokenizers` package and a tokenizer.json.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from .model import Model


@torch.no_grad()
def generate(
    model: Model,
    input_ids: Tensor,
    max_new_tokens: int,
    temperature: float = 0.0,
    attention_mask: Tensor | None = None,
    stop_tokens: tuple[int, ...] = (),
) -> Tensor:
    """The ids (B, T) with up to `max_new_tokens` more behind them.

    Args:
        model: The model.
        input_ids: (B, T) token ids.
        max_new_tokens: How many tokens to add at the most.
        temperature: 0 takes the likeliest token, larger values sample.
        attention_mask: (B, T), 1 for a real token. Texts padded on the right are moved to the
            right first, so that each continues where it ends; the result has them so.
        stop_tokens: Stop when every text has one of these; a text that has one repeats it.
    """
    if attention_mask is not None:
        order = attention_mask.bool().int().argsort(dim=1, stable=True)
        input_ids, attention_mask = input_ids.gather(1, order), attention_mask.gather(1, order)
    if max_new_tokens < 1:
        return input_ids
    batch, tokens = input_ids.shape
    cache = model.new_cache(batch, tokens + max_new_tokens - 1)
    stops = torch.tensor(stop_tokens, dtype=input_ids.dtype, device=input_ids.device)
    ended = torch.zeros(batch, 1, dtype=torch.bool, device=input_ids.device)
    logits = model(input_ids, attention_mask=attention_mask, cache=cache)
    pieces = [input_ids]
    for _ in range(max_new_tokens):
        token = choose(logits[:, -1], temperature)  # (B, 1)
        if stop_tokens:
            token = torch.where(ended, pieces[-1][:, -1:], token)
            ended = ended | torch.isin(token, stops)
        pieces.append(token)
        if len(pieces) > max_new_tokens or (stop_tokens and bool(ended.all())):
            break
        logits = model(token, cache=cache)
    return torch.cat(pieces, dim=1)


def choose(logits: Tensor, temperature: float) -> Tensor:
    """A token for each row of logits (B, V): the likeliest, or one sampled; (B, 1)."""
    if temperature == 0.0:
        return logits.argmax(dim=-1, keepdim=True)
    return torch.multinomial((logits.float() / temperature).softmax(dim=-1), 1)


def main() -> None:
    """Load weights and continue a prompt, or a list of token ids."""
    from .checkpoint import load_checkpoint
    from .model import Model

    parser = argparse.ArgumentParser(prog="python -m block_sparse.generate")
    parser.add_argument("--checkpoint", help="a .safetensors file, an index or a folder")
    parser.add_argument("--prompt", help="text to continue; needs --tokenizer")
    parser.add_argument("--ids", help="token ids to continue, as 1,2,3")
    parser.add_argument("--tokenizer", type=Path, help="a tokenizer.json")
    parser.add_argument("--max-new-tokens", type=int, default=32)
    parser.add_argument("--temperature", type=float, default=0.0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()

    tokenizer = None
    if arguments.tokenizer is not None:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(arguments.tokenizer))
    if arguments.prompt is not None:
        if tokenizer is None:
            parser.error("--prompt needs --tokenizer")
        ids = tokenizer.encode(arguments.prompt).ids
    elif arguments.ids:
        ids = [int(word) for word in arguments.ids.split(",")]
    else:
        parser.error("give --ids, or --prompt with --tokenizer")
    input_ids = torch.tensor([ids], device=arguments.device)
    with torch.device(arguments.device):
        model = Model().eval()
    if arguments.checkpoint:
        load_checkpoint(model, arguments.checkpoint)
    out = model.generate(input_ids, arguments.max_new_tokens, arguments.temperature)
    tokens = out[0].tolist()
    print(tokenizer.decode(tokens) if tokenizer else ",".join(map(str, tokens)))


if __name__ == "__main__":
    main()
