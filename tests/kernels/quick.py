"""Triton's interpreter at twice its speed: what it computes, it computes once.

By itself it does every sum and product of integers again in 64 bits, to find an overflow of 32:
those are places in tensors of a few thousand numbers here. What is compiled has no such check.
"""

from dataclasses import replace

from triton.runtime.interpreter import interpreter_builder

interpreter_builder.options = replace(interpreter_builder.options, sanitize_overflow=False)
