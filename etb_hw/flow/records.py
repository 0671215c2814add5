"""What a run remembers of each step: from which inputs it was made, what it wrote, what it proved."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from etb_hw.files import digest, write_json
from etb_hw.verification import Proof

FOLDER = ".steps"


@dataclass(frozen=True)
class Record:
    """A finished step. ``key`` hashes everything it was made from, ``outputs`` what it wrote."""

    key: str
    outputs: dict[str, str]
    proofs: tuple[Proof, ...]
    seconds: float


def key_of(values: Any, folder: Path, files: list[str]) -> str:
    """Hash of a JSON-able value and of files' contents: the identity of a step's inputs."""
    content = {"values": values, "files": {name: digest(folder / name) for name in files}}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def save(run_dir: Path, step: str, record: Record) -> None:
    write_json(run_dir / FOLDER / f"{step}.json", asdict(record))


def load(run_dir: Path, step: str) -> Record | None:
    """The record of a step, None where there is none that can be read."""
    try:
        values = json.loads((run_dir / FOLDER / f"{step}.json").read_text(encoding="utf-8"))
        values["proofs"] = tuple(Proof(**row) for row in values["proofs"])
        return Record(**values)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def load_all(run_dir: Path) -> dict[str, Record]:
    """The records of all steps, by their names."""
    found = {path.stem: load(run_dir, path.stem) for path in sorted((run_dir / FOLDER).glob("*.json"))}
    return {name: record for name, record in found.items() if record is not None}


def forget(run_dir: Path, step: str) -> None:
    (run_dir / FOLDER / f"{step}.json").unlink(missing_ok=True)


def is_current(run_dir: Path, record: Record, key: str) -> bool:
    """Whether a step's inputs are what they were and its files are still as it wrote them."""
    return record.key == key and all(_is_as_written(run_dir / name, record, name) for name in record.outputs)


def remove_outputs(run_dir: Path, record: Record, names: list[str]) -> None:
    """Remove those of these files that a step wrote, unless somebody changed them since."""
    for name in names:
        if name in record.outputs and _is_as_written(run_dir / name, record, name):
            (run_dir / name).unlink()


def _is_as_written(path: Path, record: Record, name: str) -> bool:
    return path.is_file() and not path.is_symlink() and digest(path) == record.outputs[name]
