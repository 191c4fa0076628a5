"""Packages built once for a whole test run, and the specs that every contract is tested on."""

from __future__ import annotations

import hashlib
import importlib
import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import pytest
import torch
from reading import Reading

import archspec
from archspec.codegen import build
from archspec.output.place import put_files

# The tests run in as many processes as there are cores; threads beside them only get in the way.
torch.set_num_threads(1)

# torch lists the functions that obey `torch.device(...)` at its first use and keeps the list.
# transformers replaces torch.linspace while it loads a model: were that the first use, it would
# be missing from the list for every test after it.
with torch.device("meta"):
    torch.empty(0)

if os.environ.get("TRITON_INTERPRET") == "1":
    import kernels.quick  # noqa: F401

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "archspec/mechanisms").glob("*/*/example.yaml"))
SPECS = (
    EXAMPLES
    + sorted((ROOT / "examples").glob("*.yaml"))
    + sorted((ROOT / "gallery").glob("*.yaml"))
)


def spec_id(path: Path) -> str:
    return path.parent.name if path.name == "example.yaml" else path.stem


def small_text(path: Path) -> str:
    """The spec, shrunk if it is a published model's."""
    text = path.read_text(encoding="utf-8")
    if path.parent.name != "gallery":
        return text
    from archspec.language.source import parse
    from archspec.numbers.shrink import shrink

    return shrink(parse(text, path.name))


class Builder:
    """Builds a spec's package into a folder of its own and imports it.

    Processes of one run share what they have built; nothing is changed in it.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        sys.path.insert(0, str(folder))

    def write(self, text: str, extras: tuple[str, ...] = ()) -> Path:
        """The folder of the package built from `text`, with `extras`."""
        said = "".join((text, *extras)).encode()
        folder = self.folder / f"built_{hashlib.sha256(said).hexdigest()[:12]}"
        if not folder.exists():
            made = Path(tempfile.mkdtemp(dir=self.folder))
            put_files(build(archspec.loads(text), text, "spec.yaml", extras=extras), made)
            with suppress(OSError):  # another process was first
                made.rename(folder)
        return folder

    def load(self, text: str, extras: tuple[str, ...] = ()) -> ModuleType:
        """The imported package."""
        folder = self.write(text, extras)
        importlib.invalidate_caches()
        return importlib.import_module(folder.name)


@pytest.fixture(scope="session")
def builder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Builder:
    own = tmp_path_factory.getbasetemp()
    one_of_many = hasattr(request.config, "workerinput")
    folder = (own.parent if one_of_many else own) / "packages"
    folder.mkdir(exist_ok=True)
    return Builder(folder)


class Case(Reading):
    """One spec, its architecture, and its package."""

    def __init__(self, path: Path, builder: Builder):
        self.text = small_text(path)
        super().__init__(archspec.loads(self.text))
        self.folder = builder.write(self.text)
        self.package = builder.load(self.text)


@pytest.fixture(scope="session", params=SPECS, ids=spec_id)
def case(request: pytest.FixtureRequest, builder: Builder) -> Case:
    return Case(request.param, builder)


COMPILED = {"encoder", "encoder-decoder", "looking-ahead"}
COMPILED_LENGTHS = {"hybrid", "encoder-decoder"}
TRACED = {"attention", "dense", "moe", "per_layer"}
"""Whose decoding every run only traces, for the time it takes to compile so many layers.

What attention writes to a cache is compiled in the examples of others, and in COMPILED_DECODING.
"""
COMPILED_DECODING = COMPILED | {"local-global"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Compiling takes long: every run compiles each mechanism's example, `make sweep` the rest.

    For many lengths it takes longer still: every run does so with two specs.
    """
    for item in items:
        call = getattr(item, "callspec", None)
        path = call.params.get("case") if call else None
        if not isinstance(path, Path) or "compile" not in item.name:
            continue
        lengths, backend = item.path.stem == "test_lengths", call.params.get("backend")
        kept = COMPILED_LENGTHS if lengths else COMPILED_DECODING if backend else COMPILED
        if lengths and "training" in item.name:
            kept = kept - {"hybrid"}  # a minute more
        own = path.name == "example.yaml" and not lengths
        if backend == "eager":
            kept, own = set(), own and spec_id(path) in TRACED
        elif backend:
            own = own and spec_id(path) not in TRACED
        if path.stem not in kept and not own:
            item.add_marker(pytest.mark.slow)
