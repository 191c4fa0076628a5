"""A model whose heads have kernels by two mechanisms: some shapes differ, one is the same."""

MIXED = """
archspec: 1
name: mixed
vocab_size: 64
hidden_size: 32
context_length: 64
defaults:
  feedforward: {type: dense, intermediate_size: 32, activation: silu, gated: false}
blocks:
  heads:
    mixer: {type: attention, heads: 4, kv_heads: 2, head_dim: 16, rope: {theta: 100}}
  latent:
    mixer:
      type: mla
      heads: 4
      query_rank: 12
      kv_rank: 16
      nope_dim: 32
      rope_dim: 16
      value_head_dim: 16
      rope: {theta: 100}
  still:
    mixer: {type: mla, heads: 2, kv_rank: 8, nope_dim: 16, rope_dim: 0, value_head_dim: 16}
  alike:
    mixer: {type: attention, heads: 2, head_dim: 16}
layers: heads, latent, still, alike
head: {tied: true}
"""
ALL = "layers: heads, latent, still, alike"
ALONE = MIXED.replace(ALL, "layers: latent, still")
PAIR = MIXED.replace(ALL, "layers: heads, latent")
