"""The documentation builds without a warning, fetches nothing, and knows every key and command."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
import tomllib
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from etb_hw.artifacts import RUN_FILES
from etb_hw.cli.main import COMMANDS
from etb_hw.config import Flow

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mkdocs", reason="needs pip install 'etb-hw[docs]'")
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out


def test_reference_knows_every_key_and_command(site: Path) -> None:
    keys = (site / "reference/flow-file.html").read_text(encoding="utf-8")
    for name, field in Flow.model_fields.items():
        assert f"[{name}]" in keys
        assert field.annotation is not None
        for key in field.annotation.model_fields:
            assert f"<code>{key}</code>" in keys
    commands = (site / "reference/command-line.html").read_text(encoding="utf-8")
    for name in COMMANDS:
        if find_spec(f"etb_hw.cli.{name}"):
            assert f'id="etb-hw-{name}"' in commands


def test_the_page_of_run_files_names_them_all(site: Path) -> None:
    page = (site / "reference/files.html").read_text(encoding="utf-8")
    for file in RUN_FILES:
        assert f"<code>{file.name}" in page


def test_site_fetches_nothing_from_elsewhere(site: Path) -> None:
    fetched = re.compile(
        r'<(?:script|img|iframe)[^>]+src="(https?:[^"]+)|<link[^>]+href="(https?:[^"]+\.css[^"]*)'
    )
    for page in site.rglob("*.html"):
        assert fetched.findall(page.read_text(encoding="utf-8")) == [], page


def test_api_pages_show_the_public_functions(site: Path) -> None:
    for page, name in (
        ("data", "etb_hw.data.load"),
        ("training", "etb_hw.training.train"),
        ("qonnx_io", "etb_hw.qonnx_io.import_model"),
        ("dataflow", "etb_hw.dataflow.lower.lower"),
        ("report", "etb_hw.report.render"),
    ):
        assert f'id="{name}"' in (site / f"reference/api/{page}.html").read_text(encoding="utf-8")


# --- what the pages tell people to type

PAGES = [ROOT / "README.md", ROOT / "notebooks/README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def commands() -> list[str]:
    found = []
    for page in PAGES:
        for block in blocks(page, "bash"):
            lines = block.replace("\\\n", " ").splitlines()
            # what the shell does with the output is none of the command's words
            lines = [re.split(r" [|>] ", line)[0].strip() for line in lines]
            found += [line for line in lines if line.startswith("etb-hw ")]
    return found


@pytest.mark.parametrize("line", commands())
def test_commands_in_the_pages_parse(line: str) -> None:
    name, *args = shlex.split(line, comments=True)[1:]
    assert name in COMMANDS
    if find_spec(f"etb_hw.cli.{name}"):
        import_module(f"etb_hw.cli.{name}").command.make_context(name, args)  # raises what a user would see


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_flow_snippets_in_the_pages_are_valid(page: Path) -> None:
    for block in blocks(page, "toml"):
        Flow.model_validate(tomllib.loads(block))


@pytest.mark.parametrize("name", ["brevitas-to-rtl.md", "own-loop.md", "pruning-groups.md", "own-data.md"])
def test_the_code_of_a_page_runs_from_top_to_bottom(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    page = ROOT / "docs/how-to" / name
    names: dict[str, object] = {}
    for block in blocks(page, "python"):
        if "import lightning" in block and find_spec("lightning") is None:
            continue
        exec(compile(block, name, "exec"), names)
    shown = capsys.readouterr().out
    for text in blocks(page, "text"):
        assert text in shown


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_snippets_in_the_pages_import_what_exists(page: Path) -> None:
    for block in blocks(page, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("etb_hw"):
                module = import_module(str(node.module))
                for alias in node.names:
                    assert hasattr(module, alias.name) or find_spec(f"{node.module}.{alias.name}")
