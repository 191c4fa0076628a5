"""Kernels that miss a bar of the table, by name, and why each is let through."""

from __future__ import annotations

from dataclasses import dataclass

KINDS = ("no binary", "shared memory", "spills", "no wgmma", "no copies")

NOT_YET = (
    "gemma-3-27b",
    "gemma-4-26b-a4b",
    "gemma-4-e2b",
    "glm-5-744b",
    "gpt-oss-20b",
    "gpt2",
    "kimi-linear-48b-a3b",
    "lfm2.5-8b-a1b",
    "ling-2.5-1t",
    "llama-3-8b",
)
"""Specs that the table was written without; `make kernels-table` writes it with all of them."""


@dataclass(frozen=True)
class Known:
    """Kernels by their names in the table, what they miss, and on which target."""

    kernels: tuple[str, ...]
    target: str
    kind: str
    reason: str


EXCEPTIONS = (
    Known(
        (
            "gemma-3-270m sliding_backward_keys",
            "gemma-3-270m causal_backward_keys",
            "qwen3-next-80b-a3b causal_backward_keys",
        ),
        "sm_90",
        "spills",
        "heads of 256: two sums of 64 x 256 in float32 take nearly all registers of eight warps",
    ),
    Known(
        (
            "gemma-3-270m sliding_decode",
            "gemma-3-270m causal_decode",
            "llama-4-maverick-400b chunked_forward",
            "llama-4-maverick-400b chunked_decode",
            "llama-4-maverick-400b causal_forward",
            "llama-4-maverick-400b causal_decode",
            "nemotron-3-nano-30b-a3b causal_forward",
            "nemotron-3-nano-30b-a3b causal_decode",
            "olmo-3-32b sliding_forward",
            "olmo-3-32b sliding_decode",
            "qwen3-0.6b causal_forward",
            "qwen3-0.6b causal_decode",
            "qwen3-next-80b-a3b causal_decode",
        ),
        "gfx942",
        "shared memory",
        "compiled with the stages of sm_90; launched on an AMD GPU they have two at most",
    ),
)
