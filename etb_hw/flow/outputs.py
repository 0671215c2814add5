"""What a command writes at a place that the user names: whole, and never over what is not its own.

A command may write where nothing is, where the same bytes are, and over what it wrote there itself. A note in
the folder says which command wrote which file; for the files of a run its records say so. Anything else is
somebody's work and is replaced only with ``--force``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from shutil import rmtree

from etb_hw.errors import BadInput
from etb_hw.files import digest, part_of, remove_leftovers, write_json
from etb_hw.flow import records

NOTE = ".etb-hw.json"
RUN = "run"


@dataclass(frozen=True)
class Origin:
    """Which command wrote a file, and the SHA-256 of what it wrote.

    ``before`` is that of what it is about to replace: a command that is killed may have come to either.
    """

    command: str
    digest: str
    before: str | None = None


@contextmanager
def output_folder(
    out: Path, command: str, *, force: bool = False, replaces: Sequence[str] = ()
) -> Iterator[Path]:
    """Yield an empty folder; what is written there moves to ``out`` when the block ends without an error.

    What the same command wrote to ``out`` before and does not write now is removed.

    Args:
        command: who writes. replaces: other commands whose files it may replace.
        force: replace whatever is there.

    Raises:
        BadInput: a file in ``out`` is not this command's; then nothing in ``out`` has changed.
    """
    with _scratch(out, command) as scratch:
        yield scratch
        names = _move(scratch, out, (command, *replaces), force)
        _remove_others(out, command, names)


@contextmanager
def output_file(
    path: Path, command: str, *, force: bool = False, replaces: Sequence[str] = ()
) -> Iterator[Path]:
    """Yield a path; the file that is written there moves to ``path`` when the block ends without an error.

    Arguments and errors as of ``output_folder``.
    """
    with _scratch(path.parent, command) as scratch:
        yield scratch / path.name
        _move(scratch, path.parent, (command, *replaces), force)


@contextmanager
def _scratch(out: Path, command: str) -> Iterator[Path]:
    made = not out.exists()
    out.mkdir(parents=True, exist_ok=True)
    remove_leftovers(out, below=False)
    scratch = part_of(out / command)
    try:
        try:
            scratch.mkdir()
        except OSError as error:
            error.filename = str(out)  # what the user knows of
            raise
        yield scratch
    finally:
        rmtree(scratch, ignore_errors=True)
        if made:
            with suppress(OSError):  # not empty: all went well
                out.rmdir()


def _move(scratch: Path, out: Path, commands: Sequence[str], force: bool) -> list[str]:
    """Move files to their places, after all of them were found to be free; the names of all."""
    names = [path.relative_to(scratch).as_posix() for path in sorted(scratch.rglob("*")) if path.is_file()]
    origins = _origins(out)
    reasons = {name: _objection(scratch, out, name, origins.get(name), commands, force) for name in names}
    problems = [(name, reason) for name, reason in reasons.items() if reason is not None]
    if problems:
        name, reason = problems[0]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        remedy = "give another --out, or --force to replace what is there"
        raise BadInput(str(out / name), reason + more, remedy)
    new = {name: digest(scratch / name) for name in names if not _is_same(scratch / name, out / name)}
    old = {name: digest(out / name) for name in new if (out / name).is_file()}
    _note(out, origins | {name: Origin(commands[0], new[name], old.get(name)) for name in new})
    for name in new:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(scratch / name, out / name)
    _note(out, origins | {name: Origin(commands[0], new[name]) for name in new})
    return names


def _remove_others(out: Path, command: str, names: Sequence[str]) -> None:
    """Remove what the command wrote once and writes no more."""
    origins = _origins(out)
    for name, origin in list(origins.items()):
        if origin.command == command and name not in names:
            if _link_above(out, name) is None and _is_from(out / name, origin):
                (out / name).unlink()
            del origins[name]
    _note(out, origins)


def _objection(
    scratch: Path, out: Path, name: str, origin: Origin | None, commands: Sequence[str], force: bool
) -> str | None:
    """Why a file must not be written, None where it may."""
    target = out / name
    link = _link_above(out, name)
    if link is not None:
        return f"lies in {link}, which is a link"
    if target.is_dir() and not target.is_symlink():
        return "is a folder"
    if force or not os.path.lexists(target) or _is_same(scratch / name, target):
        return None
    if origin is None:
        return f"was not written by etb-hw {commands[0]}"
    if not _is_from(target, origin):
        return "was changed since etb-hw wrote it"
    return None if origin.command in commands else f"was written by etb-hw {origin.command}"


def _origins(out: Path) -> dict[str, Origin]:
    """What is known of the files of a folder. A damaged note is no note."""
    found = {
        name: Origin(RUN, value)
        for record in records.load_all(out).values()
        for name, value in record.outputs.items()
    }
    try:
        noted = json.loads((out / NOTE).read_text(encoding="utf-8"))
        found |= {name: Origin(**values) for name, values in noted.items() if _is_below(name)}
    except (OSError, ValueError, TypeError, AttributeError):
        pass
    return found


def _is_below(name: str) -> bool:
    """Whether a name from a file stays in its folder."""
    return not Path(name).is_absolute() and ".." not in Path(name).parts


def _link_above(out: Path, name: str) -> Path | None:
    """A folder between ``out`` and a file in it that is a link."""
    return next((p for p in list(Path(name).parents)[:-1] if (out / p).is_symlink()), None)


def _note(out: Path, origins: dict[str, Origin]) -> None:
    found = {name: asdict(origin) for name, origin in sorted(origins.items()) if origin.command != RUN}
    if found:
        write_json(out / NOTE, found)
    else:
        (out / NOTE).unlink(missing_ok=True)


def _is_same(one: Path, other: Path) -> bool:
    return other.is_file() and not other.is_symlink() and one.read_bytes() == other.read_bytes()


def _is_from(path: Path, origin: Origin) -> bool:
    return path.is_file() and not path.is_symlink() and digest(path) in (origin.digest, origin.before)
