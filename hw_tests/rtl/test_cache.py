"""What is kept by content is built once, and again where it was damaged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from shutil import rmtree

import pytest

from etb_hw.rtl.cache import cached_folder


def test_an_entry_is_built_once(tmp_path: Path) -> None:
    built: list[Path] = []
    for _ in range(2):
        folder = cached_folder(tmp_path, "kind", "key", builder(built))
    assert len(built) == 1
    assert (folder / "below/data").read_bytes() == b"data"


HARM: dict[str, Callable[[Path], object]] = {
    "flipped": lambda folder: (folder / "below/data").write_bytes(b"dbta"),
    "empty": lambda folder: (folder / "below/data").write_bytes(b""),
    "deleted": lambda folder: (folder / "below/data").unlink(),
    "no digests": lambda folder: (folder / ".digests.json").unlink(),
    "bad digests": lambda folder: (folder / ".digests.json").write_text('{"below/data": 3'),
    "other digests": lambda folder: (folder / ".digests.json").write_text("[1]"),
    "a file": lambda folder: (rmtree(folder), folder.write_text("in the way")),
    "a link": lambda folder: (rmtree(folder), folder.symlink_to("nowhere")),
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


def builder(built: list[Path]) -> Callable[[Path], None]:
    def build(folder: Path) -> None:
        built.append(folder)
        (folder / "below").mkdir()
        (folder / "below/data").write_bytes(b"data")
        (folder / "other").write_bytes(b"other")

    return build
