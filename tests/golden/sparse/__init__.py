# Built by archspec 0.1.0 from sparse.yaml; edit the spec and build again.
"""sparse, a standalone PyTorch package.

>>> from sparse import Model, load_checkpoint
>>> model = load_checkpoint(Model(), "model.safetensors")
"""

from .cache import Cache
from .checkpoint import load_checkpoint, save_checkpoint
from .loss import count_labels
from .model import Model

__all__ = ["Cache", "Model", "count_labels", "load_checkpoint", "save_checkpoint"]
