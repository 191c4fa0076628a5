"""What learned biases and gates add to attention's operators: fragments of their template."""

from __future__ import annotations

from dataclasses import dataclass

from archspec.kernels.attention.extra_tensors import Beside
from archspec.kernels.attention.view import KernelView

Lines = tuple[str, ...]


@dataclass(frozen=True)
class Additions:
    """Where kinds of a package have such tensors beside queries, keys and values."""

    beside: Beside

    @property
    def keep_typed(self) -> str:
        """A parameter: whether a backward pass will ask for what was gated."""
        return ", keep: bool" if self.beside.gate else ""

    @property
    def keep(self) -> str:
        """The same, passed on."""
        return ", keep" if self.beside.gate else ""

    @property
    def keeps(self) -> str:
        """The same, as it is decided."""
        return ", torch.is_grad_enabled()" if self.beside.gate else ""

    @property
    def results(self) -> str:
        """What the forward pass gives."""
        return "out, lse, plain" if self.beside.gate else "out, lse"

    @property
    def result_types(self) -> str:
        """Their types."""
        return ", ".join(["Tensor"] * (3 if self.beside.gate else 2))

    @property
    def said(self) -> str:
        """What they are, for a docstring."""
        if self.beside.gate:
            return "The output, lse, and what was gated; only kernels of this kind take `counts`."
        return (
            "The output and lse; `counts` are numbers of the call that only kernels of this kind"
            " take."
        )

    @property
    def made(self) -> Lines:
        """Before room for them is given."""
        width = "v.shape[3] if keep and gate is not None else 0"
        return self._of_gates(f"plain = empty_like(q, {width})")

    @property
    def before_launch(self) -> Lines:
        """Before the forward kernel: it stores what was gated where that is asked for."""
        return self._of_gates("kept = [] if gate is None else [plain if keep else None]")

    @property
    def kept(self) -> str:
        """The argument of that kernel."""
        return "*kept, " if self.beside.gate else ""

    def from_gluon(self, call: str) -> str:
        """The results, of a kernel that has no gate."""
        return f"_gated(*{call}, gate, activation, keep)" if self.beside.gate else call

    @property
    def fields(self) -> Lines:
        """Of the kernels of one kind."""
        sides = "sides: int = 1  # of a token that have keys"
        return self._of_biases("backward_biases: Any = None", sides)

    def values(self, name: str, kind: KernelView) -> Lines:
        """What a kind has there."""
        if not kind.related:
            return ()
        return (
            f"backward_biases=kernels.{name}_backward_biases",
            f"sides={kind.related.sides}",
        )

    @property
    def before_rows(self) -> Lines:
        """Before the kernel that goes over rows: room for what it gives beside dq and delta."""
        gating = "[gate, torch.empty_like(gate), torch.empty_like(dout)]"
        far = "lse.new_empty(KERNELS[kind].sides, *lse.shape)"
        gate = self._of_gates(f"gating = [] if gate is None else {gating}")
        return gate + self._of_biases(f"far = None if relative is None else {far}")

    @property
    def gating(self) -> str:
        """The arguments of that kernel for a gate, its gradient, and dout of what was gated."""
        return "*gating, " if self.beside.gate else ""

    @property
    def far(self) -> str:
        """Its argument for the sums of far pairs."""
        return ", *given(far)" if self.beside.relative else ""

    @property
    def after_rows(self) -> Lines:
        """After it."""
        return self._of_gates("dout = gating[2] if gating else dout  # of what was gated")

    @property
    def after_keys(self) -> Lines:
        """After the kernels that go over keys."""
        relative = "drelative = _relative_gradient(kind, tensors[:-2], far, sizes, own)"
        gate = "dgate = gating[1] if gating else q.new_empty(0)"
        return self._of_biases(relative) + self._of_gates(gate)

    @property
    def as_learned(self) -> Lines:
        """No gradient for what a kind does not have."""
        return tuple(
            f"d{name} = None if inputs[{self.beside.place(name)}] is None else d{name}"
            for name in self.beside.learning
        )

    @property
    def ungated(self) -> str:
        """The expression for what was gated, or else the output."""
        if not self.beside.gate:
            return "out"
        return f"out if inputs[{self.beside.place('gate')}] is None else plain"

    def _of_gates(self, *lines: str) -> Lines:
        return lines if self.beside.gate else ()

    def _of_biases(self, *lines: str) -> Lines:
        return lines if self.beside.relative else ()
