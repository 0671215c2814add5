"""Commands write whole outputs, and never over what is not their own unless they are forced."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from etb_hw.config import Flow
from etb_hw.errors import BadInput
from etb_hw.files import digest
from etb_hw.flow import records, run_steps
from etb_hw.flow.outputs import NOTE, output_file, output_folder
from etb_hw.flow.steps import STEPS


def write(out: Path, command: str = "rtl", *, force: bool = False, **files: str) -> None:
    with output_folder(out, command, force=force) as folder:
        for name, text in files.items():
            (folder / "below").mkdir(exist_ok=True)
            (folder / "below" / name).write_text(text)


def content(out: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in out.rglob("*") if path.is_file() and path.name != NOTE}


def test_a_command_may_write_again_and_takes_back_what_it_writes_no_more(tmp_path: Path) -> None:
    write(tmp_path / "out", a="1", b="1")
    (tmp_path / "out/mine").write_text("mine")
    write(tmp_path / "out", a="2", c="2")
    assert content(tmp_path / "out") == {"a": "2", "c": "2", "mine": "mine"}


def test_files_of_the_user_and_of_other_commands_stay(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below/a").write_text("of the user")
    with pytest.raises(BadInput, match="below/a: was not written by etb-hw rtl"):
        write(tmp_path, a="new", b="new")
    assert content(tmp_path) == {"a": "of the user"}
    write(tmp_path, b="1")
    with pytest.raises(BadInput, match="was written by etb-hw rtl"):
        write(tmp_path, "build", b="2")
    (tmp_path / "below/b").write_text("edited")
    with pytest.raises(BadInput, match="was changed since etb-hw wrote it"):
        write(tmp_path, b="2")
    write(tmp_path, b="edited")  # the same bytes hurt nobody
    write(tmp_path, force=True, a="forced", b="forced")
    assert content(tmp_path) == {"a": "forced", "b": "forced"}


def test_the_files_of_a_run_are_its_own(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("page")
    outputs = {"page.html": digest(tmp_path / "page.html")}
    records.save(tmp_path, "report", records.Record("key", outputs, (), 1.0))
    with (
        pytest.raises(BadInput, match="was written by etb-hw run"),
        output_file(tmp_path / "page.html", "build") as path,
    ):
        path.write_text("other")
    with output_file(tmp_path / "page.html", "report", replaces=("run",)) as path:
        path.write_text("newer page")
    assert (tmp_path / "page.html").read_text() == "newer page"


def test_an_error_leaves_nothing_behind(tmp_path: Path) -> None:
    def fail() -> None:
        with output_folder(tmp_path / "out", "build") as folder:
            (folder / "half").write_text("half")
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("moves", [0, 1, 2])
def test_a_killed_command_may_write_again(
    tmp_path: Path, moves: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, a="1", b="1")
    left, replace = [moves + 1], os.replace  # the note is the first

    def killed(source: Path, target: Path) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, a="2", b="2")
    monkeypatch.undo()
    write(tmp_path, a="3", b="3")
    assert content(tmp_path) == {"a": "3", "b": "3"}


def test_a_note_of_a_stranger_removes_nothing_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/file").touch()
    (tmp_path / "out").mkdir()
    (tmp_path / "out/link").symlink_to(tmp_path / "elsewhere")
    empty = {"command": "rtl", "digest": digest(tmp_path / "precious")}
    names = ("../precious", str(tmp_path / "precious"), "link/file")
    (tmp_path / "out" / NOTE).write_text(json.dumps(dict.fromkeys(names, empty)))
    write(tmp_path / "out", a="1")
    assert (tmp_path / "precious").exists()
    assert (tmp_path / "elsewhere/file").exists()


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/a").write_text("precious")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/below").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadInput, match="below, which is a link"):
        write(tmp_path / "out", force=True, a="new")
    (tmp_path / "out/below").unlink()
    (tmp_path / "out/below").mkdir()
    (tmp_path / "out/below/a").symlink_to(tmp_path / "elsewhere/a")
    with pytest.raises(BadInput, match="was not written by"):
        write(tmp_path / "out", a="new")
    write(tmp_path / "out", force=True, a="new")
    assert (tmp_path / "elsewhere/a").read_text() == "precious"


def test_a_run_refuses_a_folder_that_holds_such_files_already(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text("of somebody")
    with pytest.raises(BadInput, match=r"holds summary\.json"):
        run_steps(Flow(), tmp_path, STEPS)
    assert [path.name for path in tmp_path.iterdir()] == ["summary.json"]


@pytest.mark.parametrize("name", [".steps", "report", "baseline"])
def test_a_run_follows_no_link_within_its_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run/.lock").touch()
    (tmp_path / "run" / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadInput, match="is a link"):
        run_steps(Flow(), tmp_path / "run", STEPS)
    assert not list((tmp_path / "elsewhere").iterdir())
