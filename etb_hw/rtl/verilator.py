"""The Verilator driver: a design whose ports are streams becomes a program that is fed with beats."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from etb_hw.errors import EtbError
from etb_hw.rtl import cache
from etb_hw.rtl.beats import words_of
from etb_hw.rtl.tools import Origin, Tool, Verilator, find_compiler, find_verilator

SIM = "etb_sim"


class SimulationError(EtbError):
    """The RTL does not build, stops moving, or breaks the valid/ready protocol."""

    exit_code = 1


@dataclass(frozen=True)
class SimPort:
    """A stream port of ``etb_sim``: signals ``<name>_data``, ``_valid`` and (not for taps) ``_ready``."""

    name: str
    width: int
    kind: Literal["in", "out", "tap"]


@dataclass(frozen=True, eq=False)
class SimModel:
    """A built simulator."""

    program: Path
    folder: Path
    ports: tuple[SimPort, ...]
    version: str


@dataclass(frozen=True, eq=False)
class Drive:
    """What happens at one port in a run.

    Attributes:
        beats: rows of 32-bit words to send (inputs only).
        count: how many beats to wait for (outputs only).
        frame: beats a frame, for the times.
        stall: probability that the port holds back in a cycle.
        more: the design may offer beats beyond ``count`` (a border before its frame has come).
    """

    beats: NDArray[np.uint32] | None = None
    count: int = 0
    frame: int = 1
    stall: float = 0.0
    more: bool = False


@dataclass(frozen=True, eq=False)
class SimResult:
    """Beats by output and tap name; times (cycles) of each frame's first beat in and last beat out."""

    cycles: int
    beats: Mapping[str, NDArray[np.uint32]]
    times: Mapping[str, tuple[int, ...]]
    failure: str = ""
    progress: tuple[str, ...] = field(default=())


def build(
    sources: Mapping[str, str],
    ports: Sequence[SimPort],
    *,
    cache_dir: Path = cache.DEFAULT,
    optimize: int = 1,
    defines: Sequence[str] = ("ETB_FAST_POPCOUNT",),
    tools: Origin = "pinned",
    harness: str | None = None,
) -> SimModel:
    """Compile ``sources`` (by file name; .mem files too), whose top is ``etb_sim``, and the harness.

    Args:
        harness: C++ of another harness than the one for streams.

    Raises:
        MissingTool: without Verilator or a C++ compiler.
        SimulationError: if Verilator rejects the sources (lint warnings count).
    """
    verilator, compiler = find_verilator(tools), find_compiler()
    if harness is None:
        harness = (files("etb_hw.rtl") / "harness.cpp").read_text(encoding="utf-8")
    binding = _binding(ports)
    # memories are read when the program starts, so they are no part of what is compiled
    code = {name: text for name, text in sources.items() if name.endswith((".sv", ".v"))}
    key = cache.key_of(
        [verilator.tool.version, compiler.version, harness, binding, str(optimize), *defines]
        + [part for item in sorted(code.items()) for part in item]
    )

    def make(folder: Path) -> None:
        _compile(folder, code, harness, binding, verilator, compiler, optimize, defines, cache_dir)

    program = cache.cached_folder(cache_dir, "verilator", key, make)
    data = {name: text for name, text in sources.items() if name.endswith(".mem")}
    if data:

        def fill(folder: Path) -> None:
            for name, text in data.items():
                (folder / name).write_text(text, encoding="ascii")

        parts = [part for item in sorted(data.items()) for part in item]
        home = cache.cached_folder(cache_dir, "memories", cache.key_of(parts), fill)
    else:
        home = program
    return SimModel(program / "harness", home, tuple(ports), verilator.tool.version)


def run(
    model: SimModel,
    drives: Mapping[str, Drive],
    *,
    seed: int = 1,
    reset_at: int | None = None,
    silent: bool = False,
    idle_limit: int = 100_000,
    timeout: float | None = None,
) -> SimResult:
    """Feed the model until every output gave its count of beats.

    Args:
        reset_at: cycle at which reset is pulsed and everything starts again from the first beat.
        silent: outputs that offer a beat while reset is held are a failure.
        idle_limit: cycles without any beat after which the run counts as stuck.
    """
    with tempfile.TemporaryDirectory(prefix="etb_sim_") as scratch:
        job = [f"seed {seed}", f"idle {idle_limit}"]
        if reset_at is not None:
            job.append(f"reset {reset_at}")
        if silent:
            job.append("silent")
        for i, port in enumerate(model.ports):
            drive = drives.get(port.name, Drive())
            path = Path(scratch) / f"{i}.bin"
            stall = min(255, round(256 * drive.stall))
            if port.kind == "in":
                assert drive.beats is not None
                drive.beats.astype("<u4").tofile(path)
                job.append(f"in {path} {len(drive.beats)} {drive.frame} {stall}")
            elif port.kind == "out":
                job.append(f"out {path} {drive.count} {drive.frame} {stall} {int(drive.more)}")
            else:
                job.append(f"tap {path} {drive.frame}")
        script = Path(scratch) / "job.txt"
        script.write_text("\n".join(job) + "\n", encoding="utf-8")
        done = Tool((str(model.program),), "").run([str(script)], model.folder, timeout)
        if done.returncode:
            raise SimulationError(
                "simulation", f"the simulator ended with {done.returncode}: {done.stderr}", "report this"
            )
        return _result(model, done.stdout, Path(scratch))


