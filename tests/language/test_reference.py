"""The page about the language says what a model without a word about it gets."""

from __future__ import annotations

import re
from math import pi, sqrt
from typing import get_args

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from archspec.language.reference import reference
from archspec.spec.activation import FORMULAS, Activation
from archspec.spec.norm import Norm

OPERATORS = {
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "identity": lambda x: x,
    "mish": F.mish,
    "quick_gelu": lambda x: x * (1.702 * x).sigmoid(),
    "relu": F.relu,
    "relu2": lambda x: F.relu(x) ** 2,
    "sigmoid": torch.sigmoid,
    "silu": F.silu,
    "softplus": F.softplus,
    "tanh": torch.tanh,
}
SIGNS = {
    "·": "*",
    "−": "-",
    "³": "**3",
    "²": "**2",
    "√": "sqrt",
    "π": "pi",
    "e^x": "x.exp()",
    "e^-x": "(-x).exp()",
    "e^m": "m.exp()",
    "ln(1": "log(1",
    "Φ(x)": "normal(x)",
    "σ(": "sigmoid(",
    "tanh(": "torch.tanh(",
    "max(x, 0)": "F.relu(x)",
}
NAMES = {"F": F, "torch": torch, "sqrt": sqrt, "pi": pi, "sigmoid": torch.sigmoid, "log": torch.log}


def evaluate(formula: str, **values: Tensor) -> Tensor:
    """What the text of a formula computes of x in float64."""
    text = formula
    for sign, said in SIGNS.items():
        text = text.replace(sign, said)
    text = re.sub(r"(?<=[0-9a-z]) (?=[a-z(])", "*", text)  # `1.702 x`
    normal = torch.distributions.Normal(0.0, 1.0).cdf
    return eval(text, {**NAMES, "normal": normal}, dict(values))


@pytest.mark.parametrize("name", OPERATORS)
def test_an_activations_formula_computes_what_torch_does(name: str) -> None:
    x = torch.linspace(-4, 4, 41, dtype=torch.float64)
    said = FORMULAS[name].partition(" (arXiv")[0]  # type: ignore[index]
    said = said.removeprefix("σ(x) = ").partition(", Φ")[0]
    torch.testing.assert_close(evaluate(said, x=x), OPERATORS[name](x), rtol=1e-6, atol=1e-8)


def test_the_formula_of_the_one_that_learns() -> None:
    """Equation 1 of arXiv 2411.13010: αp x² + βx above zero, αn (eˣ − 1) − αn x + βx below."""
    x = torch.linspace(-4, 4, 41, dtype=torch.float64)
    above, _, below = FORMULAS["xielu"].removeprefix("x > 0: ").partition("; else: ")
    a, b = torch.tensor(0.8, dtype=torch.float64), torch.tensor(0.9, dtype=torch.float64)
    found = torch.where(
        x > 0,
        evaluate(above, x=x, a=a),
        evaluate(below.partition(" with ")[0], x=x, b=b, m=x.clamp(max=-1e-6)),
    )
    expected = torch.where(x > 0, a * x**2 + 0.5 * x, b * torch.expm1(x) - b * x + 0.5 * x)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=3e-6)


def test_every_activation_has_a_formula_on_the_page() -> None:
    page = reference()
    names = {name for part in get_args(Activation) for name in (get_args(part) or (part,))}
    assert set(FORMULAS) == names | {n for p in names for n in get_args(p)}
    assert all(f"| `{name}` | {formula} |" in page for name, formula in FORMULAS.items())


def test_the_page_says_the_norm_of_a_model_that_names_none() -> None:
    norm, page = Norm().over(Norm()), reference()
    assert f"RMSNorm with `eps` {norm.eps:g} when left out" in page.replace("1e-6", "1e-06")
    assert f"`{norm.type}` where the model's `norm` says nothing" in page
