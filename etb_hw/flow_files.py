"""The flow files that come with the package (``flows/`` of the repository), by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from etb_hw.errors import BadInput

FOLDER = Path(__file__).parent / "flows"


def shipped() -> Mapping[str, Path]:
    """Every flow file of the package, by its name without ending."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.toml"))}


def find_flow(given: Path) -> Path:
    """The flow file that is meant: the file of that path, or the shipped one of that name."""
    return given if given.exists() else shipped().get(str(given), given)


def summary(path: Path) -> str:
    """What a flow file is for, by the comment at its head."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").strip())
    return " ".join(lines).split(". ")[0].removesuffix(".")


def need(name: str) -> Path:
    """The shipped flow file of a name. Raises BadInput."""
    if name not in shipped():
        raise BadInput(name, "is no flow file of the package", f"known: {', '.join(shipped())}")
    return shipped()[name]
