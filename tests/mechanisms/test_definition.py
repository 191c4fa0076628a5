"""Every form of every mechanism gives what its definition says, values and gradients.

Of other specs than the examples of mechanisms a whole text is enough: test_padding.py and
test_contract.py hold what else they do to that.
"""

from __future__ import annotations

import pytest
from conftest import EXAMPLES, ROOT, Builder, Case, spec_id
from defined import Defined, roughened
from held import PREFIX, Said, padded_whole, parts, say, whole

SPECS = [*EXAMPLES, *sorted((ROOT / "examples").glob("*.yaml"))]
of_examples = pytest.mark.parametrize("said", EXAMPLES, ids=spec_id, indirect=True)


@pytest.fixture(scope="module")
def said(request: pytest.FixtureRequest, builder: Builder) -> Said:
    case = Case(request.param, builder)
    longest = 133 if request.param in EXAMPLES else 70
    return say(Defined(case, roughened(case.package.Model()), longest))


@pytest.mark.parametrize("said", SPECS, ids=spec_id, indirect=True)
def test_a_whole_text(said: Said) -> None:
    whole(said)


@of_examples
def test_a_whole_text_with_padding(said: Said) -> None:
    padded_whole(said)


@of_examples
def test_a_text_in_parts(said: Said) -> None:
    parts(said)


@of_examples
def test_tokens_that_see_each_other_both_ways(said: Said) -> None:
    if not said.by.takes_prefix:
        pytest.skip("no call says how many do")
    introduced = say(said.by, PREFIX)
    whole(introduced)
    parts(introduced)
