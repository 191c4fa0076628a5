"""The built mixture of experts against a loop over tokens and experts in float64."""

from __future__ import annotations

import pytest
import slow
import torch
from conftest import Builder
from specs import feedforward, moe, noisy

OPTIONS = [
    # routers
    "renormalize: true",
    "renormalize: false",
    "renormalize: true, renormalize_epsilon: 0.01",
    "renormalize: true, renormalize_floor: 0.9",
    "router: {bias: true}",
    "router: {softcap: 0.5}",
    "router: {correction_bias: true}",
    "renormalize: true, router: {correction_bias: true}",
    "router: {score: sigmoid}",
    "router: {score: sqrt_softplus}",
    "renormalize: true, router: {score: sigmoid}",
    "renormalize: true, router: {score: sigmoid, softcap: 2.0, bias: true, correction_bias: true}",
    "renormalize: true, renormalize_epsilon: 1.0e-20, "
    "router: {score: sigmoid, correction_bias: true}",
    "renormalize: true, renormalize_floor: 1.0e-12, router: {correction_bias: true}",
    "scale: 2.5",
    "renormalize: true, scale: 0.5, router: {score: sigmoid}",
    "router: {score: sparsemixer, jitter: 0.01}",
    "router: {score: sparsemixer, jitter: 0.3}",
    "scale: 3.0, router: {score: sparsemixer, jitter: 0.3, softcap: 1.0}",
    "renormalize: true, router: {expert_scale: true}",
    "scale: 2.0, router: {score: sigmoid, correction_bias: true, expert_scale: true}",
    # what is read
    "norm: true",
    "norm: {weight: false}, shared: {intermediate_size: 5, gate: true}",
    "norm: {zero_centered: true, eps: 0.01}, router_weight_on: input",
    "router: {norm: true}",
    "router: {scale: 0.35}, norm: true",
    "router: {norm: {zero_centered: true}, scale: 2.0, softcap: 1.5, bias: true}",
    "norm: true, renormalize: true, router: {norm: true, scale: 0.35, expert_scale: true}",
    # groups
    "router: {groups: {count: 4, keep: 2, by: max}}",
    "router: {groups: {count: 4, keep: 2, by: top2}}",
    "router: {groups: {count: 2, keep: 2, by: max}}",
    "router: {score: sigmoid, correction_bias: true, groups: {count: 2, keep: 1, by: top2}}",
    "router: {score: sigmoid, correction_bias: true, groups: {count: 4, keep: 2, by: max}}",
    "renormalize: true, router: {score: sqrt_softplus, groups: {count: 8, keep: 3, by: max}}",
    # where the weight goes
    "router_weight_on: input",
    "router_weight_on: input, bias: true, router: {score: sigmoid}, scale: 2.0",
    # inside an expert
    "gated: false",
    "gated: false, bias: true, clamp: 0.3, clamp_after: 0.2, activation: gelu",
    "bias: true",
    "clamp: 0.3, up_offset: 1.0, activation: quick_gelu",
    "clamp_after: 0.2",
    "activation: xielu",
    # beside the experts
    "shared: {intermediate_size: 5}",
    "shared: {intermediate_size: 5, gate: true, bias: true}",
    "shared: {intermediate_size: 5, clamp: 0.3, clamp_after: 0.2}, up_offset: 0.5",
    "shared: {intermediate_size: 5, average: true}, gated: false, activation: relu2",
    "router_weight_on: input, router: {score: sigmoid}, shared: {intermediate_size: 5}",
]


@pytest.mark.parametrize("options", OPTIONS)
def test_equals_the_loop(options: str, builder: Builder) -> None:
    text = moe(options)
    module = noisy(builder.load(text).experts.MixtureOfExperts())
    x = torch.randn(2, 17, 8)
    assert module(x).dtype == x.dtype
    module, x = module.double(), x.double()
    want = slow.mixture(feedforward(text), module.state_dict(), x.flatten(0, 1))
    torch.testing.assert_close(module(x).flatten(0, 1), want, atol=1e-10, rtol=1e-10)


