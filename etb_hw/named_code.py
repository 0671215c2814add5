"""Code of a user's that a flow file names as "module:name": importing it runs it."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from etb_hw.errors import BadInput


def named_code(where: str, named: str | None, what: str = "function") -> Any:
    """What "module:name" stands for; the module is looked for like any import, and in the present folder.

    Args:
        where: the key of the flow file. what: ``function`` or ``class``, for messages.

    Raises BadInput where it cannot be imported, or cannot be called.
    """
    if named is None or named.count(":") != 1:
        raise BadInput(where, f"is {named!r}", f'name it "module:{what}"')
    module, _, name = named.partition(":")
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        found = getattr(import_module(module), name, None)
    except ImportError as error:
        remedy = "run where the module lies, or install it"
        raise BadInput(f"{where} {named}", f"cannot be imported ({error})", remedy) from None
    finally:
        sys.path.remove(here)
    if not callable(found):
        raise BadInput(f"{where} {named}", f"is no {what}", f"define {name} in {module}")
    return found
