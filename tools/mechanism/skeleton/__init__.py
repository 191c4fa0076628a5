"""Leaky integrator: it keeps a running mean of its channels, each at a pace of its own."""