def _result(model: SimModel, text: str, scratch: Path) -> SimResult:
    cycles, failure, times, progress = 0, "", {}, []
    names = {kind: [p.name for p in model.ports if p.kind == kind] for kind in ("in", "out")}
    for line in text.splitlines():
        key, *rest = line.split()
        if key == "cycles":
            cycles = int(rest[0])
        elif key == "fail":
            failure = " ".join(rest)
        elif key in names:
            times[names[key][int(rest[0])]] = tuple(map(int, rest[1:]))
        elif key in ("taken", "given"):
            progress.append(f"{names['in' if key == 'taken' else 'out'][int(rest[0])]}: {' '.join(rest[1:])}")
    beats = {
        port.name: np.fromfile(scratch / f"{i}.bin", dtype="<u4").reshape(-1, words_of(port.width))
        for i, port in enumerate(model.ports)
        if port.kind != "in"
    }
    return SimResult(cycles, beats, times, failure, tuple(progress))


def _binding(ports: Sequence[SimPort]) -> str:
    lines = []
    for port in ports:
        n, words = port.name, words_of(port.width)
        match port.kind:
            case "in":
                lines.append(f"input(top.{n}_valid, top.{n}_ready, top.{n}_data, {words});")
            case "out":
                lines.append(f"output(top.{n}_valid, top.{n}_ready, top.{n}_data, {words});")
            case "tap":
                lines.append(f"tap(top.{n}_valid, top.{n}_data, {words});")
    return "\n".join(lines) + "\n"


def _compile(
    folder: Path,
    code: Mapping[str, str],
    harness: str,
    binding: str,
    verilator: Verilator,
    compiler: Tool,
    optimize: int,
    defines: Sequence[str],
    cache_dir: Path,
) -> None:
    for name, text in code.items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "harness.cpp").write_text(harness, encoding="utf-8")
    (folder / "ports.inc").write_text(binding, encoding="utf-8")
    done = verilator.tool.run(
        [
            "--cc",
            "-Wall",
            "-O3",
            "--x-assign",
            "unique",
            "--x-initial",
            "unique",
            "--no-timing",
            "--top-module",
            SIM,
            "-Mdir",
            "obj",
            *(f"-D{name}" for name in defines),
            *code,
        ],
        folder,
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("%")] or [done.stderr]
        raise SimulationError("Verilator", "\n".join(lines[:8]), "report this with the design")
    flags = ["-std=c++20", f"-O{optimize}", "-DVL_TIME_CONTEXT", f"-I{verilator.include}"]
    flags += [f"-I{verilator.include / 'vltstd'}", "-Iobj", "-I."]
    runtime = _runtime(verilator, compiler, cache_dir)
    # one translation unit: parsing Verilator's headers takes longer than compiling a small design
    unit = "".join(f'#include "{path.name}"\n' for path in sorted((folder / "obj").glob("*.cpp")))
    (folder / "obj" / "unit.cc").write_text(unit + '#include "../harness.cpp"\n', encoding="utf-8")
    libraries = [str(path) for path in sorted(runtime.glob("*.o"))]
    done = compiler.run([*flags, "obj/unit.cc", *libraries, "-lpthread", "-o", "harness"], folder)
    if done.returncode:
        raise SimulationError("C++ compiler", done.stderr[-2000:], "check the compiler's installation")


def _runtime(verilator: Verilator, compiler: Tool, cache_dir: Path) -> Path:
    """Verilator's own C++ runtime, compiled once a version."""

    def make(folder: Path) -> None:
        for name in ("verilated", "verilated_threads"):
            source = str(verilator.include / f"{name}.cpp")
            flags = ["-std=c++20", "-O2", "-DVL_TIME_CONTEXT", f"-I{verilator.include}"]
            flags += [f"-I{verilator.include / 'vltstd'}", "-c", source, "-o", f"{name}.o"]
            done = compiler.run(flags, folder)
            if done.returncode:
                raise SimulationError(
                    "C++ compiler", done.stderr[-2000:], "check the compiler's installation"
                )

    key = cache.key_of([verilator.tool.version, compiler.version])
    return cache.cached_folder(cache_dir, "runtime", key, make)
