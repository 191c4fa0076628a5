"""The functions of a package's linear_recurrence.py, by how a state fades."""

from __future__ import annotations

from dataclasses import dataclass

from archspec.mechanisms.mixers.linear_attention.spec import LinearAttention


@dataclass(frozen=True)
class Recurrence:
    """The functions for one way to fade: `lasting`, `fading` by heads or by `channels`."""

    kind: str

    @property
    def name(self) -> str:
        """What a module calls."""
        return {"lasting": "attend_lasting", "heads": "attend_fading"}.get(
            self.kind, "attend_fading_channels"
        )

    @property
    def chunked(self) -> str:
        """The function for many tokens."""
        return self.name.replace("attend", "chunked")

    @property
    def recurrent(self) -> str:
        """The equations as they stand."""
        return self.name.replace("attend", "recurrent")

    @property
    def template(self) -> str:
        """Where they are written."""
        return f"mechanisms/mixers/linear_attention/templates/{self.kind}.py.jinja"

    @property
    def fades(self) -> bool:
        """Whether there is a decay."""
        return self.kind != "lasting"


def recurrence(mechanism: LinearAttention) -> Recurrence:
    """The functions that `mechanism` needs."""
    decay = mechanism.decay
    if decay is None:
        return Recurrence("lasting")
    by_channel = decay.type == "learned" and decay.per == "channel"
    return Recurrence("channels" if by_channel else "heads")
