"""The models of the language: what a spec may say, and that they document themselves."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ValidationError

from archspec.language.schema import references
from archspec.mechanisms import mechanisms
from archspec.spec.base import Name, Strict
from archspec.spec.checkpoint import Checkpoint
from archspec.spec.embedding import Embedding
from archspec.spec.model import ModelSpec
from archspec.spec.norm import Norm, complete_norms
from archspec.spec.rope import Rope, YarnScaling

MODELS = [*Strict.__subclasses__(), *mechanisms()]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_model_is_frozen_and_closed(model: type[BaseModel]) -> None:
    assert model.model_config["frozen"] and model.model_config["extra"] == "forbid"


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_field_says_what_it_is(model: type[BaseModel]) -> None:
    silent = [
        name
        for name, field in model.model_fields.items()
        if not field.description and name != "type"
    ]
    assert silent == []


def test_the_schema_reaches_every_mechanism() -> None:
    names = set(references(ModelSpec.model_json_schema()))
    assert {mechanism.__name__ for mechanism in mechanisms()} <= names


def test_a_norm_takes_its_gaps_from_the_model() -> None:
    model = Norm(type="rmsnorm", eps=1e-5, zero_centered=True)
    filled = Norm(type="rmsnorm", eps=1e-5, weight=True, zero_centered=True, bias=False)
    assert Norm().over(model) == filled


def test_a_norm_of_another_type_takes_only_the_eps() -> None:
    model = Norm(type="rmsnorm", eps=1e-5, zero_centered=True)
    assert Norm(type="layernorm").over(model) == Norm(
        type="layernorm", eps=1e-5, weight=True, zero_centered=False, bias=True
    )


def test_true_and_false_stand_for_a_norm() -> None:
    assert Embedding.model_validate({"norm": True}).norm == Norm()
    assert Embedding.model_validate({"norm": False}).norm is None


def test_norms_inside_a_part_are_completed() -> None:
    full = Norm().over(Norm())
    assert complete_norms(Embedding(norm=Norm()), Norm()).norm == full


def test_yarn_temperature_follows_the_paper() -> None:
    yarn = YarnScaling(type="yarn", factor=4.0, original_context=4096)
    assert yarn.temperature() == pytest.approx(1.1386294361)


def test_rope_turns_a_share_of_the_width() -> None:
    assert Rope(theta=1e4, fraction=0.25).width(256) == 64


@pytest.mark.parametrize("name", ["a", "a1", "local_2"])
def test_block_names(name: str) -> None:
    class Holder(Strict):
        name: Name

    assert Holder(name=name).name == name


@pytest.mark.parametrize("name", ["", "A", "1a", "a-b", "a b", "a\n", "__a", "é"])
def test_refused_block_names(name: str) -> None:
    class Holder(Strict):
        name: Name

    with pytest.raises(ValidationError):
        Holder(name=name)


def test_a_short_rule_is_a_rule() -> None:
    short = Checkpoint.model_validate({"tensors": {"a.": "b."}})
    assert short == Checkpoint.model_validate({"tensors": {"a.": {"to": ["b."]}}})


def test_numbers_are_not_taken_from_text() -> None:
    with pytest.raises(ValidationError):
        Rope.model_validate({"theta": "10000"})
