"""View → {path: text}: the table of a package's files, rendered and formatted."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from archspec import __version__
from archspec.architecture.model import Architecture
from archspec.codegen.checkpoint import CheckpointView
from archspec.codegen.context import context as package_context
from archspec.codegen.definitions import held_modules, written_out
from archspec.codegen.environment import environment
from archspec.codegen.files import File
from archspec.codegen.format import SETTINGS, format_python
from archspec.codegen.generate import GENERATE
from archspec.codegen.loss import LOSS_FILES
from archspec.codegen.modules import default_folder
from archspec.codegen.norm_rotary import TURNED
from archspec.codegen.norms import NORM_FILES
from archspec.codegen.readme import facts
from archspec.codegen.rotary import ROTARY_FILES
from archspec.codegen.sharing import Sharing, sharing
from archspec.codegen.site import Check, template, view_module
from archspec.codegen.stacks import POSITIONS
from archspec.codegen.tensor_files import PLAIN
from archspec.codegen.view import PackageView
from archspec.mechanisms.base import Mechanism
from archspec.output.lock import LOCK, WITH, manifest

PLACE = "templates/package/{}.py.jinja"
FILES = (
    File("__init__.py", PLACE.format("init"), "what to import"),
    File("model.py", PLACE.format("model"), "the layers in order, and the model"),
    File(
        "step.py", PLACE.format("step"), "what every layer needs to know about the tokens at hand"
    ),
    File("checks.py", PLACE.format("checks"), "what a call is given, checked"),
    File("padding.py", PLACE.format("padding"), "padding taken out, and put back"),
    File(
        "scaled.py", PLACE.format("scaled"), "a factor rounded to the type of the weights", "rounds"
    ),
    File("draw.py", PLACE.format("draw"), "numbers for fresh weights", "truncates"),
    *NORM_FILES,
    *ROTARY_FILES,
    TURNED,
    PLAIN,
    POSITIONS,
    File("cache.py", PLACE.format("cache"), "what is kept between calls", "causal"),
    *LOSS_FILES,
    GENERATE,
    File("tracing.py", PLACE.format("tracing"), "what each layer gives, to be looked at", "traces"),
    File("checkpoint.py", PLACE.format("checkpoint"), "published tensors to parameters"),
    File("tensors.py", PLACE.format("tensors"), "tensors from files, or refused"),
    File("shards.py", PLACE.format("shards"), "tensors to files, all or none"),
    File(
        "definitions.py",
        PLACE.format("definitions"),
        "what functions are held to, written out in float64",
        "defined",
    ),
    File("selftest.py", PLACE.format("selftest"), "check the package on this machine"),
)
KERNELS = "templates/kernels/{}.py.jinja"
KERNEL_FILES = (
    File("kernels/__init__.py", KERNELS.format("init"), "when kernels run"),
    File("kernels/launch.py", KERNELS.format("launch"), "how kernels are launched"),
    File("kernels/ahead.py", KERNELS.format("ahead"), "their binaries, to compile ahead of time"),
)
"""What stands around the files of kernels, where there are such."""

OPERATORS = File(
    "operators.py", PLACE.format("operators"), "what the package's own operators have in common"
)
"""What every file that registers operators imports."""


def build(
    architecture: Architecture,
    spec_text: str,
    spec_name: str,
    package: str | None = None,
    extras: Collection[str] = (),
) -> dict[str, str]:
    """The package of `architecture`: relative path → text.

    `spec_text` is the spec as written, kept as spec.yaml; `spec_name` is its file name, for the
    line at the top of each file, and `package` what it is imported as, where that is not
    `default_folder`: it stands where the files say how they are used. `extras` are keys of
    `EXTRAS`, of which it has what the model has a use for. The same arguments give the same bytes.
    """
    from archspec.draw import render

    view = PackageView(architecture, file_name(spec_name), __version__)
    tied = bool(architecture.head and architecture.head.tied)
    rotaries = tuple(view.rotaries.values())
    bodies = [branch.body for block in architecture.blocks for branch in block.branches]
    fades = tuple({slopes: None for body in bodies if (slopes := body.slopes())})
    loading = CheckpointView(architecture.checkpoint, tied, rotaries, fades)
    context = package_context(view, package or default_folder(architecture.name)) | {
        "checkpoint": loading
    }
    python, purposes = _python(view, context, extras)
    # The figure is drawn while ruff, in processes of its own, formats the code.
    with ThreadPoolExecutor(max_workers=1) as beside:
        formatting = beside.submit(format_python, python)
        figure = render(architecture, "svg").decode("utf-8")
        files = formatting.result()
    blocks = {block.name: block for block in architecture.blocks}
    context |= {
        "facts": facts(architecture),
        "files": [{"path": path, "purpose": purposes[path]} for path in sorted(files)],
        "layers": len(architecture.all_layers),
        "written_schedule": str(architecture.schedule),
        "blocks": [
            {
                "name": layer.block,
                "class_name": layer.class_name,
                "count": layer.count,
                "captions": [
                    branch.body.caption(architecture.hidden_size)
                    for branch in blocks[layer.block].branches
                ],
            }
            for layer in view.layers
        ],
    }
    files["README.md"] = _render("templates/package/README.md.jinja", context)
    files["spec.yaml"] = spec_text
    files["ruff.toml"] = SETTINGS
    files["figure.svg"] = figure
    asked = {WITH: sorted(extras)} if extras else {}
    files[LOCK] = manifest(files, archspec=__version__, model=architecture.name, **asked)
    return dict(sorted(files.items()))


def _python(
    view: PackageView, context: dict[str, Any], extras: Collection[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Every Python file rendered, and what each is for."""
    found = [(file, seen) for file, seen in _files(view, context) if file.asked(extras)]
    kernels = [(file, seen) for file, seen in found if file.kernels]
    given = {
        "in_kernels": bool(kernels),
        "has_gluon": any(file.extra == "gluon" for file, _ in found),
        "has_paged": any(file.extra == "paged" for file, _ in found),
    }
    ahead = {"ahead": [_binaries(file, given | seen) for file, seen in kernels]}
    wanted = found + [(file, context | ahead) for file in KERNEL_FILES if kernels]
    if any(file.operators or file.kernels for file, _ in wanted):
        wanted.append((OPERATORS, context))
    return (
        {file.path: _render(file.template, given | seen) for file, seen in wanted},
        {file.path: file.purpose for file, _ in wanted},
    )


