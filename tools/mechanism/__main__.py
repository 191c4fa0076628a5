"""`make mechanism NAME=delay_line`: the folder of a new mixer, which works as it stands.

It is a leaky integrator under the new name, with all files that a mechanism has and its line in the
registry. `pytest tests/mechanisms -k NAME` holds it to the contract, also while you change it.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

SKELETON = Path(__file__).parent / "skeleton"
ROOT = Path(__file__).parent.parent.parent


def main(arguments: list[str]) -> int:
    """Write the folder; 0 when it is there, 2 for a name that cannot be."""
    if len(arguments) != 1 or not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", arguments[0]):
        print("expected one name in small letters, as in: make mechanism NAME=delay_line")
        return 2
    name = arguments[0]
    if (there := taken(ROOT, name)) is not None:
        print(f"{name} is taken: {there.relative_to(ROOT)}")
        return 2
    for path in write(ROOT, name):
        print(f"wrote {path.relative_to(ROOT)}")
    print(f"next: pytest tests/mechanisms -k {name}")
    return 0


def taken(root: Path, name: str) -> Path | None:
    """The mechanism of that name, where there is one."""
    return next((root / "archspec/mechanisms").glob(f"*/{name}"), None)


def write(root: Path, name: str) -> list[Path]:
    """Write the mixer called `name` into the checkout at `root`, and its line in the registry."""
    folder = root / "archspec/mechanisms/mixers" / name
    found: list[Path] = []
    for source in sorted(path for path in SKELETON.rglob("*") if path.is_file()):
        path = folder / source.relative_to(SKELETON)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(renamed(source.read_text(encoding="utf-8"), name), encoding="utf-8")
        found.append(path)
    registry = root / "archspec/mechanisms/__init__.py"
    registry.write_text(registered(registry.read_text(encoding="utf-8"), name), encoding="utf-8")
    for arguments in (["check", "--fix", "--select", "I"], ["format"]):  # as long as names are
        command = [sys.executable, "-m", "ruff", *arguments, "--quiet", str(folder), str(registry)]
        subprocess.run(command, check=True)
    return [*found, registry]


def camel(name: str) -> str:
    """`delay_line` → `DelayLine`."""
    return "".join(part.capitalize() for part in name.split("_"))


def renamed(text: str, name: str) -> str:
    """The skeleton's text under another name, however it is written."""
    words = name.replace("_", " ")
    said = {
        "leaky_integrator": name,
        "LeakyIntegrator": camel(name),
        "leaky-integrator": name.replace("_", "-"),
        "Leaky integrator": words.capitalize(),
        "leaky integrator": words,
    }
    for old, new in said.items():
        text = text.replace(old, new)
    return text


def registered(text: str, name: str) -> str:
    """The registry with one more mixer, in the order of the alphabet."""
    line = f"from archspec.mechanisms.mixers.{name}.spec import {camel(name)}"
    lines = text.splitlines()
    imports = [i for i, said in enumerate(lines) if said.startswith("from archspec.mechanisms.")]
    behind = [i for i in imports if lines[i] < line]
    lines.insert(behind[-1] + 1, line)
    first = lines.index("Mixer = Annotated[")
    last = next(i for i in range(first, len(lines)) if lines[i].endswith(","))
    members = [said.strip(" |,") for said in lines[first + 1 : last + 1]]
    members = sorted([*members, camel(name)])
    written = [f"    {'| ' if i else ''}{member}" for i, member in enumerate(members)]
    written[-1] += ","
    return "\n".join([*lines[: first + 1], *written, *lines[last + 1 :], ""])


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
