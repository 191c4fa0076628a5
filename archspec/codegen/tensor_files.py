"""Files about the tensors of modules: what they start as, which stay in float32, who reads them."""

from __future__ import annotations

from archspec.codegen.files import File, SharedFile, nothing

PLAIN = File(
    "plain.py",
    "templates/package/plain.py.jinja",
    "when a layer's weight may be read in place of a call",
    "reads_weights",
)
EXACT = SharedFile(
    "exact.py",
    "templates/package/exact.py.jinja",
    "tensors that stay in float32 in a model of any type",
    needed="exact",
    context=nothing,
)
"""For classes whose view says `exact`."""

START = SharedFile(
    "start.py",
    "templates/package/start.py.jinja",
    "what decays start as",
    needed="computed",
    context=nothing,
)
"""For classes whose view says `computed`: a tensor of theirs starts as numbers in a row."""
