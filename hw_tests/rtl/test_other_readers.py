"""Generated files in readers other than those of our own flow: slang, which is strict, and Yosys by hand."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pyslang
import pytest

from etb_hw.board import find_board, package
from etb_hw.board.serial import gateware as serial
from etb_hw.board.zynq import gateware as zynq
from etb_hw.dataflow import DataflowGraph, Effort, Target, fold, lower
from etb_hw.rtl import generate, write
from etb_hw.rtl.tools import Tool, find_yosys
from hw_tests.board.designs import colour, small
from hw_tests.networks import POOL, conv_net, mlp, resnet18


def writable(registered: bool) -> DataflowGraph:
    design = lower(conv_net([5, 7, POOL], [9], (3, 6, 6)), writable=True)
    return replace(design, blocks=tuple(b.registered() for b in design.blocks)) if registered else design


DESIGNS = {
    "conv": lambda: (
        fold(lower(conv_net([5, 7, POOL], [9], (3, 6, 6))), Target(cycles=800), Effort(time_limit_s=3)).graph
    ),
    "residual": lambda: lower(resnet18((3, 5), size=8, blocks=1), label_select=True),
    "writable": lambda: writable(registered=False),
    "writable and registered": lambda: writable(registered=True),
}


def accepted(folder: Path, top: str) -> bool:
    """Whether slang takes all sources of a folder for ``top``; else it has said why."""
    driver = pyslang.driver.Driver()
    driver.addStandardArgs()
    sources = sorted(path for path in folder.iterdir() if path.suffix in (".sv", ".v"))
    assert driver.parseCommandLine(f"slang --top {top} " + " ".join(map(str, sources)))
    assert driver.processOptions()
    assert driver.parseAllSources()
    compiled = driver.createCompilation()
    driver.reportCompilation(compiled, True)
    driver.runAnalysis(compiled)
    return bool(driver.reportDiagnostics(True))


@pytest.mark.parametrize("name", DESIGNS)
def test_designs_are_strict_systemverilog(name: str, tmp_path: Path) -> None:
    write(generate(DESIGNS[name]()), tmp_path)
    assert accepted(tmp_path, "etb_top")


@pytest.mark.parametrize("kind", ["plain", "writable"])
def test_what_surrounds_them_on_boards_is_too(kind: str, tmp_path: Path) -> None:
    design = small() if kind == "plain" else writable(registered=False)
    sources, _ = zynq.gateware(design)
    line = {**serial.gateware(design), "system.sv": serial.system_text(design, "0" * 16, 8, 1000)}
    for top, files in ((zynq.ACCELERATOR, sources), (serial.SYSTEM, line)):
        folder = tmp_path / top
        write(files, folder)
        assert accepted(folder, top)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("logic a; assign a = b; logic b;", "before its declaration"),
        ("input logic c); logic a; initial a = 0; always_ff @(posedge c) a <= !a;", "always_ff"),
    ],
)
def test_slang_would_complain(
    body: str, said: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write({"m.sv": f"module m {'(' if 'input' in body else ';'} {body} endmodule\n"}, tmp_path)
    assert not accepted(tmp_path, "m")
    assert said in capfd.readouterr().err


def script_of(text: str) -> str:
    """What follows on ``yosys -p`` in a README."""
    command = re.search(r'yosys -p "([^"]+)"', text)
    assert command is not None
    return command[1]


def run(tool: Tool, folder: Path, script: str) -> None:
    done = tool.run(["-q", "-p", script], folder)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def yosys() -> Tool:
    return find_yosys()


@pytest.mark.parametrize("family", ["synth_xilinx", "synth_ice40"])
def test_yosys_takes_a_design_as_its_readme_says(family: str, yosys: Tool, tmp_path: Path) -> None:
    files = generate(fold(lower(mlp(16, (6,), 3)), Target(cycles=32), Effort(time_limit_s=3)).graph)
    write(files, tmp_path)
    script = script_of(files["README.md"])
    names = files["files.f"].replace("\n", " ")  # what a shell makes of it
    script = script.replace("$(tr '\\n' ' ' < files.f)", names)
    if family == "synth_ice40":
        unset = re.search(r'"(setattr .*?;)"', files["README.md"])
        assert unset is not None
        script = script.replace("synth_xilinx", f"{unset[1]} {family}")
    run(yosys, tmp_path, script)


@pytest.mark.parametrize("name", ["ulx3s-85f", "tang-nano-20k"])
def test_commands_of_a_package_begin_as_they_stand_there(name: str, yosys: Tool, tmp_path: Path) -> None:
    """Up to where mapping begins, which our own flow tries."""
    design = colour()
    package(design, find_board(name), place=False, trial=0).write(tmp_path)
    script = script_of((tmp_path / "README.md").read_text())
    run(yosys, tmp_path / "gateware", re.sub(r"(; synth_\w+)", r"\1 -run begin:coarse", script))
