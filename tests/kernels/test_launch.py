"""Which GPUs kernels run on, whose tiles they take there, and how many programs they ask for."""

from __future__ import annotations

import importlib
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from conftest import ROOT, Builder
from torch import Tensor

from archspec.kernels.attention.tiles import TARGETS

SPARSE = (ROOT / "examples/block-sparse.yaml").read_text(encoding="utf-8")
RELATED = (ROOT / "examples/encoder-decoder.yaml").read_text(encoding="utf-8")
WIDE = """
archspec: 1
name: wide
vocab_size: 64
hidden_size: 32
context_length: 512
blocks:
  only:
    mixer: {type: attention, heads: 8, kv_heads: 4, head_dim: 512}
    feedforward: {type: dense, intermediate_size: 32, activation: silu, gated: true}
layers: only
head: {tied: true}
"""
GPUS = {  # compute capability, bytes that a block can have, whose tiles it takes
    "RTX 2080": ((7, 5), 65_536, None),
    "V100": ((7, 0), 98_304, None),
    "A100": ((8, 0), 166_912, "sm_80"),
    "RTX 3090": ((8, 6), 101_376, "sm_89"),
    "Orin": ((8, 7), 166_912, "sm_80"),
    "RTX 4090": ((8, 9), 101_376, "sm_89"),
    "H200": ((9, 0), 232_448, "sm_90"),
    "B200": ((10, 0), 232_448, "sm_100"),
    "RTX 5090": ((12, 0), 101_376, "sm_89"),
}
PLACES = {name: torch.device("cuda", number) for number, name in enumerate(GPUS)}


