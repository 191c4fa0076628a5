# Built by archspec 0.1.0 from block-sparse.yaml; edit the spec and build again.
"""Attention to keys and values in pages, for servers that hold many texts of unequal length.

Memory is cut into blocks of some tokens, a page each, and a table says which blocks are whose, so
that texts grow without being moved. The model itself keeps its keys in one piece (cache.py); what is
here is for who schedules requests.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .launch import use_kernels


class PagedKeyValueCache:
    """The keys and values of one layer for B texts, in pages of as many tokens as a block has."""

    def __init__(self, k: Tensor, v: Tensor, table: Tensor, lengths: Tensor):
        self.k, self.v = k, v  # (blocks, page, K, D) each
        self.table = table  # (B, pages) int32, the block of each page of a text
        self.lengths = lengths  # (B,) int32, the tokens that each text has

    def append(self, k: Tensor, v: Tensor) -> None:
        """Store as many tokens behind each text, (B, K, T, D) each."""
        place = self.lengths[:, None] + torch.arange(k.shape[2], device=k.device)  # (B, T)
        page = self.k.shape[1]
        block = self.table.gather(1, (place // page).long())
        self.k[block, place % page] = k.transpose(1, 2)
        self.v[block, place % page] = v.transpose(1, 2)
        self.lengths = self.lengths + k.shape[2]

    def gathered(self) -> tuple[Tensor, Tensor]:
        """Every page of each text in order, (B, K, pages · page, D) each."""
        k, v = (blocks[self.table].flatten(1, 2).transpose(1, 2) for blocks in (self.k, self.v))
        return k, v


def causal_paged(q: Tensor, cache: PagedKeyValueCache) -> Tensor:
    """(B, 4, T, 32) → (B, 4, T, 32): a token sees all before it; the queries are the last of each text."""
    if use_kernels(q, cache.k, cache.v):
        from .paged_kernels import attend

        return attend("causal", q, cache.k, cache.v, cache.table, cache.lengths)
    return attend_in_pages(q, cache, 0.1767766952966369)


def attend_in_pages(q: Tensor, cache: PagedKeyValueCache, scale: float) -> Tensor:
    """The same in PyTorch's operators: softmax over the keys up to each query, in float32."""
    k, v = cache.gathered()
    key = torch.arange(k.shape[2], device=q.device)
    query = cache.lengths[:, None] + torch.arange(-q.shape[2], 0, device=q.device)  # (B, T)
    distance = (query[:, :, None] - key)[:, None]  # (B, 1, T, S)
    group = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(group, dim=1).float(), v.repeat_interleave(group, dim=1).float()
    scores = (q.float() @ k.mT) * scale
    seen = distance >= 0
    scores = scores.masked_fill(~seen, float("-inf"))
    lse = scores.logsumexp(dim=-1, keepdim=True)
    weights = (scores - lse.clamp(min=-1e30)).exp()  # a query before its text sees nothing
    return (weights @ v).to(q.dtype)
