"""Writes a folder that tests and times kernels on a machine with a GPU, torch and Triton alone.

.venv/bin/python bench/gpu_kit.py [out/gpu-kit]    # also out/gpu-kit.tar.gz
"""

from __future__ import annotations

import json
import shutil
import sys
import tarfile
from pathlib import Path
from typing import Any

import archspec
from archspec.bench.benchmark import commit
from archspec.bench.subjects import put_package
from archspec.language.source import parse
from archspec.numbers.shrink import shrink

HERE = Path(__file__).parent
ROOT = HERE.parent
EIGHT_BILLION = ROOT / "gallery/llama-3-8b.yaml"
TIMED = ["checks", "attention", "decode"]
PACKAGES: dict[Path, dict[str, Any]] = {
    EIGHT_BILLION: {
        "barred": True,
        "transformers": {
            "model_type": "llama",
            "vocab_size": 128_256,
            "hidden_size": 4096,
            "intermediate_size": 14_336,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "max_position_embeddings": 8192,
            "rms_norm_eps": 1e-5,
            "rope_theta": 500_000.0,
            "tie_word_embeddings": False,
        },
    },
    HERE / "kit/windows.yaml": {"brief": True, "sections": [*TIMED, "rows"]},
    HERE / "kit/latent.yaml": {"brief": True, "sections": TIMED},
    HERE / "kit/slopes.yaml": {"brief": True, "sections": TIMED},
    HERE / "kit/experts.yaml": {"brief": True, "sections": ["checks", "decode"]},
    HERE / "kit/encoder.yaml": {"brief": True, "sections": ["checks", "attention"]},
    HERE / "kit/hybrid.yaml": {"brief": True, "sections": ["checks", "decode"]},
}
"""Every spec of the kit, the most telling first, and what its facts say beside the spec."""

RUN = '''\
"""Tests and times the packages beside this file, in under nine minutes: python run.py

--interpret runs the tests alone, of small packages in Triton's interpreter, which needs numpy; so
does a machine without a GPU. --help lists the rest.
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from bench.run import main  # noqa: E402

raise SystemExit(main())
'''

README = """\
# Kernels of archspec on a GPU

    python run.py

Needs a GPU, torch 2.11 or newer and Triton 3.6 or newer, and nothing else. It ends in under nine
minutes: first it tests each package in packages/ (kernels against float64 in float32, float16 and
bfloat16, gradients, operators, torch.compile, CUDA graphs, recompiles), then it times kernels and
one whole model beside their peers, in turns, and writes record.json. Peers that are not installed
are named. What fails, hangs or is left out for want of time is in the record with its reason.

`python run.py --interpret` runs the tests alone, of the small packages in tiny/, on a CPU; it needs
numpy as well. `--only windows --sections attention` measures a part.
"""


def write(folder: Path) -> Path:
    """Write the kit anew; returns the archive beside it."""
    if folder.exists() and not (folder / "kit.json").exists():
        raise SystemExit(f"{folder}: exists, and is no kit")
    shutil.rmtree(folder, ignore_errors=True)
    order: list[str] = []
    for path, more in PACKAGES.items():
        text = path.read_text(encoding="utf-8")
        order.append(_put(text, path.name, folder / "packages", more))
        small = _put(shrink(parse(text, path.name)), path.name, folder / "tiny", {})
        (folder / "tiny" / small).rename(folder / "tiny" / order[-1])
        (folder / "tiny" / f"{small}.json").rename(folder / "tiny" / f"{order[-1]}.json")
    own = ROOT / "archspec" / "bench"
    shutil.copytree(own, folder / "bench", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "run.py").write_text(RUN, encoding="utf-8")
    (folder / "README.md").write_text(README, encoding="utf-8")
    about = {"archspec": archspec.__version__, "commit": commit(), "order": order}
    (folder / "kit.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    archive = folder.with_name(folder.name + ".tar.gz")
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, arcname=folder.name, filter=_plain)
    return archive


def _put(text: str, name: str, folder: Path, more: dict[str, Any]) -> str:
    made = put_package(archspec.loads(text, name), text, name, folder, **more)
    (made / "figure.svg").unlink()  # a picture has nothing to test
    return made.name


def _plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
    """The same archive whoever writes it."""
    info.uid = info.gid = info.mtime = 0
    info.uname = info.gname = ""
    return info


def main() -> None:
    """Write it, and say how large it is."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "out" / "gpu-kit"
    archive = write(folder)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"wrote {folder}: {size / 1e6:.1f} MB; {archive}: {archive.stat().st_size / 1e6:.1f} MB")
    print(f"next, on a machine with a GPU: python {folder.name}/run.py")


if __name__ == "__main__":
    main()
