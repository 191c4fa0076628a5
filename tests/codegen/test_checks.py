"""What a call is given wrongly is said, in one line: what was given and what is expected."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest
import torch
from conftest import Builder

TINY = """
archspec: 1
name: checked
vocab_size: 32
hidden_size: 16
context_length: 12
embedding: {{{embedding}}}
blocks:
  block: {{mixer: {{type: attention, heads: 2, head_dim: 8{rope}}}}}
layers: 2 x block
head: {{tied: true}}
"""
ROPE = TINY.format(embedding="", rope=", rope: {theta: 10_000}")
TABLE = TINY.format(embedding="positions: {type: learned, length: 12}", rope="")
IDS = torch.tensor([[3, 1, 4], [1, 5, 9]])


@pytest.fixture(scope="module")
def package(builder: Builder) -> ModuleType:
    return builder.load(ROPE)


@pytest.fixture(scope="module")
def model(package: ModuleType) -> Any:
    torch.manual_seed(0)
    return package.Model().eval()


CALLS: dict[str, tuple[Any, type[Exception], str]] = {
    "one-dimension": (IDS[0], ValueError, r"shape \(3,\); expected \(B, T\).*input_ids\[None\]"),
    "empty": (IDS[:, :0], ValueError, r"no tokens, \(B, T\) = \(2, 0\)"),
    "fractions": (IDS.float(), TypeError, "a tensor of torch.float32; expected token ids"),
    "truths": (IDS > 3, TypeError, "a tensor of torch.bool"),
    "list": ([[1, 2]], TypeError, "input_ids is list; expected token ids"),
    "beyond": (IDS + 23, ValueError, "id 32; the vocabulary has 0 … 31"),
    "negative": (IDS - 2, ValueError, "id -1; the vocabulary has 0 … 31"),
}


@pytest.mark.parametrize("case", CALLS)
def test_ids_that_are_none(case: str, model: Any) -> None:
    ids, error, message = CALLS[case]
    with pytest.raises(error, match=message):
        model(ids)
    with pytest.raises(error, match=message):
        model.generate(ids, 2)


@pytest.mark.parametrize("name", ["labels", "text_ids"])
def test_what_stands_beside_ids_has_their_shape(name: str, model: Any) -> None:
    with pytest.raises(ValueError, match=rf"{name} has the shape \(2, 2\); expected \(2, 3\)"):
        model(IDS, **{name: IDS[:, 1:]})


def test_a_cache_for_another_number_of_texts(model: Any) -> None:
    for batch in (1, 3):
        cache = model.new_cache(batch, 8)
        with pytest.raises(ValueError, match=f"2 texts; the cache is for {batch}"):
            model(IDS, cache=cache)


WRITING: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "below-zero": ({"temperature": -1.0}, ValueError, "temperature is -1.0; expected 0 or more"),
    "nan": ({"temperature": float("nan")}, ValueError, "temperature is nan"),
    "infinite": ({"temperature": float("inf")}, ValueError, "temperature is inf"),
    "a-word": ({"temperature": "hot"}, TypeError, "temperature is 'hot'; expected a number"),
    "fewer-than-none": ({"max_new_tokens": -1}, ValueError, "max_new_tokens is -1"),
    "a-half": ({"max_new_tokens": 2.5}, TypeError, "max_new_tokens is 2.5; expected a whole"),
    "stop-unknown": ({"stop_tokens": [3, 32]}, ValueError, "stop_tokens has 32; the vocabulary"),
    "stop-a-word": ({"stop_tokens": ["</s>"]}, TypeError, "stop_tokens has '</s>'"),
    "mask-of-one-text": ({"attention_mask": IDS[0]}, ValueError, r"attention_mask has the shape"),
    "all-hidden": (
        {"attention_mask": torch.tensor([[1, 1, 1], [0, 0, 0]])},
        ValueError,
        "hides all of a text",
    ),
}


@pytest.mark.parametrize("case", WRITING)
def test_generate_says_what_it_cannot_write_with(case: str, model: Any) -> None:
    given, error, message = WRITING[case]
    with pytest.raises(error, match=message):
        model.generate(IDS, **{"max_new_tokens": 2, **given})


def test_nothing_to_add_gives_the_text_back(model: Any) -> None:
    assert torch.equal(model.generate(IDS, 0), IDS)


@pytest.mark.parametrize("temperature", [1e-320, 1e-46, 1e-40, 1e-30, 1e-7])
def test_the_smallest_temperatures_take_the_likeliest(temperature: float, model: Any) -> None:
    torch.manual_seed(0)
    assert torch.equal(model.generate(IDS, 5, temperature=temperature), model.generate(IDS, 5))


def test_samples_are_drawn_from_the_softmax_of_logits_over_temperature(package: ModuleType) -> None:
    """20,000 draws against the probabilities, in float64."""
    logits = torch.tensor([[1.0, 3.0, 2.5, -4.0, 200.0 - 198.0]])
    torch.manual_seed(0)
    drawn = sys.modules[f"{package.__name__}.generate"].choose(logits.expand(20_000, -1), 0.7)
    expected = (logits[0].double() / 0.7).softmax(0)
    share = drawn.flatten().bincount(minlength=5) / 20_000
    torch.testing.assert_close(share.double(), expected, atol=0.015, rtol=0)


def test_what_stops_a_text_may_be_one_id_several_or_a_tensor(model: Any) -> None:
    free = model.generate(IDS[:1], 6)
    stop = int(free[0, 5])
    expected = model.generate(IDS[:1], 6, stop_tokens=(stop,))
    assert expected.shape[1] < free.shape[1]
    for given in (stop, [stop], {stop}, torch.tensor(stop), torch.tensor([stop, stop])):
        assert torch.equal(model.generate(IDS[:1], 6, stop_tokens=given), expected)


def test_a_text_longer_than_the_context_is_warned_of(model: Any) -> None:
    with pytest.warns(UserWarning, match="up to 13 tokens; the model is made for 12"):
        out = model.generate(IDS, 10)
    assert out.shape == (2, 13)
    model.generate(IDS, 9)  # fills it, and pytest would raise a warning


def test_a_text_longer_than_the_table_of_positions_is_refused_at_once(builder: Builder) -> None:
    model = builder.load(TABLE).Model().eval()
    with pytest.raises(ValueError, match="13 tokens to read; the model has 12 positions"):
        model.generate(IDS, 11)
    with pytest.warns(UserWarning, match="up to 13 tokens"):  # the last is written, and not read
        assert model.generate(IDS, 10).shape == (2, 13)


def test_checks_break_no_graph(model: Any) -> None:
    torch.compiler.reset()
    compiled: Any = torch.compile(model, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(IDS), model(IDS))
    torch.testing.assert_close(compiled(IDS, labels=IDS), model(IDS, labels=IDS))
    tokens = torch.export.Dim("tokens", min=2, max=12)
    exported = torch.export.export(model, (IDS,), dynamic_shapes=({1: tokens},))
    longer = torch.arange(14).view(2, 7)
    torch.testing.assert_close(exported.module()(longer), model(longer))


def run(package: ModuleType, *arguments: str) -> subprocess.CompletedProcess[str]:
    folder = next(iter(package.__path__))
    command = [sys.executable, "-m", f"{package.__name__}.generate", *arguments]
    return subprocess.run(command, cwd=f"{folder}/..", capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--ids", "1,x"), "--ids is '1,x'; expected token ids, as 1,2,3"),
        (("--ids", ""), "--ids is ''; expected token ids, as 1,2,3"),
        (("--ids", "1,32"), "input_ids has the id 32; the vocabulary has 0 … 31"),
    ],
)
def test_a_shell_gets_a_line_for_bad_ids(
    package: ModuleType, arguments: tuple[str, ...], message: str
) -> None:
    done = run(package, *arguments)
    assert done.returncode == 2 and not done.stdout
    assert done.stderr.splitlines()[-1] == f"python -m {package.__name__}.generate: {message}"
    assert "Traceback" not in done.stderr


def test_a_shell_is_told_of_random_weights(package: ModuleType) -> None:
    done = run(package, "--ids", "1,2", "--max-new-tokens", "2")
    assert done.returncode == 0 and len(done.stdout.strip().split(",")) == 4
    assert "the weights are random" in done.stderr
