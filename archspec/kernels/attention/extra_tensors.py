"""The tensors that attention's operators take beside queries, keys and values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from archspec.kernels.attention.view import KernelView


@dataclass(frozen=True)
class Beside:
    """The tensors that some kinds of a package's attention have beside queries, keys and values."""

    sinks: bool
    slopes: bool
    relative: bool
    gate: bool

    @staticmethod
    def all_of(kinds: Iterable[KernelView]) -> Beside:
        """Those of any of `kinds`."""
        found = list(kinds)
        return Beside(
            sinks=any(kind.sinks for kind in found),
            slopes=any(kind.slopes for kind in found),
            relative=any(kind.related for kind in found),
            gate=any(kind.gate for kind in found),
        )

    @property
    def in_pages(self) -> Beside:
        """Those of kinds whose keys lie in pages."""
        return replace(self, relative=False, gate=False)

    @property
    def names(self) -> list[str]:
        """Their names."""
        return ["sinks"] * self.sinks + self._in_scores + ["gate"] * self.gate

    @property
    def _in_scores(self) -> list[str]:
        return ["slopes"] * self.slopes + ["relative"] * self.relative

    def place(self, name: str) -> int:
        """Which of an operator's tensors has that name: queries, keys and values come first."""
        return 3 + self.names.index(name)

    @property
    def places(self) -> int:
        """How many arguments an operator has up to the bounds of texts: its kind comes first."""
        return 5 + len(self.names)

    @property
    def any(self) -> bool:
        """Whether there is any."""
        return bool(self.names)

    @property
    def typed(self) -> str:
        """As parameters."""
        return "".join(f"{name}: Tensor | None, " for name in self.names)

    @property
    def passed(self) -> str:
        """As arguments."""
        return "".join(f"{name}, " for name in self.names)

    @property
    def given(self) -> str:
        """As arguments of a kernel, which has those of its own kind."""
        return f"*given({', '.join(self.names)}), " if self.names else ""

    @property
    def in_scores(self) -> str:
        """Those that scores are made with."""
        return f"*given({', '.join(self._in_scores)}), " if self._in_scores else ""

    @property
    def joining(self) -> str:
        """Those that join a softmax whose scores are ready, or what it gives."""
        names = ["sinks"] * self.sinks + ["gate"] * self.gate
        return f"*given({', '.join(names)}), " if names else ""

    @property
    def all_sinks(self) -> str:
        """The tensors that a Gluon kernel takes, which knows no slopes."""
        return "given(sinks)" if self.sinks else "[]"

    @property
    def gradient(self) -> str:
        """What the backward pass gives beside dq, dk and dv."""
        sinks = ", _sinks_gradient(sinks, lse, delta)" if self.sinks else ""
        return sinks + ", drelative" * self.relative + ", dgate" * self.gate

    @property
    def learning(self) -> list[str]:
        """Those that have a gradient."""
        return [name for name in self.names if name != "slopes"]

    @property
    def learned(self) -> str:
        """The names of their gradients."""
        return "".join(f", d{name}" for name in self.learning)

    @property
    def fake_gradient(self) -> str:
        """These gradients by their shapes alone."""
        like = {name: "lse" if name == "sinks" else "q" for name in self.learning}
        text = ", {1}.new_empty(0) if {0} is None else torch.empty_like({0})"
        return "".join(text.format(*both) for both in like.items())

    @property
    def gradients(self) -> str:
        """Their gradients in the order of the parameters."""
        found = ("None" if name == "slopes" else f"d{name}" for name in self.names)
        return "".join(f"{name}, " for name in found)

    @property
    def gradient_types(self) -> str:
        """The types of what the backward pass gives."""
        return ", ".join(["Tensor"] * (3 + len(self.learning)))

    @staticmethod
    def typed_of(kind: KernelView) -> str:
        """What the function of a kind takes."""
        return "".join(f"{name}: Tensor, " for name, own in _there(kind).items() if own)

    def of(self, kind: KernelView) -> str:
        """What a kind passes."""
        own = _there(kind)
        passed = {name: f"{name}.contiguous()" for name in ("relative", "gate")}
        found = (passed.get(name, name) if own[name] else "None" for name in self.names)
        return "".join(f"{name}, " for name in found)


def _there(kind: KernelView) -> dict[str, bool]:
    own = {"sinks": kind.sinks, "slopes": kind.slopes}
    return own | {"relative": kind.relative, "gate": kind.gate is not None}
