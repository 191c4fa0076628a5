"""An error planted in what a package is made from, and whether the contract finds it.

Nothing is written into the sources: a template is read with the error in it, from memory, and the
package is built into a folder of its own. What it gives is compared with the definition, which was
asked with the same weights before anything was planted.
"""

from __future__ import annotations

import importlib
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from conftest import ROOT
from defined import Defined, roughened
from held import PREFIX, Said, padded_whole, parts, say, whole
from jinja2 import BaseLoader, Environment
from reading import Reading

import archspec
from archspec.codegen import build
from archspec.codegen.environment import environment

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "mechanisms"), str(HERE.parent / "mechanisms/mixers")]

import test_delta_rule  # noqa: E402
import test_linear_attention  # noqa: E402
import test_mamba  # noqa: E402
import test_mamba2  # noqa: E402

PLANTED = sorted((HERE / "planted").glob("*.toml"))
TABLE = HERE / "table.txt"


@dataclass(frozen=True)
class Mutant:
    """One small error: in the template called `template`, `find` stands once and becomes `put`.

    With `built` in place of a template it is in a file of the package: of what stands in a view.
    """

    mechanism: str
    what: str
    find: str
    put: str
    template: str = ""
    built: str = ""
    spec: str = ""

    @property
    def place(self) -> str:
        """The file that has the error."""
        return self.template or self.built


def mutants(mechanism: str | None = None) -> list[Mutant]:
    """All that are planted, or those of one mechanism; a file of them for each."""
    found: list[Mutant] = []
    for path in PLANTED:
        if mechanism in (None, path.stem):
            data = tomllib.loads(path.read_text(encoding="utf-8"))
            spec = data.get("spec", "")
            own = ({"mechanism": path.stem, "spec": spec} | one for one in data["planted"])
            found += [Mutant(**one) for one in own]
    return found


class Overlay(BaseLoader):
    """Templates as they are, but for one."""

    def __init__(self, loader: BaseLoader, name: str, text: str):
        self.loader, self.name, self.text = loader, name, text

    def get_source(self, environment: Environment, template: str) -> Any:
        """The text with the error, or what the template has."""
        if template == self.name:
            return self.text, None, lambda: True
        return self.loader.get_source(environment, template)


def replaced(text: str, mutant: Mutant) -> str:
    """`text` with the error in it; what is looked for has to stand there once."""
    count = text.count(mutant.find)
    assert count == 1, f"{mutant.place} has {count} times: {mutant.find!r}"
    return text.replace(mutant.find, mutant.put)


def find_template(mutant: Mutant) -> tuple[str, str]:
    """The full name and the text of the one template that ends with the mutant's."""
    made = environment()
    names = [n for n in made.list_templates(["jinja"]) if f"/{n}".endswith(f"/{mutant.template}")]
    assert len(names) == 1, f"templates called {mutant.template}: {names}"
    assert made.loader is not None
    text, _, _ = made.loader.get_source(made, names[0])
    return names[0], text


def rendered(text: str) -> dict[str, str]:
    """The package of a spec, without its figure."""
    with mock.patch("archspec.draw.render", lambda *_: b""):
        return build(archspec.loads(text), text, "spec.yaml")


@contextmanager
def planted(mutant: Mutant) -> Iterator[None]:
    """Meanwhile the template has the error, read from memory and compiled anew."""
    made = environment()
    name, text = find_template(mutant)
    before = made.loader, made.bytecode_cache
    assert made.loader is not None
    made.loader = Overlay(made.loader, name, replaced(text, mutant))
    made.bytecode_cache = None
    assert made.cache is not None
    made.cache.clear()
    try:
        yield
    finally:
        made.loader, made.bytecode_cache = before
        made.cache.clear()


def with_error(mutant: Mutant, text: str, sound: dict[str, str]) -> dict[str, str]:
    """The package of a spec with the error in it, which differs from the `sound` one."""
    if mutant.built:
        return sound | {mutant.built: replaced(sound[mutant.built], mutant)}
    with planted(mutant):
        files = rendered(text)
    changed = [n for n in files if files[n] != sound.get(n) and n.endswith(".py")]
    assert changed, f"no file of the package has it: {mutant}"
    return files


