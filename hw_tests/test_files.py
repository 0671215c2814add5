"""Files are written whole or not at all, with the user's rights, never through links; leftovers go."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from etb_hw.errors import BadInput
from etb_hw.files import (
    append_line,
    locked,
    part_of,
    read_bytes,
    remove_leftovers,
    write_bytes,
    write_text,
)


def test_a_file_may_be_as_large_as_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(b"12345")
    assert read_bytes(path, 5, "write less") == b"12345"
    with pytest.raises(BadInput, match="more than 4"):
        read_bytes(path, 4, "write less")


def test_folders_of_a_log_are_made(tmp_path: Path) -> None:
    path = tmp_path / "a/b/log"
    append_line(path, "one")
    append_line(path, "two")
    assert path.read_text() == "one\ntwo\n"


def test_the_umask_is_honoured(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write_text(tmp_path / "private.html", "x")
    finally:
        os.umask(before)
    assert (tmp_path / "private.html").stat().st_mode & 0o777 == 0o600
    write_text(tmp_path / "usual.html", "x")
    assert (tmp_path / "usual.html").stat().st_mode & 0o777 == 0o666 & ~before


def test_links_are_replaced_or_refused_but_never_followed(tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("precious")
    for name in ("a", "b", "run/.lock"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).symlink_to(target)
    write_text(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == "new"
    with pytest.raises(BadInput, match="is a link"):
        append_line(tmp_path / "b", "more")
    with pytest.raises(BadInput, match="is a link"), locked(tmp_path / "run"):
        pass
    assert target.read_text() == "precious"


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    write_text(tmp_path / "file", "old")
    with pytest.raises(TypeError):
        write_bytes(tmp_path / "file", "text instead of bytes")  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "old"


def test_an_error_names_the_file_and_not_what_lies_in_between(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError) as caught:
        write_text(tmp_path / "folder", "text")
    assert caught.value.filename == str(tmp_path / "folder")


def test_what_a_killed_writer_left_goes_and_what_a_living_one_writes_stays(tmp_path: Path) -> None:
    code = f"""
import os, signal, sys
from pathlib import Path
from etb_hw import files
files.os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
files.write_text(Path({str(tmp_path / "below" / "page.html")!r}), "half")
"""
    killed = subprocess.run([sys.executable, "-c", code], check=False)
    assert killed.returncode == -signal.SIGKILL
    (left,) = (tmp_path / "below").iterdir()
    mine, foreign = part_of(tmp_path / "page.html"), tmp_path / ".page.html.part"
    mine.write_text("being written")
    foreign.write_text("of another program")
    remove_leftovers(tmp_path)
    assert not left.exists()
    assert mine.exists()
    assert foreign.exists()


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    code = f"""
import os, signal
from pathlib import Path
from etb_hw.files import locked
with locked(Path({str(tmp_path)!r})) as mine:
    print(mine, flush=True)
    signal.pause()
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        with locked(tmp_path) as mine:
            assert not mine
        holder.kill()
        with locked(tmp_path, wait=True) as mine:
            assert mine


def test_who_waits_gets_the_lock(tmp_path: Path) -> None:
    found: list[bool] = []

    def wait() -> None:
        with locked(tmp_path, wait=True) as mine:
            found.append(mine)

    waiting = threading.Thread(target=wait)
    with locked(tmp_path) as mine:
        assert mine
        waiting.start()
        waiting.join(0.2)
        assert not found
    waiting.join(20)
    assert found == [True]
