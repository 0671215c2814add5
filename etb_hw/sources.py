"""A module of the user, and what it imports beside it, as files: where they changed, a run begins anew."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path

from etb_hw.files import digest


def sources_digest(module: str, origin: Path) -> str:
    """SHA-256 of a module's file and of all that it imports, directly or not, from the folder it lies in.

    Files are read and not run. What is imported from elsewhere is installed, and has a version.

    Args:
        module: its full name. origin: its file.
    """
    depth = module.count(".") + (2 if origin.stem == "__init__" else 1)
    home = origin.parents[depth - 1]  # where its outermost package lies
    found, todo = {module: origin}, [module]
    while todo:
        name = todo.pop()
        for other in _imported(name, found[name]):
            path = _file_of(home, other)
            if path is not None and other not in found:
                found[other] = path
                todo.append(other)
    told = "".join(f"{name} {digest(path)}\n" for name, path in sorted(found.items()))
    return hashlib.sha256(told.encode()).hexdigest()


def _file_of(home: Path, module: str) -> Path | None:
    beside = home.joinpath(*module.split("."))
    return next((p for p in (beside.with_suffix(".py"), beside / "__init__.py") if p.is_file()), None)


def _imported(module: str, path: Path) -> Iterator[str]:
    """Names of modules that a file's import statements may mean, and of the packages around them."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):  # compiled, or broken, which is told where it is used
        return
    package = module if path.stem == "__init__" else module.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            around = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            whole = ".".join([*around, *([node.module] if node.module else [])])
            names = [f"{whole}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            yield from (".".join(parts[: end + 1]) for end in range(len(parts)))
