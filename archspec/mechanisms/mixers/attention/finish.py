"""How an attention class ends: its gate, in kernels or in PyTorch's operators, and output layer."""

from __future__ import annotations

from dataclasses import dataclass

from archspec.mechanisms.mixers.attention.fields import GATES, Gate

Lines = tuple[str, ...]
JOINED = "out = out.transpose(1, 2).flatten(2)"


@dataclass(frozen=True)
class Finish:
    """The statements about what attention gives, `out` (B, H, T, D)."""

    gate: Gate | None
    in_kernels: bool = False
    """Whether kernels multiply what they give by the gate."""

    @property
    def before(self) -> Lines:
        """In front of where kernels or operators compute attention."""
        return self._gate if self.in_kernels else ()

    @property
    def of_kernels(self) -> Lines:
        """After the kernels."""
        return (JOINED,) if self.in_kernels else ()

    @property
    def of_operators(self) -> Lines:
        """After PyTorch's operators, where kernels do the same themselves."""
        return self._opened if self.in_kernels else ()

    @property
    def last(self) -> Lines:
        """At the end of the class's `forward`."""
        if self.in_kernels:
            return ("return self.o_proj(out)",)
        if self.gate:
            return (*self._gate, *self._opened, "return self.o_proj(out)")
        return (f"return self.o_proj({JOINED.removeprefix('out = ')})",)

    @property
    def _gate(self) -> Lines:
        if self.gate is None:
            return ()
        shape = "(B, T, H · D)" if self.gate.per == "element" else "(B, T, H)"
        return (f"gate = self.gate_proj(x)  # {shape}",)

    @property
    def _opened(self) -> Lines:
        if self.gate is None:
            return ()
        opened = f"{GATES[self.gate.activation]}(gate)"
        if self.gate.per == "element":
            return (f"{JOINED} * {opened}",)
        return (f"out = (out.transpose(1, 2) * {opened}[..., None]).flatten(2)",)
