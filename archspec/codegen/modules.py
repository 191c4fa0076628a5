"""Names that a package must not have: a folder stands in for the module of its name."""

from __future__ import annotations

import keyword
import sys
from contextlib import suppress
from os.path import realpath
from pathlib import Path

from archspec.codegen.names import package_name
from archspec.errors import ArchspecError, printable

# Of the standard library in versions of Python before and after this one.
_OTHER_VERSIONS = """
    aifc annotationlib asynchat asyncore audioop cgi cgitb chunk compression crypt distutils imghdr
    imp lib2to3 mailcap msilib nis nntplib ossaudiodev pipes smtpd sndhdr spwd sunau telnetlib uu
    xdrlib
"""

# What a package imports, what that imports in turn, and what people use beside it.
_AROUND_TORCH = """
    accelerate aten attr attrs certifi charset_normalizer click cython_runtime dateutil datasets
    einops fsspec filelock flash_attn functorch gguf google hf_xet httpx huggingface_hub idna jinja2
    markupsafe mpmath networkx numpy nvidia onnx optree packaging pandas peft pip pkg_resources
    prims pybind11 pydantic pygments pytest regex requests rich ruff safetensors scipy sentencepiece
    setuptools six sympy tensorboard tokenizers torch torchao torchaudio torchgen torchvision tqdm
    transformers triton trl typing_extensions urllib3 wheel yaml
"""

TAKEN = frozenset({*sys.stdlib_module_names, *_OTHER_VERSIONS.split(), *_AROUND_TORCH.split()})


def default_folder(model: str) -> str:
    """The folder of a model's package where none is named: `tiny-0.6b` → `tiny_0_6b`."""
    name = package_name(model)
    return f"{name}_model" if name in TAKEN or name == "archspec" else name


def import_name(folder: Path) -> str | None:
    """How Python imports the package in `folder`: with the packages around it before a dot.

    None where that cannot be, as of `my-model`. Raises `ArchspecError` where Python would take the
    folder for another module.
    """
    folder = Path(realpath(folder))
    names, around = [folder.name], folder.parent
    # What cannot be looked at is no package around this one; writing says what is wrong.
    with suppress(OSError):
        while (around / "__init__.py").is_file():
            names.insert(0, around.name)
            around = around.parent
    if names[0] in TAKEN:
        raise ArchspecError(
            f"{printable(str(folder))}: Python would import it in place of the module {names[0]},"
            f" which others need\n  help: choose another folder with -o, like {names[0]}_model"
        )
    usable = (n.isascii() and n.isidentifier() and not keyword.iskeyword(n) for n in names)
    return ".".join(names) if all(usable) else None
