"""Files are written whole or not at all, with the user's rights, never through links; leftovers go."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import NoReturn

import pytest

from etb_hw.errors import BadInput
from etb_hw.files import (
    append_line,
    digest,
    locked,
    part_of,
    read_bytes,
    remove_leftovers,
    write_bytes,
    write_json,
    write_text,
)


def test_a_file_may_be_as_large_as_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(b"12345")
    assert read_bytes(path, 5, "write less") == b"12345"
    with pytest.raises(BadInput, match="more than 4"):
        read_bytes(path, 4, "write less")


def test_why_a_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "ring").symlink_to("ring")
    for name, reason in (
        ("", "is a folder"),
        ("pipe", "is no regular file"),
        ("nowhere", "does not exist"),
        ("ring", r"cannot be read \(Too many levels of symbolic links\)"),
        ("a\0b", r"cannot be read \(embedded null byte\)"),
    ):
        with pytest.raises(BadInput, match=reason) as caught:
            read_bytes(tmp_path / name, 5, "give another")
        assert caught.value.where == str(tmp_path / name)
        assert caught.value.remedy == "give another"


def test_folders_are_made_for_what_is_written(tmp_path: Path) -> None:
    for name in ("a/b/one", "a/b/two", "a/c/d/one"):
        write_text(tmp_path / name, name)
        assert (tmp_path / name).read_text() == name
    for _ in range(2):
        with locked(tmp_path / "e/f") as mine:
            assert mine


def test_what_is_written_as_json(tmp_path: Path) -> None:
    """Indented by two, as files from before."""
    write_json(tmp_path / "x.json", {"a": [1, "ü"]})
    assert (tmp_path / "x.json").read_text() == '{\n  "a": [\n    1,\n    "\\u00fc"\n  ]\n}\n'
    assert digest(tmp_path / "x.json") == sha256((tmp_path / "x.json").read_bytes()).hexdigest()


def test_a_disk_that_is_full_is_told_of_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where not even the file in between could be made."""
    path = tmp_path / "page.html"
    monkeypatch.setattr("etb_hw.files.os.open", failing(OSError(errno.ENOSPC, "No space left on device")))
    with pytest.raises(OSError, match="No space left") as caught:
        write_text(path, "text")
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(path))
    with pytest.raises(OSError, match="No space left"):
        append_line(path, "text")


def failing(error: OSError) -> Callable[..., NoReturn]:
    def fail(*_: object, **__: object) -> NoReturn:
        raise error

    return fail


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
    append_line(tmp_path / "usual.log", "x")
    for name in ("usual.html", "usual.log"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o666 & ~before


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


@pytest.fixture
def leftover(tmp_path: Path) -> Callable[[str], Path]:
    """Gives the name of what a process that has ended was writing."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()

    def name(file: str) -> Path:
        mine = part_of(tmp_path / file)
        return mine.with_name(mine.name.replace(f".{os.getpid()}.", f".{ended.pid}."))

    return name


def test_leftovers_of_every_kind_go(tmp_path: Path, leftover: Callable[[str], Path]) -> None:
    """A folder with all that is in it; of a link only the link."""
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "data").write_text("precious")
    (leftover("folder") / "below").mkdir(parents=True)
    leftover(".hidden").write_text("half")
    leftover("link").symlink_to(precious)
    leftover("n" * 250).write_text("half")
    remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]
    assert (precious / "data").read_text() == "precious"


def test_leftovers_below_are_left_where_only_the_folder_is_meant(
    tmp_path: Path, leftover: Callable[[str], Path]
) -> None:
    above, below = leftover("file"), tmp_path / "below" / leftover("file").name
    write_text(above, "half")
    write_text(below, "half")
    remove_leftovers(tmp_path, below=False)
    assert (above.exists(), below.exists()) == (False, True)
    remove_leftovers(tmp_path / "nowhere")


def test_whose_leftovers_they_are_is_known(
    tmp_path: Path, leftover: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not removed: of another machine, of another user's process, of a number that is none."""
    dead = leftover("file")
    monkeypatch.setattr("socket.gethostname", lambda: "h" * 100)
    far = leftover("file")
    assert f".file.{'h' * 40}-" in far.name
    assert "h" * 41 not in far.name
    monkeypatch.undo()
    odd = part_of(tmp_path / "file")
    odd = odd.with_name(odd.name.replace(f".{os.getpid()}.", f".{10**20}."))
    for path in (dead, far, odd):
        path.write_text("half")
    with monkeypatch.context() as patch:
        patch.setattr("etb_hw.files.os.kill", failing(PermissionError()))
        remove_leftovers(tmp_path)
    assert dead.exists()
    remove_leftovers(tmp_path)
    assert [path.exists() for path in (dead, far, odd)] == [False, True, True]


def test_whoever_is_writing_is_not_disturbed(tmp_path: Path) -> None:
    """Looking whether a process lives is no signal to it, also where it hears all of them."""
    code = "import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL); print(flush=True); signal.pause()"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        mine = part_of(tmp_path / "file")
        theirs = mine.with_name(mine.name.replace(f".{os.getpid()}.", f".{writer.pid}."))
        theirs.write_text("being written")
        remove_leftovers(tmp_path)
        assert theirs.exists()
        writer.terminate()
        assert writer.wait() == -signal.SIGTERM


def test_what_cannot_be_removed_or_is_gone_already_does_no_harm(
    tmp_path: Path, leftover: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    leftover("folder").mkdir()
    file = leftover("file")
    file.write_text("half")

    def gone(_process: int) -> bool:
        file.unlink(missing_ok=True)  # as another process may do it now
        return False

    monkeypatch.setattr("etb_hw.files._alive", gone)
    monkeypatch.setattr("os.rmdir", failing(OSError(errno.EBUSY, "busy")))
    remove_leftovers(tmp_path)
    assert not file.exists()


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
