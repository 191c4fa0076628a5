# Built by archspec 0.1.0 from encoder.yaml; edit the spec and build again.
"""encoder, a standalone PyTorch package.

>>> from encoder import Model, load_checkpoint
>>> model = load_checkpoint(Model(), "model.safetensors")
"""

from .checkpoint import load_checkpoint, save_checkpoint
from .model import Model

__all__ = ["Model", "load_checkpoint", "save_checkpoint"]