def recurrences(package: Any, mixer: str) -> None:
    """The delta rules of a package, in both forms."""
    for name, (of, _, _) in test_delta_rule.RULES.items():
        if of == mixer:
            rule = test_delta_rule.Rule(name, package)
            test_delta_rule.test_both_forms_give_values_and_gradients_of_the_definition(rule, 70)


def sums(package: Any) -> None:
    """Those of linear attention, in both forms."""
    for kind in test_linear_attention.KINDS:
        test_linear_attention.test_both_forms_give_the_definition(package, kind, 70, True)


FUNCTIONS: dict[str, tuple[Callable[[Any], None], ...]] = {
    "gated_deltanet": (lambda package: recurrences(package, "gated_deltanet"),),
    "kimi_delta": (lambda package: recurrences(package, "kimi_delta"),),
    "linear_attention": (sums,),
    "mamba": (
        lambda package: test_mamba.test_both_forms_give_the_definition(package.scan, 70, False),
    ),
    "mamba2": (
        lambda package: test_mamba2.test_both_forms_give_the_definition(package.ssd, 70, 2, False),
    ),
}
"""What is held to a definition below a whole model: both forms of a recurrence, and gradients."""


class Contract:
    """What a spec's definition says, said once; and packages of it, held to that."""

    def __init__(self, spec: str, folder: Path):
        self.mechanism = Path(spec).parent.name
        self.text = (ROOT / spec).read_text(encoding="utf-8")
        self.folder, self.count = folder, 0
        self.sound = rendered(self.text)
        self.reading = Reading(archspec.loads(self.text))
        model = roughened(self.load(self.sound).Model())
        self.weights = model.state_dict()
        by = Defined(self.reading, model)
        self.said = [say(by)] + ([say(by, PREFIX)] if by.takes_prefix else [])
        assert self.broken(self.sound) is None, self.broken(self.sound)

    def load(self, files: dict[str, str]) -> Any:
        """A package, imported under a name of its own."""
        self.count += 1
        name = f"mutant_{abs(hash(self.text)) % 10**8}_{self.count}"
        (self.folder / name).mkdir()
        for path, content in files.items():
            (self.folder / name / path).parent.mkdir(exist_ok=True, parents=True)
            (self.folder / name / path).write_text(content, encoding="utf-8")
        if str(self.folder) not in sys.path:
            sys.path.insert(0, str(self.folder))
        importlib.invalidate_caches()
        return importlib.import_module(name)

    def broken(self, files: dict[str, str]) -> str | None:
        """In what a package differs from the definition; None where it does not."""
        try:
            model = roughened(self.load(files).Model())
            model.load_state_dict(self.weights)
            for said in self.said:
                said.by.model = model
                self.hold(said)
            for check in FUNCTIONS.get(self.mechanism, ()):
                check(sys.modules[type(model).__module__.partition(".")[0]])
        except Exception as fault:  # whatever it is, it was noticed
            return f"{type(fault).__name__}: {fault}".split("\n")[0]
        return None

    @staticmethod
    def hold(said: Said) -> None:
        """The checks of every mechanism, on one package."""
        whole(said)
        if not said.prefix:
            padded_whole(said)
        if said.by.architecture.is_causal:
            parts(said)


SPECS = {
    path.parent.name: str(path.relative_to(ROOT))
    for path in (ROOT / "archspec/mechanisms").glob("*/*/example.yaml")
}


def caught(mutant: Mutant, contracts: dict[str, Contract], folder: Path) -> str | None:
    """How an error was noticed, or None; raises AssertionError where it was not planted at all."""
    spec = mutant.spec or SPECS[mutant.mechanism]
    if spec not in contracts:
        contracts[spec] = Contract(spec, folder)
    contract = contracts[spec]
    files = with_error(mutant, contract.text, contract.sound)
    torch.manual_seed(0)
    return contract.broken(files)
