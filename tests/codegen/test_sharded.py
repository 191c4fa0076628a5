"""A model cut over two processes gives what it gives in one: by layers of weights, or by heads."""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from conftest import ROOT, Builder
from torch import Tensor, nn

TOLERANCE = {"atol": 1e-5, "rtol": 1e-5}


def same(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, **TOLERANCE)


def sharded_weights(mesh: Any, plain: nn.Module, model: nn.Module) -> None:
    """FSDP2: a loss, its gradients, and text that is written."""
    from torch.distributed.fsdp import fully_shard

    for layer in model.layers:
        fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)
    ids = torch.arange(12)[None]
    found, expected = model(ids, labels=ids), plain(ids, labels=ids)
    found.backward()
    expected.backward()
    same(found.detach(), expected.detach())
    theirs = dict(plain.named_parameters())
    for name, parameter in model.named_parameters():
        same(parameter.grad.full_tensor(), theirs[name].grad)
    written = model.generate(ids, 4)
    assert torch.equal(written, plain.generate(ids, 4))


@torch.no_grad()
def sharded_heads(mesh: Any, plain: nn.Module, model: nn.Module) -> None:
    """A plan of PyTorch's own, which knows nothing of the model: columns, then rows."""
    from torch.distributed.tensor.parallel import (
        ColwiseParallel,
        RowwiseParallel,
        parallelize_module,
    )

    columns = ("q_proj", "k_proj", "v_proj", "gate_proj", "up_proj")
    plan = {f"layers.*.self_attn.{name}": ColwiseParallel() for name in columns[:3]}
    plan |= {f"layers.*.mlp.{name}": ColwiseParallel() for name in columns[3:]}
    rows = "self_attn.o_proj", "mlp.down_proj"
    plan |= {f"layers.*.{name}": RowwiseParallel() for name in rows}
    parallelize_module(model, mesh, plan)
    assert model.layers[0].self_attn.q_proj.weight.to_local().shape[0] < 128
    ids = torch.arange(12)[None]
    same(model(ids), plain(ids))
    same(model(ids, labels=ids), plain(ids, labels=ids))


def work(rank: int, folder: str, name: str, store: str) -> None:
    """One of two processes."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    sys.path.insert(0, folder)
    package = importlib.import_module(name)
    from torch.distributed.device_mesh import init_device_mesh

    mesh = init_device_mesh("cpu", (2,))
    for check in (sharded_weights, sharded_heads):
        torch.manual_seed(0)
        plain, model = package.Model().eval(), package.Model().eval()
        with torch.no_grad():
            for parameter in plain.parameters():
                if parameter.ndim > 1:
                    parameter.normal_(std=0.1)
        model.load_state_dict(plain.state_dict())
        check(mesh, plain, model)
    dist.destroy_process_group()


def test_two_processes_give_what_one_does(builder: Builder) -> None:
    folder: Path = builder.write((ROOT / "examples/tiny.yaml").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as own:
        given = (str(folder.parent), folder.name, str(Path(own) / "store"))
        mp.spawn(work, args=given, nprocs=2)