@pytest.fixture
def launch(builder: Builder, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A package's kernels/launch.py on a machine with one of each of these GPUs."""
    kernels: Any = importlib.import_module(f"{builder.load(SPARSE).__name__}.kernels")
    module: Any = importlib.import_module(f"{kernels.__name__}.launch")
    capabilities = {place: GPUS[name][0] for name, place in PLACES.items()}
    memory = {place: GPUS[name][1] for name, place in PLACES.items()}

    def properties(place: torch.device) -> Any:
        (major, minor), optin = capabilities[place], memory[place]
        return SimpleNamespace(major=major, minor=minor, shared_memory_per_block_optin=optin)

    monkeypatch.setattr(torch.cuda, "get_device_capability", capabilities.__getitem__)
    monkeypatch.setattr(torch.cuda, "get_device_properties", properties)
    monkeypatch.setattr(kernels, "READY", True)
    for known in (kernels.capability, module.kind):
        known.cache_clear()
    yield module
    for known in (kernels.capability, module.kind):
        known.cache_clear()


@pytest.fixture
def kernels(launch: Any) -> Any:
    """The decision which kernels run there."""
    return importlib.import_module(launch.__package__)


def on(name: str, dtype: torch.dtype = torch.bfloat16) -> Any:
    """What is asked of a tensor on that GPU."""
    size = torch.empty(0, dtype=dtype).element_size()
    return SimpleNamespace(
        is_cuda=True, is_cpu=False, device=PLACES[name], dtype=dtype, element_size=lambda: size
    )


@pytest.mark.parametrize("name", GPUS)
def test_gpus_without_the_products_of_kernels_keep_to_pytorch(name: str, kernels: Any) -> None:
    assert kernels.use_kernels(on(name)) == (GPUS[name][2] is not None)


def test_each_gpu_of_a_machine_has_tiles_of_its_own(launch: Any) -> None:
    operators: Any = importlib.import_module(f"{launch.__package__}.attention_operators")
    tables = operators.kernels.TILES
    assert set(tables) == set(TARGETS)
    kernel = operators.KERNELS["causal"].forward
    for name, (_, _, kind) in GPUS.items():
        if kind is not None:
            assert launch.target(PLACES[name]) == kind
            assert operators.cut(kernel, on(name)) is tables[kind][kernel]
            assert operators.cut(kernel, on(name, torch.float32)) is operators.kernels.SMALL


def test_gpus_of_amd_are_told_apart(
    kernels: Any, launch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.version, "hip", "7.0")
    assert kernels.use_kernels(on("RTX 2080"))
    assert launch.target(PLACES["RTX 2080"]) == "gfx942"


def test_the_graph_asks_no_gpu_anew(kernels: Any) -> None:
    def double(x: Tensor) -> Tensor:
        return 2 * x if kernels.is_able(PLACES["H200"]) else x

    compiled: Any = torch.compile(double, fullgraph=True, backend="eager")
    assert torch.equal(compiled(torch.ones(3)), torch.full((3,), 2.0))


BATCH = 70_000
"""Sequences, whose heads are more than the second and third dimension of a grid have programs."""

MOST = (2**31 - 1, 65_535, 65_535)


class Grids:
    """The grids that the operators of a package ask for, whose kernels are not run."""

    def __init__(self, package: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
        self.package, self.patch = package, monkeypatch
        self.found: dict[str, tuple[int, ...]] = {}

    def of(self, file: str) -> Any:
        """A module, from now on listened to."""
        module: Any = importlib.import_module(f"{self.package.__name__}.{file}")
        self.patch.setattr(module, "launch", self._note)
        return module

    def _note(self, kernel: Any, grid: tuple[int, ...], *_: Any, **__: Any) -> None:
        self.found[kernel.__name__] = grid


def drawn(heads: int, tokens: int, width: int) -> Tensor:
    """A tensor without numbers."""
    return torch.empty(BATCH, tokens, heads, width, device="meta").transpose(1, 2)


def programs(grids: Grids, heads: int, kv_heads: int, width: int, beside: list[Tensor]) -> None:
    """Ask for two new tokens and for their gradients."""
    operators, kind = grids.of("kernels.attention_operators"), "causal"
    kind = next(name for name in operators.KERNELS if name.startswith(kind))
    q, k, v = drawn(heads, 2, width), drawn(kv_heads, 2, width), drawn(kv_heads, 2, width)
    counts = [beside[0].shape[1] - 1] if beside else []
    out, lse = operators.attention._init_fn(kind, q, k, v, *beside, None, counts, 0.2)
    last = (out, lse, counts, 0.2)
    operators.attention_backward._init_fn(kind, q, q, k, v, *beside, None, *last)


def test_more_sequences_than_a_grid_is_high(
    builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    grids = Grids(builder.load(WIDE, ("paged",)), monkeypatch)
    programs(grids, 8, 4, 512, [])
    decode, paged = grids.of("kernels.decode"), grids.of("kernels.paged")
    (shape,), (kind,) = decode.SHAPES, paged.KINDS
    one, keys = drawn(8, 1, 512), drawn(4, 40, 512)
    decode.decode._init_fn(shape, one, keys, keys, None, None, 0.2)
    pages = torch.empty(BATCH, 64, 4, 512, device="meta")
    table = torch.empty(BATCH, 1, dtype=torch.int32, device="meta")
    for q in (one, drawn(8, 2, 512)):
        paged.attend._init_fn(kind, q, pages, pages, table, table[:, 0], 0.2)
    pairs = BATCH * 4
    assert grids.found == {
        "causal_forward": (pairs, 2),
        "causal_backward_queries": (pairs, 2),
        "causal_backward_keys": (pairs, 2),
        "causal_backward_values": (pairs, 2),
        f"parts_{shape}": (pairs, 1, 1),
        f"combine_{shape}": (BATCH * 8,),
        f"parts_paged_{shape}": (pairs, 1, 1),
        "causal_paged": (pairs, 2),
    }
    for grid in grids.found.values():
        assert all(n <= most for n, most in zip(grid, MOST, strict=False))


def test_more_sequences_with_learned_biases(
    builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    grids = Grids(builder.load(RELATED), monkeypatch)
    programs(grids, 4, 4, 16, [torch.empty(4, 2, device="meta")])
    assert len(grids.found) == 4
    assert set(grids.found.values()) == {(BATCH * 4,)}


def test_more_sequences_on_hopper(builder: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    grids = Grids(builder.load(WIDE.replace("512}", "128}"), ("gluon",)), monkeypatch)
    hopper = grids.of("kernels.attention_hopper")
    monkeypatch.setattr(hopper, "maps_of", lambda *_: [])
    (kind,) = hopper.KINDS
    hopper.attention(
        kind, drawn(8, 2, 128), drawn(4, 2, 128), drawn(4, 2, 128), [], [], {"SCALE": 0.2}
    )
    assert grids.found == {"causal_forward": (BATCH * 8,)}