def test_one_expert_for_each_token(builder: Builder) -> None:
    text = moe("renormalize: false").replace("top_k: 3", "top_k: 1")
    module = noisy(builder.load(text).experts.MixtureOfExperts())
    x = torch.randn(2, 17, 8)
    want = slow.mixture(feedforward(text), module.state_dict(), x.flatten(0, 1))
    torch.testing.assert_close(module(x).flatten(0, 1).double(), want, atol=1e-5, rtol=1e-5)


def test_a_choice_by_logits_outlives_saturated_scores(builder: Builder) -> None:
    """σ(40) and σ(50) are both 1 in float32, yet the larger logit is chosen."""
    module = builder.load(moe("router: {score: sigmoid}")).experts.MixtureOfExperts()
    with torch.no_grad():
        module.router.weight.copy_(torch.eye(8))
    tokens = torch.tensor([[40.0, 50, 30, 60, 0, 0, 0, 0]])
    assert set(module.route(tokens)[1][0].tolist()) == {0, 1, 3}


def test_gradients_reach_all_but_the_correction(builder: Builder) -> None:
    router = "router: {score: sigmoid, correction_bias: true}"
    text = moe(f"{router}, shared: {{intermediate_size: 5, gate: true}}")
    module = noisy(builder.load(text).experts.MixtureOfExperts())
    before = module.router_correction.clone()
    optimizer = torch.optim.SGD(module.parameters(), lr=1.0)
    module(torch.randn(2, 17, 8)).square().mean().backward()
    assert all(p.grad is not None and p.grad.any() for p in module.parameters())
    optimizer.step()
    assert not module.router_correction.requires_grad
    assert torch.equal(module.router_correction, before)


def test_the_correction_stays_precise_in_bfloat16(builder: Builder) -> None:
    torch.set_default_dtype(torch.bfloat16)
    try:
        module = builder.load(moe("router: {correction_bias: true}")).experts.MixtureOfExperts()
    finally:
        torch.set_default_dtype(torch.float32)
    assert module.router_correction.dtype == torch.float32
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_()
    assert module(torch.randn(1, 3, 8, dtype=torch.bfloat16)).dtype == torch.bfloat16


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_checkpoints_fill_buffers(device: str, builder: Builder) -> None:
    package = builder.load(
        moe("router: {score: sigmoid, correction_bias: true}, activation: xielu")
    )
    published = noisy(package.Model())
    with torch.device(device):
        model = package.Model()
    package.load_checkpoint(model, dict(published.state_dict()))
    for name, tensor in model.state_dict(keep_vars=True).items():
        assert torch.equal(tensor, published.state_dict()[name]), name
    assert dict(model.named_parameters()).keys() == dict(published.named_parameters()).keys()
    ids = torch.randint(16, (1, 9))
    torch.testing.assert_close(model(ids), published(ids))


def test_a_checkpoint_without_the_correction_is_refused(builder: Builder) -> None:
    package = builder.load(moe("router: {correction_bias: true}"))
    state = dict(package.Model().state_dict())
    del state["layers.0.mlp.router_correction"]
    with pytest.raises(ValueError, match=r"missing layers\.0\.mlp\.router_correction"):
        package.load_checkpoint(package.Model(), state)


def test_unused_experts_cost_nothing(builder: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every product is over rows that chose the expert; experts without rows have none."""
    module = noisy(builder.load(moe("renormalize: true")).experts.MixtureOfExperts())
    x, rows, mm = torch.randn(1, 5, 8), [], torch.mm

    def counted(a: torch.Tensor, b: torch.Tensor, **out: torch.Tensor) -> torch.Tensor:
        rows.append(a.shape[0])
        return mm(a, b, **out)

    monkeypatch.setattr(torch, "mm", counted)
    chosen = module.route(x[0])[1]
    module(x)
    used = chosen.unique().numel()
    assert used < 8
    assert len(rows) == 2 * used
    assert sum(rows) == 2 * chosen.numel()
