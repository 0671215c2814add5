"""The documentation builds without a warning, fetches nothing, and knows every key and command."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

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
