"""What is plain in today's decoders, so that the accent falls only on what differs.

The plain decoder: RMSNorm before each branch, causal attention over everything with rotary
positions, a gated SiLU feed-forward, an output layer of its own.
"""

from __future__ import annotations

from archspec.architecture.graph import Operator, OperatorGraph
from archspec.architecture.mask import Mask

_PLAIN_KINDS = {"input", "output", "multiply", "rope", "module", "attention"}
_PLAIN_LABELS = {"norm": "RMSNorm", "activation": "SiLU", "add": "+"}


def differs(operator: Operator, graph: OperatorGraph, inside: bool) -> bool:
    """Whether the plain decoder lacks `operator`; `inside` a mechanism no norm is plain."""
    if operator.mask is not None and operator.mask != Mask():
        return True
    if any(p.name.endswith("bias") for p in operator.parameters):
        return True
    if operator.kind in ("embedding", "linear"):
        return _is_added(operator, graph) or not operator.parameters
    if operator.kind in _PLAIN_KINDS:
        return False
    if operator.kind not in _PLAIN_LABELS or operator.label != _PLAIN_LABELS[operator.kind]:
        return True
    return operator.kind == "norm" and (inside or not _before_a_branch(operator, graph))


def module_differs(graph: OperatorGraph | None) -> bool:
    """Whether anything inside a mechanism differs."""
    if graph is None:
        return False
    plain = all(not differs(o, graph, inside=True) for o in graph.operators)
    gated = any(o.kind == "multiply" for o in graph.operators)
    mixes = any(o.mask is not None for o in graph.operators)
    rotates = any(o.kind == "rope" for o in graph.operators)
    return not plain or not (rotates if mixes else gated)


def _is_added(operator: Operator, graph: OperatorGraph) -> bool:
    """Whether a sum takes it as a further term, as it does learned positions."""
    if operator.kind != "embedding":
        return False
    sums = [e.target for e in graph.edges if e.source == operator.name]
    first = {e.target: e.source for e in reversed(graph.edges)}
    return any(graph[s].kind == "add" and first[s] != operator.name for s in sums)


def _before_a_branch(norm: Operator, graph: OperatorGraph) -> bool:
    """Whether this norm feeds one branch and nothing else, or ends the model."""
    readers = [graph[e.target] for e in graph.edges if e.source == norm.name]
    sources = [graph[e.source] for e in graph.edges if e.target == norm.name]
    if any(source.kind == "module" for source in sources):
        return False
    if any(reader.kind == "output" for reader in readers):
        return all(source.kind == "input" for source in sources)
    return len(readers) == 1
