"""View → {path: text}: the table of a package's files, rendered and formatted."""

from __future__ import annotations

from typing import Any

from archspec import __version__
from archspec.architecture import Architecture
from archspec.codegen.checkpoint import CheckpointView
from archspec.codegen.environment import environment
from archspec.codegen.facts import facts
from archspec.codegen.format import SETTINGS, format_python
from archspec.codegen.site import SharedFile, template, view_module
from archspec.codegen.view import PackageView
from archspec.lock import LOCK, manifest
from archspec.mechanisms.base import Mechanism


def build(architecture: Architecture, spec_text: str, spec_name: str) -> dict[str, str]:
    """The package of `architecture`: relative path → text.

    `spec_text` is the spec as written, kept as spec.yaml; `spec_name` is its file name, for the
    line at the top of each file. The same arguments give the same bytes.
    """
    from archspec.draw import render

    view = PackageView(architecture, _file_name(spec_name), __version__)
    tied = bool(architecture.head and architecture.head.tied)
    context = view.context() | {"checkpoint": CheckpointView(architecture.checkpoint, tied)}
    python, purposes = _python(view, context)
    files = format_python(python)
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
    files["figure.svg"] = render(architecture, "svg").decode("utf-8")
    files[LOCK] = manifest(files, archspec=__version__, model=architecture.name)
    return dict(sorted(files.items()))


def _python(view: PackageView, context: dict[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """Every Python file rendered, and what each is for."""
    table = {
        "__init__.py": ("init", "what to import", True),
        "model.py": ("model", "the layers in order, and the model", True),
        "step.py": ("step", "what every layer needs to know about the tokens at hand", True),
        "norm.py": (
            "norm",
            "norms that PyTorch lacks, or computes slowly on a CPU",
            bool(context["norms"]),
        ),
        "rotary.py": ("rotary", "rotary positions", bool(context["rotaries"])),
        "positions.py": ("positions", "sinusoidal positions", bool(context["sinusoids"])),
        "cache.py": ("cache", "what is kept between calls", context["causal"]),
        "loss.py": ("loss", "the loss, without storing the logits", _trains(context)),
        "generate.py": (
            context["generate"],
            "continue a text, from Python or a shell",
            _trains(context),
        ),
        "checkpoint.py": ("checkpoint", "published tensors to parameters", True),
        "selftest.py": ("selftest", "check the package on this machine", True),
    }
    files: dict[str, str] = {}
    purposes: dict[str, str] = {}
    launches = False
    checks: list[dict[str, Any]] = []
    kinds = _by_kind(view)
    for kind, modules in kinds.items():
        beside = view_module(kind)
        seen = context | {"modules": modules} | beside.shared(modules)
        files[beside.FILE] = _render(template(kind, "module.py.jinja"), seen)
        purposes[beside.FILE] = beside.PURPOSE
        for shared in beside.SHARED:
            sharing = [other for other in kinds if _names(other, shared)]
            users = shared.users([m for other in sharing for m in kinds[other]])
            if not users:
                continue
            # One that several mechanisms share sees what their views have in common.
            alike = all(view_module(other).shared == beside.shared for other in sharing)
            seen = context | {"modules": users} | beside.shared(users if alike else modules)
            files[shared.path] = _render(template(kind, shared.template), seen)
            purposes[shared.path] = shared.purpose
            launches |= shared.kernels
        if check := beside.CHECK:
            where = template(kind, check.template)
            own = {"modules": modules, "shared": beside.shared(modules)}
            checks.append({**vars(check), "template": where, **own})
    for path, (name, purpose, wanted) in table.items():
        if wanted:
            seen = context | {"checks": checks}
            files[path] = _render(f"templates/package/{name}.py.jinja", seen)
            purposes[path] = purpose
    kernels = {
        "norm_kernels.py": ("RMSNorm as Triton kernels", bool(context["norm_tiles"])),
        "rotary_kernels.py": ("rotations as a Triton kernel", bool(context["rotaries"])),
        "norm_rotary_kernels.py": (
            "norms of heads and their rotation as Triton kernels",
            bool(context["norm_turns"]),
        ),
        "loss_kernels.py": ("the loss of a chunk of rows as a Triton kernel", _trains(context)),
    }
    kernels["launch.py"] = (
        "when kernels run, and how each is compiled",
        launches or any(wanted for _, wanted in kernels.values()),
    )
    for path, (purpose, wanted) in kernels.items():
        if wanted:
            files[path] = _render(f"templates/kernels/{path}.jinja", context)
            purposes[path] = purpose
    return files, purposes


def _names(kind: type[Mechanism], shared: SharedFile) -> bool:
    return shared in view_module(kind).SHARED


def _by_kind(view: PackageView) -> dict[type[Mechanism], list[Any]]:
    kinds: dict[type[Mechanism], list[Any]] = {}
    for mechanism, module in view.modules.items():
        kinds.setdefault(type(mechanism), []).append(module)
    return kinds


def _trains(context: dict[str, Any]) -> bool:
    return bool(context["causal"] and context["head"])


def _render(name: str, context: dict[str, Any]) -> str:
    return environment().get_template(name).render(context)


def _file_name(name: str) -> str:
    """The last part of a path, with nothing in it that could end a comment."""
    last = name.replace("\\", "/").rpartition("/")[2]
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "._- ") else "_" for c in last)
    return kept[:100] or "spec.yaml"
