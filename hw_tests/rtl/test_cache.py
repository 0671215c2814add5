"""What is kept by content is built once, and again where it was damaged."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from shutil import rmtree

import pytest

from etb_hw.files import part_of
from etb_hw.rtl.cache import cached_folder, key_of


def test_an_entry_is_built_once(tmp_path: Path) -> None:
    built: list[Path] = []
    for _ in range(2):
        folder = cached_folder(tmp_path, "kind", "key", builder(built))
    assert len(built) == 1
    assert (folder / "below/data").read_bytes() == b"data"


def test_a_place_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compilers run in folders of their own, and are given its files."""
    monkeypatch.chdir(tmp_path)
    assert cached_folder(Path("here"), "kind", "key", builder([])) == tmp_path / "here/kind/key"


HARM: dict[str, Callable[[Path], object]] = {
    "flipped": lambda folder: (folder / "below/data").write_bytes(b"dbta"),
    "empty": lambda folder: (folder / "below/data").write_bytes(b""),
    "deleted": lambda folder: (folder / "below/data").unlink(),
    "no digests": lambda folder: (folder / ".digests.json").unlink(),
    "bad digests": lambda folder: (folder / ".digests.json").write_text('{"below/data": 3'),
    "other digests": lambda folder: (folder / ".digests.json").write_text("[1]"),
    "empty digests": lambda folder: (folder / ".digests.json").write_text("{}"),
    "a file": lambda folder: (rmtree(folder), folder.write_text("in the way")),
    "a link": lambda folder: (rmtree(folder), folder.symlink_to("nowhere")),
    "a link to a folder": lambda folder: (rmtree(folder), folder.symlink_to(folder.parent.parent)),
}


@pytest.mark.parametrize("harm", HARM)
def test_a_damaged_entry_is_built_again(tmp_path: Path, harm: str) -> None:
    built: list[Path] = []
    folder = cached_folder(tmp_path, "kind", "key", builder(built))
    HARM[harm](folder)
    again = cached_folder(tmp_path, "kind", "key", builder(built))
    assert (again / "below/data").read_bytes() == b"data"
    assert len(built) == 2
    cached_folder(tmp_path, "kind", "key", builder(built))
    assert len(built) == 2
    assert [path.name for path in (tmp_path / "kind").iterdir()] == ["key"]


def test_a_build_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").write_text("half")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        cached_folder(tmp_path, "kind", "key", fail)
    assert not list((tmp_path / "kind").iterdir())


def test_folders_of_the_cache_are_made(tmp_path: Path) -> None:
    for key in ("one", "two"):
        folder = cached_folder(tmp_path / "home/.cache", "kind", key, builder([]))
        assert folder == tmp_path / "home/.cache/kind" / key


def test_the_first_of_two_that_build_at_once_stays(tmp_path: Path) -> None:
    """While one builds, another finishes."""

    def slow(folder: Path) -> None:
        (folder / "data").write_bytes(b"slow")
        cached_folder(tmp_path, "kind", "key", builder([]))

    folder = cached_folder(tmp_path, "kind", "key", slow)
    assert (folder / "below/data").read_bytes() == b"data"
    assert [path.name for path in (tmp_path / "kind").iterdir()] == ["key"]


def test_a_damaged_entry_that_cannot_be_removed_makes_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = cached_folder(tmp_path, "kind", "key", builder([]))
    (folder / "below/data").unlink()

    def busy(*_: object, **__: object) -> None:
        raise OSError(errno.EBUSY, "busy")

    with monkeypatch.context() as patch:
        patch.setattr("os.rmdir", busy)
        again = cached_folder(tmp_path, "kind", "key", builder([]))
    assert (again / "below/data").read_bytes() == b"data"


def test_what_a_killed_build_left_goes_and_entries_are_not_searched(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = part_of(tmp_path / "kind" / "other")
    left = left.with_name(left.name.replace(f".{os.getpid()}.", f".{ended.pid}."))
    left.mkdir(parents=True)
    inside = cached_folder(tmp_path, "kind", "one", builder([])) / left.name
    assert not left.exists()
    inside.mkdir()
    cached_folder(tmp_path, "kind", "two", builder([]))
    assert inside.exists()


def test_what_cannot_be_put_there_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.rename", full)
    with pytest.raises(OSError, match="No space left"):
        cached_folder(tmp_path, "kind", "key", builder([]))
    assert not list((tmp_path / "kind").iterdir())


def test_keys() -> None:
    """Where one text ends matters; letters and bytes are one."""
    found = [key_of(parts) for parts in (("ab", "c"), ("a", "bc"), ("abc",), ("abc", ""), (), ("", "abc"))]
    assert len(set(found)) == len(found)
    assert {len(key) for key in found} == {32}
    assert key_of(("ü", b"x")) == key_of(("ü".encode(), "x"))


def builder(built: list[Path]) -> Callable[[Path], None]:
    def build(folder: Path) -> None:
        built.append(folder)
        (folder / "below").mkdir()
        (folder / "below/data").write_bytes(b"data")
        (folder / "other").write_bytes(b"other")

    return build
