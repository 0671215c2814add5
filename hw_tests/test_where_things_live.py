"""The page "Where things live" is true: its files and tables exist, hold what it says, and a row suffices."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest
from click.testing import CliRunner
from markupsafe import Markup
from pydantic import TypeAdapter

from etb_hw.artifacts import RUN_FILES, Folder, JsonFile
from etb_hw.artifacts.run_files import FLOW
from etb_hw.calibration.rows import block_of, grid
from etb_hw.cli import main
from etb_hw.cli.main import COMMANDS
from etb_hw.config import Flow
from etb_hw.dataflow.block import Block
from etb_hw.dataflow.blocks import BLOCKS, WindowPool
from etb_hw.flow import Context, Step, run_steps
from etb_hw.integer import BIPOLAR
from etb_hw.report import render, run_page
from etb_hw.report.run import Run
from etb_hw.report.section import Section
from etb_hw.verification import Proof

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/concepts/where-things-live.md"
ROW = re.compile(r"^\| an? ([^|]+) \|\s*([^|]*?)\s*\| `([^`]+)`(?:: `(\w+)`)? \|$", re.MULTILINE)


def rows() -> list[tuple[str, str, str, str]]:
    found = ROW.findall(PAGE.read_text(encoding="utf-8"))
    assert len(found) == PAGE.read_text(encoding="utf-8").count("\n| a")
    return found


def module_of(file: str) -> ModuleType:
    return import_module(file.removesuffix(".py").removesuffix("/__init__").replace("/", "."))


def home(name: str, entry: Any) -> str:
    """The file that an entry of a table is from."""
    if isinstance(entry, str):  # a command, loaded when it is called
        return f"etb_hw/cli/{name}.py"
    made_by = entry.run if isinstance(entry, Step) else entry
    return made_by.__module__.replace(".", "/") + ".py"


@pytest.mark.parametrize(("thing", "write", "file", "table"), rows(), ids=lambda part: part.split(" `")[0])
def test_every_row_of_the_page_is_true(thing: str, write: str, file: str, table: str) -> None:
    assert (ROOT / file).is_file()
    template = re.search(r"`(etb_hw/\S+NAME\.py)`", write)
    if not table:
        return
    entries = getattr(module_of(file), table)
    assert entries
    if template is None:
        return
    folder = template[1].removesuffix("NAME.py")
    assert (ROOT / folder).is_dir()
    if thing == "file of a run":
        return  # its entries are the files themselves
    pairs = (
        entries.items() if isinstance(entries, Mapping) else [(getattr(e, "name", ""), e) for e in entries]
    )
    for name, entry in pairs:
        assert home(name, entry).startswith(folder), f"{name} is not from {folder}"
        assert (ROOT / home(name, entry)).is_file()


def test_every_file_beside_the_others_is_in_its_table() -> None:
    """A step or a section that stands in no table would never run."""
    for folder, file, table in (
        ("etb_hw/flow/steps", "etb_hw/flow/steps/__init__.py", "STEPS"),
        ("etb_hw/report/sections", "etb_hw/report/run_page.py", "SECTIONS"),
        ("etb_hw/dataflow/passes", "etb_hw/dataflow/passes/__init__.py", "PASSES"),
    ):
        listed = {home("", entry) for entry in getattr(module_of(file), table)}
        there = {path.relative_to(ROOT).as_posix() for path in (ROOT / folder).glob("[!_]*.py")}
        assert there == listed
    blocks = {home("", block) for block in BLOCKS}
    homes = ROOT / "etb_hw/dataflow/blocks"
    alone = {path.relative_to(ROOT).as_posix() for path in homes.glob("[!_]*.py")}
    in_folders = {path.relative_to(ROOT).as_posix() for path in homes.glob("*/block.py")}
    assert blocks == alone | in_folders
    with_command = {
        path.stem for path in (ROOT / "etb_hw/cli").glob("*.py") if "@click.command(" in path.read_text()
    }
    assert with_command == set(COMMANDS)


def test_the_names_of_run_files_are_spelled_once() -> None:
    names = {file.name for file in RUN_FILES if not isinstance(file, Folder)}
    spelled = {
        (path.relative_to(ROOT).as_posix(), node.value)
        for path in (ROOT / "etb_hw").rglob("*.py")
        if path.parent.name != "artifacts"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value in names
    }
    assert spelled == set()


def packages_of(tree: ast.Module) -> set[str]:
    """What a module of ours imports of our own, by package."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "etb_hw":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("etb_hw."):
            found.add(str(node.module).split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("etb_hw.")}
    return found


