# Built by archspec 0.1.0 from hybrid.yaml; edit the spec and build again.
"""What tensors start as where PyTorch has no function for it."""

from __future__ import annotations

import torch
from torch import Tensor


@torch.no_grad()
def write(tensor: Tensor, values: Tensor) -> None:
    """Write `values` over `tensor`, of which each process may hold a share."""
    values = values.to(tensor.device)
    if hasattr(tensor, "device_mesh"):
        from torch.distributed.tensor import DTensor, distribute_tensor

        assert isinstance(tensor, DTensor)
        mesh, placements = tensor.device_mesh, tensor.placements
        values = distribute_tensor(values, mesh, placements, src_data_rank=None)
    tensor.copy_(values)
