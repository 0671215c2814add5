"""A file of a run: its name in the run folder, and how its content is read, written and checked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from etb_hw.errors import BadInput
from etb_hw.files import write_json

T = TypeVar("T")
AGAIN = "the file is damaged: run `etb-hw run` with --force, or give another folder"


@dataclass(frozen=True, eq=False)
class RunFile:
    """A file, by its path within the run folder.

    Attributes:
        holds: what it is, for people.
        listed: whether the page lists it with its digest (the page itself and parts of others are not).
        sure: whether a finished run has it, whatever was asked for.
    """

    name: str
    holds: str
    listed: bool = False
    sure: ClassVar[bool] = True

    def path(self, run_dir: Path) -> Path:
        return run_dir / self.name

    def files(self, run_dir: Path) -> list[str]:
        """What of it lies in a run folder: its own name, if it is there."""
        return [self.name] if self.path(run_dir).is_file() else []

    def check(self, run_dir: Path) -> None:
        """Raise BadInput unless the file is there and is what it must be."""
        path = self.path(run_dir)
        if not path.is_file() or path.is_symlink() or not path.stat().st_size:
            raise BadInput(str(path), "was not written", AGAIN)


@dataclass(frozen=True, eq=False)
class IfPossible(RunFile):
    """A file that some networks cannot have."""

    sure: ClassVar[bool] = False

    def check(self, run_dir: Path) -> None:
        if os.path.lexists(self.path(run_dir)):
            super().check(run_dir)


@dataclass(frozen=True, eq=False)
class Folder(RunFile):
    """A folder of generated files; empty or missing where it was not asked for."""

    sure: ClassVar[bool] = False

    def files(self, run_dir: Path) -> list[str]:
        below = sorted(self.path(run_dir).rglob("*"))
        return [path.relative_to(run_dir).as_posix() for path in below if path.is_file()]

    def check(self, run_dir: Path) -> None:
        if self.path(run_dir).is_symlink():
            raise BadInput(str(self.path(run_dir)), "is a link", "remove the link")


@dataclass(frozen=True, eq=False, kw_only=True)
class JsonFile(RunFile, Generic[T]):
    """A file of one JSON value of a known shape."""

    shape: TypeAdapter[T]

    def read(self, run_dir: Path) -> T | None:
        """Its content, None where there is no such file. Raises BadInput if damaged."""
        return read_json(self.path(run_dir), self.shape)

    def need(self, run_dir: Path) -> T:
        """Its content. Raises BadInput if missing or damaged."""
        found = self.read(run_dir)
        if found is None:
            remedy = "run the flow to its end: etb-hw run FLOW.toml"
            raise BadInput(str(self.path(run_dir)), "does not exist", remedy)
        return found

    def write(self, run_dir: Path, value: T) -> None:
        write_json(self.path(run_dir), plain(value))

    def check(self, run_dir: Path) -> None:
        super().check(run_dir)
        self.need(run_dir)


@dataclass(frozen=True, eq=False, kw_only=True)
class LinesFile(RunFile, Generic[T]):
    """A file of one JSON value a line (JSON Lines), all of one shape."""

    shape: TypeAdapter[T]

    def read(self, run_dir: Path) -> tuple[T, ...] | None:
        """All its lines, None where there is no such file; a last line that was cut short does not count.

        Raises BadInput if damaged.
        """
        path = self.path(run_dir)
        try:
            lines = path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise BadInput(str(path), f"cannot be read ({error.strerror})", "check its permissions") from None
        rows = []
        for number, line in enumerate(lines[:-1], 1):  # the last is empty, or was not finished
            try:
                rows.append(self.shape.validate_json(line))
            except ValidationError as error:
                raise BadInput(f"{path}, line {number}", error.errors()[0]["msg"], AGAIN) from None
        return tuple(rows)

    def check(self, run_dir: Path) -> None:
        path = self.path(run_dir)
        if path.is_symlink() or not path.is_file():
            super().check(run_dir)
        self.read(run_dir)  # no line is a history too: of a network that was not trained


def read_json(path: Path, shape: TypeAdapter[T]) -> T | None:
    """A JSON file of a known shape, None where there is no file. Raises BadInput if damaged."""
    try:
        return shape.validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BadInput(str(path), f"cannot be read ({error.strerror})", "check its permissions") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise BadInput(str(path), f"{place + ': ' if place else ''}{first['msg']}", AGAIN) from None


def plain(value: Any) -> Any:
    """A value of a shape as JSON's own types; a shape may say itself how with ``to_json``."""
    if hasattr(value, "to_json"):
        return value.to_json()
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return value
