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
from shutil import which

import pytest

from etb_hw import data
from etb_hw.artifacts import RUN_FILES
from etb_hw.cli.main import COMMANDS
from etb_hw.config import Flow
from etb_hw.flow.rehearsal import stand_in
from etb_hw.flow.steps import STEPS
from etb_hw.training.trainees import trainee_of

NEEDS = "needs pip install 'etb-hw[docs]'"
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := which(name))), None
)

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mkdocs", reason=NEEDS)
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


def test_the_first_page_names_the_steps_in_their_order() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/index.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == [step.name for step in STEPS]


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


def test_api_tables_have_a_row_a_name(site: Path) -> None:
    """An entry such as "mean, std: ..." of a docstring is one of each; none swallows the next."""
    rows = {}
    for page in (site / "reference/api").glob("*.html"):
        for row in re.findall(r'<tr class="doc-section-item">(.*?)</tr>', page.read_text("utf-8"), re.DOTALL):
            cells = [
                re.sub(r"<[^>]*>", "", cell).strip() for cell in re.findall(r"<td>(.*?)</td>", row, re.DOTALL)
            ]
            rows.setdefault(cells[0], cells[-1])
    assert len(rows) > 100
    assert not [name for name in rows if re.search(r"\w, ?\w*$", name) and "[" not in name]
    assert {"mean", "std", "train_x", "test_x", "low", "step"} <= rows.keys()


def test_the_parts_of_a_docstring_are_told_apart() -> None:
    pytest.importorskip("griffe", reason=NEEDS)
    one_line_a_name = import_module("docs.hooks.docstrings").one_line_a_name
    before, after = "Does.\n\nArgs:\n", "    d: see e: it is none.\n\nEnd."
    text = f"{before}    a, b: of both. c: of one,\n        over two lines.\n{after}"
    expected = f"{before}    a: of both.\n    b: of both.\n    c: of one, over two lines.\n{after}"
    assert one_line_a_name(text, {"a", "b", "c", "d"}) == expected
    assert one_line_a_name(text, set()) == text


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (apt-get install chromium)")
def test_search_works_from_a_folder(site: Path) -> None:
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=20000", "--dump-dom"]
    address = (site / "index.html").as_uri() + "?q=threshold"
    assert CHROMIUM is not None
    done = subprocess.run(
        [CHROMIUM, *flags, address], capture_output=True, text=True, timeout=180, check=True
    )
    assert re.search(r"\d+ matching documents", done.stdout)


def test_a_tutorial_shows_what_its_cells_printed_and_drew() -> None:
    pytest.importorskip("mkdocs", reason=NEEDS)
    reference = import_module("docs.hooks.reference")
    source = "head\n# %% [markdown]\n# # Words\n\n# %%\nprint(1)\n\n# %%\nplot()\n"
    printed = {"output_type": "stream", "name": "stdout", "text": "1\n"}
    noise = {"output_type": "stream", "name": "stderr", "text": "warning"}
    drawn = {"output_type": "display_data", "data": {"image/png": "QUJD\n", "text/plain": "<Figure>"}}
    framed = {"output_type": "execute_result", "data": {"text/html": "<iframe>\n</iframe>"}}
    page = reference.tutorial(source, [[noise, printed], [drawn, framed]])
    assert "# Words" in page
    assert "```python\nprint(1)\n```\n\n" in page
    assert page.index("```{.text .shown}\n1\n```") < page.index("plot()")
    assert 'src="data:image/png;base64,QUJD"' in page
    assert "<iframe>&#10;</iframe>" in page
    assert "warning" not in page
    assert "shown" not in reference.tutorial(source, None)


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


def test_the_networks_of_the_page_are_such_that_flows_train(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = ROOT / "docs/how-to/own-topology.md"
    [text], code = blocks(page, "toml"), blocks(page, "python")
    (tmp_path / "my_net.py").write_text("\n".join(code))
    monkeypatch.chdir(tmp_path)
    flow = Flow.model_validate(tomllib.loads(text))
    digits = data.load(flow.data)
    assert flow.model.function == "my_net:network"
    named = {"my_net:network": "network", "my_net:with_rules": "with_rules", "my_net:topology": "my_net"}
    for function, name in named.items():
        model = flow.model.model_copy(update={"function": function})
        trainee = trainee_of(model, digits)
        assert trainee.groups.name == name
        assert stand_in(trainee, trainee.groups.widths).nodes


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
