"""FlexAttention made to say the same as a set of attention kernels."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import flex_attention as flex

from .definition import Facts


class Flex:
    """FlexAttention under torch.compile, for texts of one shape."""

    def __init__(self, facts: Facts, q: Tensor, k: Tensor, beside: Tensor | None) -> None:
        self.facts, self.beside = facts, beside
        self.sizes, self.place = (q.shape[2], k.shape[2]), q.device
        self.attend: Any = torch.compile(flex.flex_attention, dynamic=False, fullgraph=True)
        self.create: Any = torch.compile(flex.create_block_mask, dynamic=False)
        self.visible = _visible(facts, *self.sizes)
        differ = facts["blocks"] and facts["blocks"]["shift"]
        self.heads = q.shape[1] if differ else None
        self.score = _score(facts, *self.sizes, beside)
        self.ready = self.mask()

    def mask(self) -> Any:
        """The block mask, made anew; None where every token sees every key."""
        if self.visible is None:
            return None
        return self.create(self.visible, None, self.heads, *self.sizes, device=self.place)

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, mask: Any = None) -> Tensor:
        """(B, H, T, D), (B, K, S, D), (B, K, S, E) → (B, H, T, E), with a mask made before."""
        options: dict[str, Any] = {
            "score_mod": self.score,
            "block_mask": self.ready if mask is None else mask,
            "scale": self.facts["scale"],
            "enable_gqa": q.shape[1] != k.shape[1],
        }
        if not self.facts["sinks"]:
            return self.attend(q, k, v, **options)
        out, aux = self.attend(q, k, v, **options, return_aux=flex.AuxRequest(lse=True))
        # A sink joins the sum of the exponentials, and has no value.
        assert self.beside is not None
        share = torch.sigmoid(aux.lse - self.beside.float()[:, None])
        return (out * share[..., None]).to(out.dtype)

    def anew(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """The same with the making of the mask."""
        return self(q, k, v, self.mask())


def _visible(facts: Facts, tokens: int, keys: int) -> Any:
    before, window, chunk = keys - tokens, facts["window"], facts["chunk"]
    if not facts["causal"]:
        return None

    def causal(_b: Tensor, _h: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return key <= query + before

    def sliding(_b: Tensor, _h: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return (key <= query + before) & (query + before - key < window)

    def chunked(_b: Tensor, _h: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return (key <= query + before) & ((query + before) // chunk == key // chunk)

    blocks, group = facts["blocks"], facts["heads"] // facts["kv_heads"]

    def sparse(_b: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        i, j = (query + before) // blocks["size"], key // blocks["size"]
        seen = (i - j < blocks["local"]) | (j < blocks["first"])
        if blocks["stride"]:
            turned = j + 1 + blocks["shift"] * (head // group)
            seen = seen | (turned % blocks["stride"] == 0)
        return (key <= query + before) & seen

    return sliding if window else chunked if chunk else sparse if blocks else causal


def _score(facts: Facts, tokens: int, keys: int, beside: Tensor | None) -> Any:
    before, cap = keys - tokens, facts["softcap"]

    def capped(score: Tensor, *_: Tensor) -> Tensor:
        return cap * torch.tanh(score / cap)

    def sloped(score: Tensor, _b: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        assert beside is not None
        return score - beside[head] * (query + before - key)

    def related(score: Tensor, _b: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        assert beside is not None
        here = before if facts["causal"] else beside.shape[1] // 2
        return score + beside[head, (query - key + here).clamp(0, beside.shape[1] - 1)]

    if facts["relative"]:
        return related
    return capped if cap else sloped if facts["slopes"] else None
