"""Modules that were replaced, wrapped or sharded count everywhere: loss, decoding, tied heads."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from conftest import Builder
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import fully_shard

START = """
archspec: 1
name: adapted
vocab_size: 61
hidden_size: 24
context_length: 64
"""
MLA = (
    "type: mla, heads: 2, kv_rank: 8, nope_dim: 8, rope_dim: 4, value_head_dim: 6, "
    "rope: {theta: 10_000}"
)
SPARSE = "select: {type: lightning_indexer, top_k: 5, heads: 2, head_dim: 8, rope: {theta: 10_000}}"
DENSE = "feedforward: {type: dense, intermediate_size: 32, activation: silu, gated: true}"
SPECS = {
    "latent": f"""{START}
blocks:
  whole: {{mixer: {{{MLA}}}, {DENSE}}}
  sparse: {{mixer: {{{MLA}, query_rank: 16, {SPARSE}}}, {DENSE}}}
layers: whole, sparse
head: {{tied: false, bias: true, scale: 0.5, softcap: 3.0}}
mtp: {{depth: 1, block: whole, loss_weight: 0.3}}
""",
    "tied": f"""{START}
blocks:
  block:
    mixer: {{type: attention, heads: 4, head_dim: 6, rope: {{theta: 10_000}}}}
    {DENSE}
