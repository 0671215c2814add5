"""A step is made again where data, code or files changed that its flow file only names; never for less."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from etb_hw.config import BuildConfig, DataConfig, Flow, ModelConfig
from etb_hw.errors import BadInput
from etb_hw.flow.origins import MOST_BYTES, data_origin
from etb_hw.flow.steps import STEPS
from etb_hw.sources import sources_digest


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Folders of files, as images a class are."""
    for name in ("cats/a.png", "cats/b.png", "dogs/a.png"):
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "images" / name).write_bytes(name.encode())
    return tmp_path / "images"


HARM: dict[str, Callable[[Path], object]] = {
    "changed": lambda folder: (folder / "cats/a.png").write_bytes(b"cats/a.pnG"),
    "added": lambda folder: (folder / "dogs/c.png").write_bytes(b""),
    "removed": lambda folder: (folder / "dogs/a.png").unlink(),
    "renamed": lambda folder: (folder / "cats").rename(folder / "Cats"),
    "moved": lambda folder: (folder / "cats/b.png").rename(folder / "dogs/b.png"),
}


@pytest.mark.parametrize("harm", HARM)
def test_other_data_are_another_origin(harm: str, images: Path) -> None:
    config = DataConfig(name="folder", path=str(images))
    before = data_origin(config)
    assert data_origin(config) == before
    HARM[harm](images)
    assert data_origin(config) != before


def test_times_are_no_content(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = DataConfig(name="folder", path=str(images))
    before = data_origin(config)
    os.utime(images / "cats/a.png", ns=(1, 1))
    assert data_origin(config) == before
    monkeypatch.setattr("etb_hw.flow.origins.MOST_BYTES", 5)
    stamped = data_origin(config)
    os.utime(images / "cats/a.png", ns=(2, 2))
    assert data_origin(config) != stamped, "too many bytes to read: times tell"
    assert MOST_BYTES > 1 << 30


def test_data_that_are_gone_are_told_by_their_reader(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"data\.path .*does not exist"):
        data_origin(DataConfig(name="npz", path=str(tmp_path / "gone.npz")))


def settings(flow: Flow) -> dict[str, object]:
    return {step.name: step.settings(flow) for step in STEPS}


def changed(before: dict[str, object], after: dict[str, object]) -> set[str]:
    return {name for name in before if before[name] != after[name]}


def test_steps_that_read_data_are_made_of_them(tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    np.savez(path, test_x=np.zeros((2, 4)))
    flow = Flow(data=DataConfig(name="npz", path=str(path)))
    before = settings(flow)
    np.savez(path, test_x=np.ones((2, 4)))
    assert {"train", "baseline", "simulate", "rtl", "board"} <= changed(before, settings(flow))


def test_foldings_of_a_file_are_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "folding.json"
    path.write_text("{}")
    flow = Flow(build=BuildConfig(folding_config=str(path)))
    before = settings(flow)
    path.write_text('{"Defaults": {}}')
    assert changed(before, settings(flow)) == {"build", "compare"}


def test_what_a_module_imports_beside_it_is_part_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sources = {
        "nets/__init__.py": "from . import sizes\n",
        "nets/net.py": "import numpy\nfrom .parts import body\ndef network(i, c):\n    import late\n",
        "nets/parts.py": "import nets.sizes, nets.net\n",
        "nets/sizes.py": "W = 3\n",
        "late.py": "broken(\n",
        "other.py": "",
    }
    for name, text in sources.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(text)
    flow = Flow(model=ModelConfig(name="python", function="nets.net:network"))
    for name in sources:
        before, whole = sources_digest("nets.net", Path("nets/net.py").resolve()), settings(flow)
        Path(name).write_text(Path(name).read_text() + "# changed\n")
        again = sources_digest("nets.net", Path("nets/net.py").resolve())
        assert (again != before) == (name != "other.py"), name
        assert changed(whole, settings(flow)) == (set() if name == "other.py" else {"train", "baseline"})