def _files(view: PackageView, context: dict[str, Any]) -> Iterator[tuple[File, dict[str, Any]]]:
    """The files of the package, each with what its template sees."""
    found = sharing(view.modules)
    for kind, modules in found.kinds.items():
        beside = view_module(kind)
        file = File(beside.FILE, template(kind, "module.py.jinja"), beside.PURPOSE)
        yield file, context | {"modules": modules} | beside.shared(modules) | found.named(kind)
    for shared, owners in found.owners.items():
        views = found.views(shared)
        users = shared.users(views)
        if users:
            file = replace(shared, template=template(owners[0], shared.template))
            own = (shared.context or view_module(owners[0]).shared)(views)
            yield file, context | {"modules": users} | own
    checks = _checks(found)
    defined = tuple(dict.fromkeys(one for check in checks for one in check["held"]))
    seen = context | {
        "checks": checks,
        "defined": defined,
        "written_out": written_out(defined),
        "held_modules": held_modules(defined),
    }
    yield from ((file, seen) for file in FILES if file.there(seen))


def _binaries(file: File, seen: dict[str, Any]) -> dict[str, Any]:
    """What kernels/ahead.py says of a file of kernels: the function that lists its binaries."""
    assert file.ahead is not None
    text = _render(file.ahead, seen)
    return {"module": file.module, "text": text, "by_target": "_variants(target" in text}


def _checks(found: Sharing) -> list[dict[str, Any]]:
    """What the selftest is to check of mechanisms; of those that name the same check, together."""
    kinds: dict[Check, list[type[Mechanism]]] = {}
    for kind in found.kinds:
        for check in view_module(kind).CHECKS:
            kinds.setdefault(check, []).append(kind)
    return [_check(check, those, found) for check, those in kinds.items()]


def _check(check: Check, kinds: list[type[Mechanism]], found: Sharing) -> dict[str, Any]:
    modules = [module for kind in kinds for module in found.kinds[kind]]
    files = [view_module(kind).FILE.removesuffix(".py") for kind in kinds]
    shared = (check.context or view_module(kinds[0]).shared)(modules) | found.named(kinds[0])
    place = template(kinds[0], check.template)
    seen = {"template": place, "modules": modules, "files": files, "shared": shared}
    return {**vars(check), **seen, "held": check.defined(modules)}


def _render(name: str, context: dict[str, Any]) -> str:
    return environment().get_template(name).render(context)


def file_name(name: str) -> str:
    """The last part of a path, with nothing in it that could end a comment."""
    last = name.replace("\\", "/").rpartition("/")[2]
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "._- ") else "_" for c in last)
    return kept[:100] or "spec.yaml"