def test_no_import_runs_backwards() -> None:
    """The order of packages that the page names is the order of imports."""
    first = PAGE.read_text(encoding="utf-8").split("No import runs backwards")[0]
    stages = [re.findall(r"`(\w+)`", stage) for stage in first.split("->")]
    rank = {package: i for i, stage in enumerate(stages) for package in stage}
    below = {"artifacts", "files", "errors", "config", "verification", "tool_needs", "doctor", "__version__"}
    below |= {"extras", "flow_files", "named_code", "sources"}
    there = {path.parent.name for path in (ROOT / "etb_hw").glob("*/__init__.py")}
    assert there <= rank.keys() | below
    for package in rank:
        for path in (ROOT / "etb_hw" / package).rglob("*.py"):
            for needed in packages_of(ast.parse(path.read_text(encoding="utf-8"))) - below - {package}:
                assert rank[needed] < rank[package] or needed in stages[rank[package]], f"{path}: {needed}"


def test_a_command_needs_its_file_and_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command("greet")
    def command() -> None:
        """Say hello."""
        click.echo("hello")

    module = ModuleType("etb_hw.cli.greet")
    module.command = command  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(COMMANDS, "greet", "Say hello to the user.")  # type: ignore[arg-type]
    assert "Say hello to the user." in CliRunner().invoke(main, ["--help"]).output
    assert CliRunner().invoke(main, ["greet"]).output == "hello\n"


def test_a_step_and_its_file_need_no_more_than_their_rows(tmp_path: Path) -> None:
    count = JsonFile("count.json", "how many epochs", shape=TypeAdapter(int))
    ran = []

    def work(context: Context) -> list[Proof]:
        ran.append(context.flow.training.epochs)
        context.write(count, context.flow.training.epochs)
        return []

    step = Step("count", "Count", lambda flow: flow.training.epochs, (), (count,), work)
    for epochs in (3, 3, 4):
        run_steps(Flow.model_validate({"training": {"epochs": epochs}}), tmp_path, (step,))
    assert ran == [3, 4]
    count.path(tmp_path).write_text("5\n")
    run_steps(Flow.model_validate({"training": {"epochs": 4}}), tmp_path, (step,))
    assert ran == [3, 4, 4]
    assert count.read(tmp_path) == 4


def test_readers_captions_and_the_grid_derive_from_the_table_of_blocks() -> None:
    drawn = {block_of(spec).kind for spec in islice(grid(0), 400)}
    for block in BLOCKS:
        assert block.CAPTION.title
        if not block.PLUMBING:  # those stand on edges and are no nodes
            assert block.from_finn.__func__ is not Block.from_finn.__func__  # type: ignore[attr-defined]
        assert block.samplers()
    # one that the grid does not draw is weighed by the fits of blocks that it draws
    pools = (
        WindowPool(name="", layer="", size=(2, 2), channels=4, kernel=(2, 2), dtype=BIPOLAR, pe=pe)
        for pe in (1, 16)
    )
    assert WindowPool.__name__ not in drawn
    assert {pool.kind for pool in pools} < drawn


def test_a_section_needs_its_function_and_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hello(run: Run) -> Section:
        return Section("hello", "Hello", "An intro.", Markup("<p>of {}</p>").format(run.name))

    sections: tuple[Callable[[Run], Section], ...] = (*run_page.SECTIONS, hello)
    monkeypatch.setattr(run_page, "SECTIONS", sections)
    FLOW.write(tmp_path, {})
    (tmp_path / "verification.json").write_text(
        '[{"step": "a", "against": "b", "samples": 1, "mismatches": 0, "max_abs_diff": 0.0}]'
    )
    assert f"<p>of {tmp_path.name}</p>" in render(tmp_path)
