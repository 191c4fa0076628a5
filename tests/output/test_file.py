"""A command that writes one file replaces what is its own, or what it is told to, and no more."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from conftest import ROOT

from archspec.cli import main
from archspec.output.file import write_file
from archspec.output.signature import is_signed, signed

TINY = ROOT / "examples/tiny.yaml"
CONFIG = {
    "model_type": "llama",
    "vocab_size": 256,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 128,
}
MINE = "# written by hand\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spec.yaml").write_text(TINY.read_text().replace("name: tiny", "name: logo"))
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    return tmp_path


COMMANDS = {
    "new": (["new", "mine"], "mine.yaml"),
    "shrink": (["shrink", "spec.yaml", "-o", "mine.yaml"], "mine.yaml"),
    "import": (["import", "config.json", "-o", "mine.yaml"], "mine.yaml"),
    "draw": (["draw", "spec.yaml"], "logo.svg"),
    "draw -o": (["draw", "spec.yaml", "-o", "mine.png"], "mine.png"),
    "schema": (["schema", "-o", "mine.json"], "mine.json"),
    "schema --markdown": (["schema", "--markdown", "-o", "mine.md"], "mine.md"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_of_somebody_is_kept_without_force(
    command: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, name = COMMANDS[command]
    file = here / name
    file.write_text(MINE)
    file.chmod(0o600)
    assert main(arguments) == 2
    assert f"{name}: exists already\n  help: --force replaces it" in capsys.readouterr().err
    assert file.read_text() == MINE
    assert main([*arguments, "--force"]) == 0
    assert file.read_bytes() != MINE.encode()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert sorted(p.name for p in here.iterdir()) == sorted({"spec.yaml", "config.json", name})


def test_a_spec_is_not_shrunk_into_itself(here: Path) -> None:
    text = (here / "spec.yaml").read_text()
    assert main(["shrink", "spec.yaml", "-o", "spec.yaml"]) == 2
    assert (here / "spec.yaml").read_text() == text


@pytest.mark.parametrize("kind", ["svg", "png", "pdf", "dot"])
def test_a_figure_is_drawn_anew_unless_it_was_edited(kind: str, here: Path) -> None:
    file = here / f"figure.{kind}"
    draw = ["draw", "spec.yaml", "-o", file.name]
    assert main(draw) == 0
    first = file.read_bytes()
    spec = here / "spec.yaml"
    spec.write_text(spec.read_text().replace("layers: ", "layers: 2 x ", 1))
    assert main(draw) == 0
    second = file.read_bytes()
    assert second != first
    middle = len(second) // 2
    edited = second[:middle] + bytes([second[middle] ^ 1]) + second[middle + 1 :]
    file.write_bytes(edited)
    assert main(draw) == 2
    assert file.read_bytes() == edited


def test_a_signed_png_is_a_png() -> None:
    from zlib import crc32

    bare = b"\x89PNG\r\n\x1a\n" + b"\x00\x00\x00\x00IEND\xaeB`\x82"
    made = signed(bare, "png")
    length = int.from_bytes(made[8:12], "big")
    chunk = made[12 : 16 + length]
    assert chunk.startswith(b"tEXtarchspec\x00")
    assert int.from_bytes(made[16 + length : 20 + length], "big") == crc32(chunk)
    assert made[20 + length :] == bare[8:]
    assert is_signed(made, "png")
    assert not is_signed(bare, "png")
    assert not is_signed(b"", "png")


def test_what_is_there_already_may_be_written_again(here: Path) -> None:
    shrink = ["shrink", "spec.yaml", "-o", "mine.yaml"]
    assert main(shrink) == 0
    assert main(shrink) == 0


def test_an_empty_file_is_filled(here: Path) -> None:
    (here / "mine.yaml").touch()
    assert main(["shrink", "spec.yaml", "-o", "mine.yaml"]) == 0


def test_a_link_to_a_file_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    link, file = tmp_path / "link", tmp_path / "sub/file"
    file.write_text("old")
    link.symlink_to("sub/file")
    write_file(link, "new", force=True)
    assert link.is_symlink()
    assert file.read_text() == "new"
    assert [path.name for path in (tmp_path / "sub").iterdir()] == ["file"]


def test_a_new_file_has_the_mode_that_the_user_s_mask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_file(tmp_path / "file", "new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640
