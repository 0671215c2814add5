"""Code of a user's that a flow file names as "module:name": importing it runs it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from traceback import extract_tb
from typing import Any

from etb_hw.errors import BadInput, EtbError, one_line
from etb_hw.sources import sources_digest


def named_code(where: str, named: str | None, what: str = "function") -> Any:
    """What "module:name" stands for; the module is looked for like any import, and in the present folder.

    Args:
        where: the key of the flow file. what: ``function`` or ``class``, for messages.

    Raises BadInput where it cannot be imported, fails when it is, or cannot be called.
    """
    if named is None or named.count(":") != 1:
        raise BadInput(where, f"is {named!r}", f'name it "module:{what}"')
    module, _, name = named.partition(":")
    if not all(part.isidentifier() for part in module.split(".")):
        remedy = _as_module(module, name, what)
        raise BadInput(f"{where} {named}", f"{module!r} is no name of a module", remedy)
    try:
        with _as_users():
            found = getattr(import_module(module), name, None)
    except ImportError as error:
        remedy = "run where the module lies, or install it"
        if module.endswith(".py"):
            remedy = _as_module(module, name, what)
        raise BadInput(f"{where} {named}", f"cannot be imported ({error})", remedy) from None
    except EtbError:
        raise
    except (Exception, SystemExit) as error:  # whatever it does; a syntax error says its file and line
        reason = f"fails when it is imported ({type(error).__name__}: {one_line(error)})"
        raise BadInput(f"{where} {named}", reason, f"repair {module}") from error
    if not callable(found):
        raise BadInput(f"{where} {named}", f"is no {what}", f"define {name} in {module}")
    return found


def called(where: str, function: Any, *arguments: Any, remedy: str) -> Any:
    """What a user's function returns; whatever it raises is told as its own fault, with its line.

    Raises BadInput, about ``where``.
    """
    try:
        with _as_users():
            return function(*arguments)
    except EtbError:
        raise
    except (Exception, SystemExit) as error:
        last = extract_tb(error.__traceback__)[-1]
        place = f"{Path(last.filename).name} line {last.lineno}"
        reason = f"fails ({type(error).__name__}: {one_line(error)}; {place})"
        raise BadInput(where, reason, remedy) from error


def _as_module(path: str, name: str, what: str) -> str:
    """What to write instead of the path of a file, such as ``../nets/my_net.py``."""
    parts = [part for part in path.removesuffix(".py").replace("\\", "/").split("/") if part not in ("", ".")]
    outside = path.startswith("/") or ".." in parts
    module = parts[-1:] if outside else parts
    if not module or not all(part.isidentifier() for part in module):
        return f'name the file by letters, digits and _ (my_code.py), and write "my_code:{name or what}"'
    where = f", and run where {module[0]}.py lies" if outside else ""
    return f'write "{".".join(module)}:{name}"{where}'


def source_digest(named: str) -> str:
    """SHA-256 of the module of "module:name" and of what it imports beside it; empty where there is none.

    What a result was made from: a run begins anew where it changed.
    """
    try:
        module = named.partition(":")[0]
        with _from_here():
            spec = find_spec(module)
        return "" if spec is None or spec.origin is None else sources_digest(module, Path(spec.origin))
    except Exception:  # finding a module of a package imports that; a fault in it is told where it is used
        return ""


@contextmanager
def _as_users() -> Iterator[None]:
    """Code of the user's runs: it finds modules of the present folder, its prints are no results, and what
    folder it leaves is not where ours go.
    """
    here = Path.cwd()
    try:
        with _from_here(), redirect_stdout(sys.stderr):
            yield
    finally:
        os.chdir(here)


@contextmanager
def _from_here() -> Iterator[None]:
    """Modules of the present folder are found, too."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        yield
    finally:
        sys.path.remove(here)
