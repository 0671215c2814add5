"""Code that a flow file names runs as the user's: its faults are told as such, and change nothing of ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from etb_hw.errors import BadInput
from etb_hw.named_code import called, named_code

HELPER = "W = 3\n"
SOURCE = """
import os

def lazily():
    from helper_of_named_code import W
    return W

def leaves():
    raise SystemExit(0)

def prints_and_moves():
    print("building")
    os.makedirs("elsewhere", exist_ok=True)
    os.chdir("elsewhere")
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "helper_of_named_code.py").write_text(HELPER)
    (tmp_path / "code_of_named_code.py").write_text(SOURCE)
    (tmp_path / "script_of_named_code.py").write_text("import sys\nsys.exit(0)\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_a_function_imports_is_found_beside_it() -> None:
    assert called("here", named_code("here", "code_of_named_code:lazily"), remedy="") == 3


def test_one_that_leaves_is_at_fault() -> None:
    with pytest.raises(BadInput, match=r"here: fails \(SystemExit: 0; code_of_named_code\.py line 9\)"):
        called("here", named_code("here", "code_of_named_code:leaves"), remedy="")
    with pytest.raises(BadInput, match="fails when it is imported"):
        named_code("here", "script_of_named_code:function")


def test_prints_and_folders_are_its_own(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    called("here", named_code("here", "code_of_named_code:prints_and_moves"), remedy="")
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "building\n")
    assert Path.cwd() == here
