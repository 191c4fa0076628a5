"""What the system refuses is an error in one line that names the file; only bugs end with 70."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from archspec.cli import main
from archspec.language.starters import new

ROOT = Path(__file__).parents[2]
OTHER = str(ROOT / "examples/local-global.yaml")
PUBLISHED = ROOT / "tests/importers/published/llama.json"
LONG = "a" * 300
Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(new("mine"), encoding="utf-8")
    return "mine.yaml"


def shell(command: str, **environment: str) -> tuple[int, str]:
    """The exit code and what stands on standard error; `archspec` is the command."""
    command = command.replace("archspec", f"'{sys.executable}' -m archspec")
    done = subprocess.run(
        ["bash", "-c", command],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )
    return done.returncode, done.stderr.decode()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("archspec check - <&-", "<stdin>: cannot be read: it is closed\n"),
        ("archspec schema >&-", "standard output: it is closed\n"),
        ("archspec check mine.yaml >&-", "standard output: it is closed\n"),
        ("archspec schema > /dev/full", "standard output: no space left on device\n"),
        ("archspec inspect mine.yaml > /dev/full", "standard output: no space left on device\n"),
        ("archspec check none.yaml 2> /dev/full", ""),
        ("archspec check none.yaml 2>&-", ""),
        ("archspec check none.yaml <&- >&- 2>&-", ""),
    ],
)
def test_streams_that_are_closed_or_full(command: str, said: str) -> None:
    assert shell(command) == (2, said)


def test_a_stream_that_is_closed_is_not_where_files_go() -> None:
    """What libraries print would else stand in the figure."""
    assert shell("archspec draw mine.yaml -o figure.svg <&- 2>&-") == (0, "")
    assert Path("figure.svg").read_bytes().startswith(b"<")


def test_a_warning_that_nobody_hears_is_no_error() -> None:
    text = new("mine").replace("blocks:\n", "blocks:\n  spare: {extends: local}\n")
    Path("spare.yaml").write_text(text, encoding="utf-8")
    for command in ("check", "inspect", "build"):
        assert "spare" in shell(f"archspec {command} spare.yaml > out")[1]
        for stream in ("&-", "/dev/full"):
            assert shell(f"archspec {command} spare.yaml 2>{stream}") == (0, "")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_encodings_that_lack_characters(encoding: str) -> None:
    """A table is shown as well as can be; a file that is printed is in UTF-8 all the same."""
    Path("title.yaml").write_text("title: Modèle → 模型\n" + new("mine"), encoding="utf-8")
    environment = {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    code, said = shell(f"archspec diff title.yaml {OTHER} > table", **environment)
    assert (code, said) == (1, "")
    arrow = "→" if encoding == "utf-8" else "->"
    assert Path("table").read_text(encoding=encoding).startswith(f"mine {arrow} local-global\n")
    assert shell("archspec draw title.yaml -o - > figure.svg", **environment) == (0, "")
    assert "Modèle → 模型" in Path("figure.svg").read_text(encoding="utf-8")
    code, said = shell("archspec check 模.yaml", **environment)
    shown = "模" if encoding == "utf-8" else "\\u6a21"
    assert code == 2 and said.startswith(f"{shown}.yaml: no such file")


WRITING = {
    "new": ["new", "other", "-o"],
    "draw": ["draw", "mine.yaml", "-o"],
    "build": ["build", "mine.yaml", "-o"],
    "shrink": ["shrink", "mine.yaml", "-o"],
    "import": ["import", str(PUBLISHED), "-o"],
    "schema": ["schema", "-o"],
    "bench": ["bench", "mine.yaml", "--record"],
}


@pytest.mark.parametrize("command", WRITING)
def test_where_nothing_can_be_written(command: str, capsys: Captured) -> None:
    Path("file").write_text("x")
    Path("loop").symlink_to("loop")
    for place in (f"{LONG}.svg", "file/a.svg", "none/a.svg", "/proc/none/a.svg", "loop/a.svg"):
        assert main([*WRITING[command], place]) == 2
        said = capsys.readouterr().err
        assert place[:20] in said and said.count("\n") <= 2 and len(said) < 700, said


READING = ["check", "inspect", "draw", "build", "shrink", "import", "kernels", "bench"]


@pytest.mark.parametrize("command", READING)
def test_what_cannot_be_read(command: str, capsys: Captured, monkeypatch: object) -> None:
    Path("loop.yaml").symlink_to("loop.yaml")
    for place in (f"{LONG}.yaml", LONG * 20, "mine.yaml/x", "loop.yaml", "/proc/self/mem"):
        assert main([command, place]) == 2
        said = capsys.readouterr().err
        assert place[:20] in said and said.count("\n") == 1 and len(said) < 500, said


ERRORS = [errno.ENOSPC, errno.EIO, errno.EACCES, errno.EROFS, errno.EDQUOT, errno.EMFILE]


@pytest.mark.parametrize("code", ERRORS, ids=errno.errorcode.get)
def test_an_error_anywhere_is_the_system_s(
    code: int, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code), "some/file")

    monkeypatch.setattr("archspec.numbers.analysis.analyse", fail)
    assert main(["inspect", "mine.yaml"]) == 2
    assert capsys.readouterr().err == f"some/file: {os.strerror(code).lower()}\n"


def test_memory_that_is_not_there(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("archspec.numbers.analysis.analyse", fail)
    assert main(["inspect", "mine.yaml"]) == 2
    assert capsys.readouterr().err == "there is not enough memory for this\n"


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root can be somebody else")
def test_folders_that_are_not_ours(tmp_path: Path) -> None:
    """Of another user: not readable, not writable, or neither."""
    spec = tmp_path / "mine.yaml"
    for folder, mode in (("closed", 0o700), ("shown", 0o755)):
        (tmp_path / folder).mkdir(mode=mode)
        (tmp_path / folder / "mine.yaml").write_text(spec.read_text(encoding="utf-8"))
    for above in (tmp_path, *tmp_path.parents[:3]):
        above.chmod(0o755)
    commands = {
        ("check", "closed/mine.yaml"): "closed/mine.yaml: cannot be read: permission denied",
        ("new", "a", "-o", "shown/a.yaml"): "shown/a.yaml: cannot be written: permission denied",
        ("new", "a", "-o", "closed/a.yaml"): "closed/a.yaml: permission denied",
    }
    script = (
        "import json, os, sys\nfrom archspec.cli import main\n"
        # All is imported before, since others need not be able to read where it lies.
        "main(['check', 'mine.yaml']); main(['new', 'b'])\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "print('codes', json.dumps([main(c) for c in json.loads(sys.argv[1])]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, json.dumps([list(command) for command in commands])],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert json.loads(done.stdout.partition("codes")[2]) == [2] * len(commands), done.stderr
    for line, said in zip(done.stderr.splitlines(), commands.values(), strict=True):
        assert line.startswith(said)


def test_a_real_interruption_is_quiet() -> None:
    """Ctrl-C while a spec is awaited, and while a package is made."""
    command = [sys.executable, "-m", "archspec", "check", "-"]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    # It reads when its command has been imported.
    wait_for(lambda: sleeping(process.pid))
    process.send_signal(signal.SIGINT)
    out, said = process.communicate()
    assert (process.returncode, out, said) == (130, b"", b"interrupted\n")


def sleeping(pid: int) -> bool:
    """Whether a process waits in a read of its standard input."""
    return Path(f"/proc/{pid}/syscall").read_text().startswith("0 0x0 ")


def wait_for(done: Callable[[], bool]) -> None:
    for _ in range(2000):
        if done():
            return
        time.sleep(0.01)
    raise AssertionError("it never came")


def test_repetitions_of_repetitions_have_an_end(capsys: Captured) -> None:
    text = new("mine").splitlines()
    layers = next(number for number, line in enumerate(text) if line.startswith("layers:"))
    for count, code in ((10, 0), (5000, 2), (100_000, 2)):
        text[layers] = f"layers: {'1 x ' * count}local"
        Path("deep.yaml").write_text("\n".join(text), encoding="utf-8")
        assert main(["check", "deep.yaml"]) == code
    said = capsys.readouterr().err
    assert f"deep.yaml:{layers + 1}:73: layers: more than 16 repetitions" in said


@pytest.mark.parametrize("digits", [401, 5000])
def test_numbers_of_hundreds_of_digits(digits: int, capsys: Captured) -> None:
    number = "1" + "0" * (digits - 1)
    text = new("mine").replace("hidden_size: ", f"hidden_size: {number} # ")
    Path("long.yaml").write_text(text, encoding="utf-8")
    assert main(["check", "long.yaml"]) == 2
    assert f"a number of {digits:,} digits; at most 40" in capsys.readouterr().err
    published = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    for key in ("hidden_size", "rms_norm_eps", "num_hidden_layers", "vocab_size"):
        text = json.dumps({**published, key: "NUMBER"}).replace('"NUMBER"', number)
        Path("config.json").write_text(text, encoding="utf-8")
        assert main(["import", "config.json"]) == 2
        assert len(capsys.readouterr().err) < 400
    if digits == 401:
        for option in ("--context", "--batch"):
            assert main(["inspect", "mine.yaml", option, number]) == 2
            assert "not a number of 401 digits" in capsys.readouterr().err
