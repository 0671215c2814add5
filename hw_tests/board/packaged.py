"""The host's program as a package holds it."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType


def host_of(folder: Path, name: str) -> ModuleType:
    """The package ``host`` in a folder, as another Python would import it; ``name`` must be a fresh one."""
    home = folder / "host"
    spec = spec_from_file_location(name, home / "__init__.py", submodule_search_locations=[str(home)])
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
