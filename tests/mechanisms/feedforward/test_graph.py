"""The operator graph of a mixture shows the router's stages and the shared expert's path."""

from __future__ import annotations

import networkx as nx
from specs import feedforward, moe

GROUPS = "groups: {count: 4, keep: 2, by: top2}"
ROUTER = f"router: {{score: sigmoid, softcap: 2.0, correction_bias: true, {GROUPS}}}"


def test_a_plain_router_is_one_operator() -> None:
    router = feedforward(moe("renormalize: true")).graph(8)["router"]
    assert router.inside is None
    assert router.detail == "top 3 of 8"


def test_the_stages_of_a_router() -> None:
    graph = feedforward(moe(f"renormalize: true, scale: 2.5, {ROUTER}")).graph(8)
    inside = graph["router"].inside
    assert [o.label for o in inside.operators[1:-1]] == [
        "Linear",
        "Soft cap",
        "Sigmoid",
        "Correction",
        "Best 2 of 4 groups",
        "Top 3 of 8",
        "Their scores",
        "÷ their sum",
        "× 2.5",
    ]
    assert nx.has_path(inside.networkx(), "score", "gather")
    assert {p.name: p.trained for p in graph.parameters() if "router" in p.name} == {
        "router_correction": False,
        "router.weight": True,
    }


def test_keeping_all_groups_is_no_limit() -> None:
    text = moe("router: {groups: {count: 4, keep: 4, by: max}}")
    assert feedforward(text).graph(8)["router"].inside is None
    assert "groups" not in feedforward(text).caption(8)


def test_the_shared_expert_is_a_path_of_its_own() -> None:
    graph = feedforward(moe("shared: {intermediate_size: 5, gate: true}")).graph(8)
    path = nx.shortest_path(graph.networkx(), "shared", "output")
    assert path == ["shared", "shared_product", "sum", "output"]
    assert graph["shared"].inside.flops(0, 1) == 3 * 2 * 8 * 5


def test_input_weights_are_multiplied_before_the_experts() -> None:
    wires = feedforward(moe("router_weight_on: input")).graph(8).networkx()
    assert {"input", "router"} == set(wires.predecessors("weighted"))
    assert {"weighted", "router"} == set(wires.predecessors("experts"))
