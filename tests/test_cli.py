"""The command line as its user meets it: output, exit codes, files."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import archspec
from archspec.cli import main
from archspec.language.starters import KINDS, new

ROOT = Path(__file__).parent.parent
PAIR = str(ROOT / "examples" / "encoder-decoder.yaml")
GEMMA = str(ROOT / "gallery" / "gemma-3-270m.yaml")
COMMANDS = ["new", "check", "draw", "inspect", "build"]
COMMANDS += ["kernels", "bench", "diff", "shrink", "import", "schema"]
Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def spec() -> str:
    Path("mine.yaml").write_text(new("mine"), encoding="utf-8")
    return "mine.yaml"


def process(*arguments: str, **options: object) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "archspec", *arguments]
    return subprocess.run(command, capture_output=True, check=False, **options)  # type: ignore[call-overload]


def test_help_lists_every_command(capsys: Captured) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert re.findall(r"^  (\w+)  +[A-Z]", out, re.M) == COMMANDS
    assert "..." not in out.partition("Commands:")[2]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_has_an_example(command: str, capsys: Captured) -> None:
    assert main([command, "--help"]) == 0
    assert f"Example: archspec {command}" in capsys.readouterr().out


def test_version(capsys: Captured) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"archspec {archspec.__version__}\n"


@pytest.mark.parametrize(
    "arguments", [["nope"], ["check"], ["check", "--nope"], ["inspect", "x", "--batch", "two"]]
)
def test_wrong_arguments_exit_with_2(arguments: list[str], capsys: Captured) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and "Error: " in err


@pytest.mark.parametrize("kind", KINDS)
def test_new_makes_a_spec_that_checks(kind: str, capsys: Captured) -> None:
    assert main(["new", "mine", "--kind", kind]) == 0
    assert main(["check", "mine.yaml"]) == 0
    assert "mine: 6 layers" in capsys.readouterr().out or kind == "decoder"


@pytest.mark.parametrize("name", ["null", "1e3", "8", "0x10", "a.b-c_d"])
def test_new_takes_any_name_a_model_can_have(name: str, capsys: Captured) -> None:
    assert main(["new", name, "-o", "-"]) == 0
    assert archspec.loads(capsys.readouterr().out).name == name


@pytest.mark.parametrize("name", ["", "A", "a b", "../x", "a\n", "-", "é"])
def test_new_refuses_other_names(name: str, capsys: Captured) -> None:
    assert main(["new", "--", name]) == 2
    assert "cannot name a model" in capsys.readouterr().err
    assert list(Path().iterdir()) == []


def test_new_does_not_overwrite(spec: str, capsys: Captured) -> None:
    assert main(["new", "mine"]) == 2
    assert "exists already" in capsys.readouterr().err


def test_check_prints_one_line_for_each(spec: str, capsys: Captured) -> None:
    assert main(["check", GEMMA, spec]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == "gemma-3-270m: 18 layers, 268,098,176 parameters, 3 x (5 x local, global)"
    assert second.startswith("mine: 9 layers")


def test_check_goes_on_after_a_bad_spec(spec: str, capsys: Captured) -> None:
    Path("bad.yaml").write_text("a: 1\n")
    assert main(["check", "bad.yaml", spec]) == 2
    out, err = capsys.readouterr()
    assert out.startswith("mine:") and "unknown field" in err


def test_check_json(spec: str, capsys: Captured) -> None:
    Path("bad.yaml").write_text("a: 1\n")
    assert main(["check", "--json", "bad.yaml", spec, "none.yaml"]) == 2
    out, err = capsys.readouterr()
    bad, good, none = json.loads(out)
    assert err == ""
    assert good["ok"] and good["layers"] == 9 and good["errors"] == []
    assert not none["ok"]
    assert {"line": 1, "column": 1, "path": "a", "message": "unknown field"}.items() <= next(
        error for error in bad["errors"] if error["path"] == "a"
    ).items()


def test_a_dash_reads_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(new("piped").encode())))
    assert main(["check", "-"]) == 0
    assert capsys.readouterr().out.startswith("piped:")


def test_inspect_json(capsys: Captured) -> None:
    assert main(["inspect", GEMMA, "--json", "--context", "1024", "--dtype", "fp8"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["parameters"]["total"] == 268_098_176
    assert data["cache"]["bytes_per_token"] == 9 * 1024
    assert data["context"] == 1024


def test_inspect_fits_80_columns_without_colours(capsys: Captured) -> None:
    assert main(["inspect", GEMMA]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) <= 80
    assert "268,098,176" in out and "18 KiB per token" in out and "3 x (5 x local, global)" in out


@pytest.mark.parametrize("kind", KINDS)
def test_inspect_of_every_kind(kind: str, capsys: Captured) -> None:
    Path("m.yaml").write_text(new("m", kind))  # type: ignore[arg-type]
    assert main(["inspect", "m.yaml"]) == 0
    assert ("cache       none" in capsys.readouterr().out) is (kind == "encoder")


def test_inspect_shows_both_stacks_of_a_pair(capsys: Captured) -> None:
    assert main(["inspect", PAIR, "--source", "1000", "--context", "50"]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) <= 80
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines[1].startswith(
        "layers 6: 3 bidirectional attention layers, 3 global attention + cross"
    )
    assert "encoder 3 x reader, reads 1,000 tokens" in lines
    assert "schedule 3 x writer" in lines
    text = " ".join(lines)
    assert "768 B per token, 768 B per token of the source" in text
    assert "at 50 tokens and 1,000 of the source" in text
    heads = "block mixer feed-forward layers keeps parameters cache/token /source"
    assert lines[-4:] == [
        heads,
        "reader attention dense 3 – 41,088 – –",
        "writer attention + dense 3 all 57,536 256 B 256 B",
        "attention",
    ]


def test_inspect_json_of_a_pair_counts_the_source(capsys: Captured) -> None:
    kept: list[int] = []
    for source in ("100", "101"):
        assert main(["inspect", PAIR, "--json", "--source", source]) == 0
        data = json.loads(capsys.readouterr().out)
        assert data["source"] == int(source) and len(data["encoder_layers"]) == 3
        kept.append(data["cache"]["bytes"])
    assert kept[1] - kept[0] == data["cache"]["bytes_per_source_token"] == 768


def test_inspect_of_states_that_are_given(capsys: Captured) -> None:
    assert main(["inspect", str(ROOT / "examples" / "given-states.yaml")]) == 0
    assert "encoder     48 given states" in capsys.readouterr().out


def test_inspect_refuses_a_source_without_an_encoder(capsys: Captured) -> None:
    assert main(["inspect", GEMMA, "--source", "10"]) == 2
    assert "a source is for a model with an encoder" in capsys.readouterr().err


def test_check_shows_both_stacks_of_a_pair(capsys: Captured) -> None:
    given = str(ROOT / "examples" / "given-states.yaml")
    assert main(["check", PAIR, given]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == "encoder-decoder: 3 + 3 layers, 328,896 parameters, 3 x reader → 3 x writer"
    assert second == "given-states: 3 layers, 221,344 parameters, given states → 3 x writer"
    assert main(["check", "--json", PAIR, GEMMA]) == 0
    pair, alone = json.loads(capsys.readouterr().out)
    assert (pair["encoder_layers"], pair["encoder_schedule"]) == (3, "3 x reader")
    assert (alone["encoder_layers"], alone["encoder_schedule"]) == (0, None)


def test_inspect_refuses_a_context_out_of_range(capsys: Captured) -> None:
    assert main(["inspect", GEMMA, "--context", "0"]) == 2
    assert "from 1 to" in capsys.readouterr().err


def test_diff_of_equal_specs(spec: str, capsys: Captured) -> None:
    assert main(["diff", spec, spec]) == 0
    assert "same architecture" in capsys.readouterr().out


def test_diff_of_different_specs(spec: str, capsys: Captured) -> None:
    Path("b.yaml").write_text(new("b").replace("heads: 4", "heads: 8"))
    assert main(["diff", spec, "b.yaml"]) == 1
    out = capsys.readouterr().out
    assert "~ blocks.local.mixer.heads: 4 → 8" in out
    assert "parameters.total" in out and "\x1b" not in out


def test_diff_json(spec: str, capsys: Captured) -> None:
    assert main(["diff", "--json", spec, spec]) == 0
    assert json.loads(capsys.readouterr().out)["equal"] is True


def test_diff_reads_standard_input_once(capsys: Captured) -> None:
    assert main(["diff", "-", "-"]) == 2


def test_shrink_writes_a_valid_spec(capsys: Captured) -> None:
    assert main(["shrink", GEMMA, "-o", "tiny.yaml"]) == 0
    assert main(["check", "tiny.yaml"]) == 0
    assert "gemma-3-270m-tiny: 6 layers" in capsys.readouterr().out


def test_schema_is_json(capsys: Captured) -> None:
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "archspec"


@pytest.mark.parametrize("kind", ["svg", "dot", "png", "pdf"])
def test_draw(kind: str, spec: str, capsys: Captured) -> None:
    assert main(["draw", spec, "-o", f"figure.{kind}", "--theme", "dark"]) == 0
    start = {"svg": b"<?xml", "dot": b"", "png": b"\x89PNG", "pdf": b"%PDF"}[kind]
    assert Path(f"figure.{kind}").read_bytes().startswith(start)
    assert capsys.readouterr().out == f"wrote figure.{kind}\n"


def test_draw_names_the_figure_after_the_model(spec: str) -> None:
    assert main(["draw", spec]) == 0
    assert Path("mine.svg").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_every_starter_draws(kind: str) -> None:
    Path("m.yaml").write_text(new("m", kind))  # type: ignore[arg-type]
    assert main(["draw", "m.yaml"]) == 0


def test_draw_refuses_other_formats(spec: str, capsys: Captured) -> None:
    assert main(["draw", spec, "-o", "figure.jpg"]) == 2
    assert ".svg, .png, .pdf or .dot" in capsys.readouterr().err


def test_build_writes_a_package_and_checks_it(spec: str, capsys: Captured) -> None:
    assert main(["build", spec]) == 0
    assert Path("mine/__init__.py").exists() and Path("mine/archspec.lock").exists()
    assert main(["build", spec, "--check"]) == 0
    assert main(["build", spec]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == ["mine: up to date", "mine: up to date"]


def test_build_check_shows_what_is_outdated(spec: str, capsys: Captured) -> None:
    main(["build", spec])
    Path(spec).write_text(new("mine").replace("heads: 4", "heads: 8"))
    capsys.readouterr()
    assert main(["build", spec, "--check"]) == 1
    assert "\n+" in capsys.readouterr().out


def test_build_does_not_overwrite_edits(spec: str, capsys: Captured) -> None:
    main(["build", spec])
    Path("mine/__init__.py").write_text("edited\n")
    assert main(["build", spec]) == 2
    assert "edited by hand" in capsys.readouterr().err
    assert main(["build", spec, "--force"]) == 0


def test_build_notes_a_name_that_python_cannot_import(spec: str, capsys: Captured) -> None:
    assert main(["build", spec, "-o", "my-model"]) == 0
    assert "a name like my_model" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["check", "inspect", "draw", "build", "shrink", "import"])
@pytest.mark.parametrize("argument", ["none.yaml", ".", "a\x00b"])
def test_what_cannot_be_read(command: str, argument: str, capsys: Captured) -> None:
    assert main([command, argument]) == 2
    err = capsys.readouterr().err
    assert err and "Traceback" not in err and "bug" not in err


def test_a_bug_is_called_one(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr("archspec.numbers.analysis.analyse", fail)
    assert main(["inspect", GEMMA]) == 70
    err = capsys.readouterr().err
    assert err.startswith("this is a bug in archspec: ZeroDivisionError at test_cli.py:")
    assert "Traceback" not in err


def test_an_interruption_is_quiet(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("archspec.numbers.analysis.analyse", interrupt)
    assert main(["inspect", GEMMA]) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_a_reader_that_goes_away() -> None:
    read, written = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "archspec", "schema"]
    done = subprocess.run(command, stdout=written, stderr=subprocess.PIPE, check=False)
    os.close(written)
    assert (done.returncode, done.stderr) == (141, b"")


def test_standard_input_as_a_process() -> None:
    done = process("shrink", "-", input=new("piped").encode())
    assert done.returncode == 0
    assert archspec.loads(done.stdout.decode()).name == "piped-tiny"


HEAVY = ["torch", "networkx", "transformers"]


@pytest.mark.parametrize(
    ("arguments", "absent"),
    [
        (["--help"], ["pydantic", "ruamel", "rich", "jinja2", "graphviz", *HEAVY]),
        (["check", GEMMA], ["rich", "jinja2", "graphviz", *HEAVY]),
        (["draw", GEMMA, "-o", "a.svg"], ["rich", "jinja2", *HEAVY]),
        (["build", GEMMA, "-o", "built"], ["rich", *HEAVY]),
        (["inspect", GEMMA], ["jinja2", "graphviz", *HEAVY]),
    ],
    ids=lambda value: value[0],
)
def test_nothing_heavy_is_imported(arguments: list[str], absent: list[str]) -> None:
    program = (
        "import sys\nfrom archspec.cli import main\n"
        f"assert main({arguments!r}) == 0\n"
        f"found = [name for name in {absent!r} if name in sys.modules]\n"
        "assert not found, found\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_a_block_that_no_layer_has_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A warning and no error: what only others extend is in use, and so is a further token's."""
    path = tmp_path / "s.yaml"
    inner = "{feedforward: {type: dense, intermediate_size: 8, activation: silu, gated: true}}"
    path.write_text(
        "archspec: 1\nname: m\nvocab_size: 8\nhidden_size: 8\ncontext_length: 8\n"
        f"blocks:\n  base: {inner}\n  used: {{extends: base}}\n  spare: {inner}\n"
        f"  ahead: {inner}\n  over: {inner}\nlayers: [used, over]\nhead: {{tied: true}}\n"
        "overrides: {1: {norm_position: post}}\nmtp: {depth: 1, block: ahead}\n"
    )
    assert main(["check", str(path)]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("m: 2 layers")
    assert err.startswith(f"{path}:9:3: warning: blocks.spare: no layer is of this kind\n")
    assert err.count("warning") == 1
    assert main(["check", "--json", str(path)]) == 0
    out, err = capsys.readouterr()
    (warning,) = json.loads(out)[0]["warnings"]
    assert (warning["path"], warning["line"], err) == ("blocks.spare", 9, "")


def test_errors_are_as_wide_as_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("archspec: 1\n" + "x" * 90 + ": {a: 1, " + "b: 2, " * 40 + "}\n")
    for columns in (60, 80, 140):
        monkeypatch.setenv("COLUMNS", str(columns))
        assert main(["check", str(path)]) == 2
        lines = [line for line in capsys.readouterr().err.splitlines() if " | " in line[:9]]
        assert max(len(line) for line in lines) == columns


def test_numbers_that_differ_look_different(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (ROOT / "examples" / "tiny.yaml").read_text(encoding="utf-8")
    a, b = tmp_path / "a.yaml", tmp_path / "b.yaml"
    a.write_text(text + "norm: {type: rmsnorm, eps: 1.0e-6}\n")
    b.write_text(text + "norm: {type: rmsnorm, eps: 1.0000001e-6}\n")
    assert main(["diff", str(a), str(b)]) == 1
    assert "1.0e-6 → 1.0000001e-06" in capsys.readouterr().out
