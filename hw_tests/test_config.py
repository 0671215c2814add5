"""Flow files: what they accept, and what an error says."""

from __future__ import annotations

from pathlib import Path

import pytest

from etb_hw.config import load_flow
from etb_hw.errors import BadInput

FLOWS = sorted((Path(__file__).parents[1] / "flows").glob("*.toml"))


def written(folder: Path, text: str) -> Path:
    path = folder / "flow.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("path", FLOWS, ids=lambda path: path.stem)
def test_every_shipped_flow_file_is_valid(path: Path) -> None:
    load_flow(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[training]\nepoch = 3\n", "training.epoch.*did you mean 'epochs'"),
        ("[trainnig]\nepochs = 3\n", "trainnig.*did you mean 'training'"),
        ("[zebra]\nx = 3\n", "known keys here: data, model"),
        ("[training]\nepochs = 0\n", "training.epochs"),
        ("[training]\nepochs = 'many'\n", "training.epochs"),
        ("[evolution]\nratio = 1.5\n", "evolution.ratio"),
        (
            "[training]\nrestarts = [{ epochs = 2, lr = 1, rate = 1 }]\n",
            "training.restarts.0.rate.*known keys here: epochs, lr",
        ),
        ("[training]\nrestarts = [{ epochs = 2 }]\n", "training.restarts.0.lr"),
        ("[training]\nrestarts = 3\n", "training.restarts"),
        ("[training\n", "no readable TOML"),
    ],
)
def test_a_wrong_key_or_value_is_named_with_a_remedy(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(BadInput, match=f"(?s){message}"):
        load_flow(written(tmp_path, text))


def test_a_missing_or_binary_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"nowhere\.toml.*does not exist"):
        load_flow(tmp_path / "nowhere.toml")
    (tmp_path / "b.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput, match="no readable TOML"):
        load_flow(tmp_path / "b.toml")
    with pytest.raises(BadInput, match="is a folder"):
        load_flow(tmp_path)
