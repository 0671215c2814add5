"""Names in a dataflow.onnx are text: they leave no folder, start no command and fool no tool."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from etb_hw.dataflow import DataflowGraph, Target, finn, fold, lower
from etb_hw.dataflow.graph import Edge, Port
from etb_hw.rtl import generate, write
from etb_hw.rtl.names import LONGEST, comment, identifiers
from etb_hw.rtl.simulation import simulate
from hw_tests import networks

ATTACKS = (
    "../../escaped",
    "/tmp/escaped",
    'a\n  initial $system("id > escaped"); //',
    "a */ initial $finish; /*",
    "verilator lint_off",
    "synthesis translate_off",
    "end\\",
    "1st",
    "\u202eevil\u0000",
    "x" * 5000,
    '[/red] `include "/etc/passwd"',
    "",
)
PLAIN = re.compile(r"[A-Za-z0-9_]+")


@pytest.fixture(scope="module")
def design() -> DataflowGraph:
    return fold(lower(networks.mlp(16, (8, 8))), Target(fps=1_000_000)).graph


def renamed(design: DataflowGraph, name: str) -> DataflowGraph:
    """The design with the first block's name and layer replaced."""
    old = design.blocks[0].name

    def port(given: Port) -> Port:
        return Port(name, given.index) if given.block == old else given

    edges = tuple(Edge(port(e.source), port(e.target), e.depth) for e in design.edges)
    return replace(
        design, blocks=(replace(design.blocks[0], name=name, layer=name), *design.blocks[1:]), edges=edges
    )


@pytest.mark.parametrize("name", ATTACKS)
def test_a_hostile_name_changes_nothing_but_a_name(name: str, design: DataflowGraph, tmp_path: Path) -> None:
    files = generate(renamed(design, name))
    folder = tmp_path / "a" / "b" / "rtl"
    write(files, folder)
    written = {path.relative_to(tmp_path).parts[:3] for path in tmp_path.rglob("*") if path.is_file()}
    assert {parts[:3] for parts in written} == {("a", "b", "rtl")}
    assert all(PLAIN.fullmatch(file.split(".")[0]) for file in files)
    top, plain = files["etb_top.sv"], generate(design)["etb_top.sv"]
    assert top.count("\n") == plain.count("\n")
    assert "$system" not in "".join(line.split("//")[0] for line in top.splitlines())
    comments = [line.split("//")[1] for line in top.splitlines() if "//" in line]
    ours = {line.split("//")[1] for line in plain.splitlines() if "//" in line}
    assert all(text in ours or text.startswith(" layer: ") for text in comments)


def test_names_that_differ_by_case_or_by_signs_stay_apart() -> None:
    names = ["conv", "Conv", "co nv", "co.nv", "co_nv", "x" * 100, "x" * 101]
    made = list(identifiers(names).values())
    assert len({name.lower() for name in made}) == len(names)
    assert made[0] == "conv"
    assert all(PLAIN.fullmatch(name) and len(name) <= LONGEST for name in made)


def test_names_have_an_end() -> None:
    long = ["n" * 300, "n" * 301]
    assert sorted(map(len, identifiers(long).values())) == [58, 64]


def test_names_are_numbered_from_2() -> None:
    names = ["a", "A", "a", "b c", "b_c", "b.c", "", "é"]
    assert identifiers(names) == {
        "a": "a", "A": "A_2", "b c": "b_c", "b_c": "b_c_2", "b.c": "b_c_3", "": "_", "é": "__2",
    }  # fmt: skip


def test_a_comment_is_one_line() -> None:
    assert comment("conv\n\r\u2028`x") == "conv????x"
    assert len(comment("y" * 10_000)) == 120
    assert comment("größe\x07\x7f") == "gr??e??"
    assert comment("a b.c,d:e;f/(g)[h]+i=j-k_1") == "a b.c,d:e;f/(g)[h]+i=j-k_1"


def test_an_attack_from_a_file_runs_no_command(
    design: DataflowGraph, tmp_path: Path, simulator_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through dataflow.onnx, the generator and Verilator, as `etb-hw rtl` and `simulate` go."""
    monkeypatch.chdir(tmp_path)
    attack = 'conv0\n initial $system("touch escaped"); //'
    finn.write(renamed(design, attack), tmp_path / "design")
    read = finn.read(tmp_path / "design" / "dataflow.onnx")
    assert read.blocks[0].layer == attack
    frames = np.random.default_rng(1).integers(0, 256, (3, *read.input_stream.shape))
    run = simulate(read, frames, cache_dir=simulator_cache)
    assert (run.outputs.reshape(-1) == design.execute(frames).reshape(-1)).all()
    assert not list(tmp_path.rglob("escaped"))