layers: 2 x block
head: {{tied: true, bias: true, softcap: 3.0}}
""",
}


class LoRA(nn.Module):
    """A linear layer with an adapter beside it, its own weights frozen, as PEFT wraps one."""

    def __init__(self, base: nn.Linear):
        super().__init__()
        self.base = base.requires_grad_(False)
        self.a = nn.Parameter(torch.randn(3, base.in_features) * base.in_features**-0.5)
        self.b = nn.Parameter(torch.randn(base.out_features, 3) * 0.5)

    @property
    def weight(self) -> Tensor:
        return self.base.weight

    @property
    def bias(self) -> Tensor | None:
        return self.base.bias

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + F.linear(F.linear(x, self.a), self.b)


class LoRAEmbedding(nn.Module):
    """The same of a table."""

    def __init__(self, base: nn.Embedding):
        super().__init__()
        self.base = base.requires_grad_(False)
        self.a = nn.Parameter(torch.randn(base.num_embeddings, 3))
        self.b = nn.Parameter(torch.randn(3, base.embedding_dim) * 0.3)

    @property
    def weight(self) -> Tensor:
        return self.base.weight

    def forward(self, ids: Tensor) -> Tensor:
        return self.base(ids) + F.embedding(ids, self.a) @ self.b


class Int8(nn.Module):
    """A linear layer whose weight is kept in eight bits, and is no tensor to be read."""

    def __init__(self, base: nn.Linear):
        super().__init__()
        self.scale = base.weight.detach().abs().amax(dim=1) / 127
        self.packed = (base.weight.detach() / self.scale[:, None]).round().to(torch.int8)
        self.bias = base.bias

    def weight(self) -> Tensor:
        return self.packed * self.scale[:, None]

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight(), self.bias)


class Doubled(nn.Module):
    """A parametrisation: what is stored stands for twice as much."""

    def forward(self, weight: Tensor) -> Tensor:
        return 2.0 * weight


def replaced(model: nn.Module, kinds: dict[type[nn.Module], Callable[..., nn.Module]]) -> nn.Module:
    """Every layer of these kinds as what is made of it."""
    for module in list(model.modules()):
        for name, inner in list(module.named_children()):
            if type(inner) in kinds:
                setattr(module, name, kinds[type(inner)](inner))
    return model


def adapted(model: nn.Module) -> nn.Module:
    return replaced(model, {nn.Linear: LoRA, nn.Embedding: LoRAEmbedding})


def quantised(model: nn.Module) -> nn.Module:
    return replaced(model, {nn.Linear: Int8})


def parametrised(model: nn.Module) -> nn.Module:
    for module in list(model.modules()):
        if type(module) in (nn.Linear, nn.Embedding):
            nn.utils.parametrize.register_parametrization(module, "weight", Doubled())
    return model


def exchanged(model: nn.Module) -> nn.Module:
    """With forward passes that were exchanged, as accelerate does to bring weights from a disk."""
    for module in list(model.modules()):
        if type(module) in (nn.Linear, nn.Embedding):
            own = module.forward
            module.forward = lambda x, own=own: 1.5 * own(x)  # type: ignore[method-assign]
    return model


CHANGES: dict[str, Callable[[nn.Module], nn.Module]] = {
    "adapters": adapted,
    "parametrisations": parametrised,
    "quantised layers": quantised,
    "exchanged forward passes": exchanged,
}


@pytest.fixture(scope="module", params=SPECS)
def package(request: pytest.FixtureRequest, builder: Builder) -> ModuleType:
    return builder.load(SPECS[request.param])


@pytest.fixture
def model(package: ModuleType) -> nn.Module:
    torch.manual_seed(0)
    model = package.Model().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=parameter.shape[-1] ** -0.5)
    return model


def definition(model: nn.Module, ids: Tensor) -> Tensor:
    """The mean cross-entropy of the logits that the same model gives, further tokens included."""
    loss = F.cross_entropy(model(ids)[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
    if not hasattr(model, "mtp_logits"):
        return loss
    (ahead,) = model.mtp_logits(ids)
    return loss + 0.3 * F.cross_entropy(ahead[:, :-1].flatten(0, 1), ids[:, 2:].flatten())


@pytest.mark.parametrize("change", CHANGES)
def test_loss_and_decoding_are_of_the_changed_model(model: nn.Module, change: str) -> None:
    ids = torch.randint(61, (2, 14))
    with torch.no_grad():
        before = model(ids)
        changed = CHANGES[change](copy.deepcopy(model))
        want, cache = changed(ids), changed.new_cache(2, 14)
        parts = [changed(part, cache=cache) for part in ids.split([7, 1, 3, 1, 2], dim=1)]
        assert (want - before).abs().max() > 1e-3
        torch.testing.assert_close(torch.cat(parts, dim=1), want, atol=2e-4, rtol=1e-4)
        torch.testing.assert_close(changed(ids, labels=ids), definition(changed, ids))


@torch.no_grad()
def test_adapters_decode_behind_padding(model: nn.Module) -> None:
    model, ids = adapted(model), torch.randint(61, (2, 14))
    cache, pad = model.new_cache(2, 14), torch.tensor([[0, 0, 0], [1, 1, 1]])
    mask = torch.cat((pad, torch.ones(2, 5, dtype=torch.long)), dim=1)
    parts = [model(ids[:, :8], mask, cache=cache)[:, 3:]]
    parts += [model(part, cache=cache) for part in ids[:, 8:].split([1, 3, 2], dim=1)]
    found = torch.cat(parts, dim=1)
    torch.testing.assert_close(found[:1], model(ids[:1, 3:]), atol=2e-4, rtol=1e-4)
    torch.testing.assert_close(found[1:], model(ids[1:])[:, 3:], atol=2e-4, rtol=1e-4)


def test_adapters_have_the_gradients_of_the_loss_s_definition(model: nn.Module) -> None:
    model, ids = adapted(model), torch.randint(61, (2, 14))
    trained = {name: p for name, p in model.named_parameters() if name.endswith((".a", ".b"))}
    found = torch.autograd.grad(model(ids, labels=ids), trained.values(), allow_unused=True)
    wanted = torch.autograd.grad(definition(model, ids), trained.values(), allow_unused=True)
    for name, got, want in zip(trained, found, wanted, strict=True):
        assert (got is None) == (want is None) == ("indexer" in name), name
        if got is not None:
            torch.testing.assert_close(got, want, atol=1e-5, rtol=1e-4, msg=name)


def test_a_tied_table_with_an_adapter_is_one_with_what_it_adds(builder: Builder) -> None:
    package, ids = builder.load(SPECS["tied"]), torch.randint(61, (2, 14))
    plain = package.Model()
    model = copy.deepcopy(plain)
    table = model.embed_tokens = LoRAEmbedding(model.embed_tokens)
    with torch.no_grad():
        plain.embed_tokens.weight.add_(table.a @ table.b)
        torch.testing.assert_close(model(ids), plain(ids))
        torch.testing.assert_close(model(ids, labels=ids), plain(ids, labels=ids))


def test_an_adapted_head_never_makes_all_logits_at_once(builder: Builder) -> None:
    model = builder.load(SPECS["latent"].replace("context_length: 64", "context_length: 4_200"))
    model = model.Model()
    model.lm_head, rows = LoRA(model.lm_head), list[int]()
    model.lm_head.register_forward_hook(lambda *call: rows.append(call[2].shape[0]))
    ids = torch.randint(61, (3, 1500))
    states = torch.randn(3, 1500, 24, requires_grad=True)
    model.norm.register_forward_hook(lambda *_: states)
    model(ids, labels=ids).backward()
    assert max(rows) <= 4096 < 3 * 1499 <= sum(rows)
    assert model.lm_head.a.grad is not None and states.grad is not None


@pytest.fixture
def mesh() -> Iterator[DeviceMesh]:
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield init_device_mesh("cpu", (1,))
    dist.destroy_process_group()


@pytest.mark.filterwarnings("ignore:DTensor random operators may not have complete support")
def test_a_sharded_model_starts_learns_and_writes_as_a_whole_one(
    package: ModuleType, mesh: DeviceMesh
) -> None:
    torch.manual_seed(0)
    whole, ids = package.Model(), torch.randint(61, (2, 9))
    with torch.device("meta"):
        model = package.Model()
    for module in (*model.layers, model.embed_tokens, model):
        fully_shard(module, mesh=mesh)
    torch.manual_seed(0)
    model.to_empty(device="cpu").initialise()
    loss, want = model(ids, labels=ids), whole(ids, labels=ids)
    torch.testing.assert_close(loss, want)
    loss.backward(), want.backward()
    for (name, p), q in zip(model.named_parameters(), whole.parameters(), strict=True):
        if q.grad is not None:
            torch.testing.assert_close(p.grad.full_tensor(), q.grad, msg=name)
    assert torch.equal(model.generate(ids, 4), whole.generate(ids, 4))
