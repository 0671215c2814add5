"""Arrays of any rank, torch data sets, functions of users, signed numbers: one Dataset, and nets for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from etb_hw import qonnx_io
from etb_hw.config import (
    BuildConfig,
    DataConfig,
    EvolutionConfig,
    ModelConfig,
    TrainingConfig,
    VerificationConfig,
)
from etb_hw.data import Dataset, from_arrays, from_torch, load
from etb_hw.dataflow.design import design
from etb_hw.errors import BadInput
from etb_hw.flow.samples import samples
from etb_hw.integer import reference
from etb_hw.integer.packed import PackedExecutor
from etb_hw.models import NetSpec, specify
from etb_hw.named_code import source_digest
from etb_hw.pruning import deployable, load_checkpoint, save_checkpoint
from etb_hw.qonnx_io.export import exported_model
from etb_hw.training import tensor_of, train

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("shape", "layout", "inside"),
    [
        ((5,), "auto", (5, 1, 1)),
        ((5,), "features", (5, 1, 1)),
        ((6, 7), "auto", (1, 6, 7)),
        ((6, 7), "signal", (6, 1, 7)),
        ((2, 6, 7), "auto", (2, 6, 7)),
        ((6, 7, 3), "image", (3, 6, 7)),
    ],
)
def test_arrays_of_any_rank(tmp_path, shape, layout, inside):
    x, y = RNG.integers(0, 256, (8, *shape), dtype=np.uint8), np.arange(8) % 3
    np.savez(tmp_path / "mine.npz", x_train=x, y_train=y, x_test=x[:4], y_test=y[:4, None])
    found = load(DataConfig(name="npz", path=str(tmp_path / "mine.npz"), layout=layout))
    assert found.shape == inside
    assert found.dtype == "UINT8"
    assert found.train_x.sum(dtype=np.int64) == x.sum(dtype=np.int64)
    np.testing.assert_array_equal(found.test_y, y[:4])


@pytest.mark.parametrize(
    ("x", "layout", "message"),
    [
        (np.zeros((4, 3, 3)), "auto", "float64"),
        (np.full((4, 3, 3), 65536), "auto", "from 65536 to 65536"),
        (np.array([[-3, 40000]] * 4), "auto", "from -3 to 40000"),
        (np.zeros((4, 3), np.uint8), "signal", "shape"),
        (np.zeros(4, np.uint8), "auto", "shape"),
    ],
)
def test_other_arrays_are_refused(x, layout, message):
    with pytest.raises(BadInput, match=message):
        from_arrays(x, np.zeros(4, np.int64), x, np.zeros(4, np.int64), layout=layout)


def test_torch_data_sets_and_loaders():
    pixels = torch.randint(0, 256, (10, 1, 4, 4), dtype=torch.uint8)
    labels = torch.arange(10) % 4
    whole = from_torch(TensorDataset(pixels, labels), TensorDataset(pixels[:4], labels[:4]))
    as_floats = TensorDataset(pixels / 255, labels)  # as torchvision's ToTensor gives them
    loaders = DataLoader(as_floats, batch_size=3, shuffle=True, drop_last=True), DataLoader(as_floats)
    undone = from_torch(*loaders)
    np.testing.assert_array_equal(whole.train_x, pixels.numpy())
    np.testing.assert_array_equal(undone.train_x, pixels.numpy())
    assert whole.classes == ("0", "1", "2", "3")
    with pytest.raises(BadInput, match="no integers"):
        from_torch(TensorDataset(pixels / 255 - 0.5, labels), as_floats)
    with pytest.raises(BadInput, match="pairs"):
        from_torch([1, 2], [3])


SOURCE = """
import numpy as np
from etb_hw.data import from_arrays

def arrays():
    x = np.arange(24, dtype=np.uint8).reshape(8, 3)
    return x, np.arange(8) % 2, x, np.arange(8) % 2

def named():
    names = ("train_x", "train_y", "test_x", "test_y")
    return {**dict(zip(names, arrays())), "classes": ["a", "b"]}

def made():
    return from_arrays(*arrays(), source="made")

def nothing():
    return 5

number = 5
"""


def test_a_function_of_the_user(tmp_path, monkeypatch):
    (tmp_path / "my_data_of_test.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)

    def found(function: str, **options: str) -> Dataset:
        return load(DataConfig(name="python", function=f"my_data_of_test:{function}", **options))

    assert found("arrays").shape == (3, 1, 1)
    assert found("arrays", layout="features", source="mine").source == "mine"
    assert found("named").classes == ("a", "b")
    assert found("made").source == "made"
    assert found("made").digest == found("made").digest
    for function, message in (("nothing", "int"), ("number", "no function"), ("absent", "no function")):
        with pytest.raises(BadInput, match=message):
            found(function)
    with pytest.raises(BadInput, match="cannot be imported"):
        load(DataConfig(name="python", function="my_absent_module:f"))
    (tmp_path / "my_broken_data.py").write_text("def arrays(:\n")
    with pytest.raises(
        BadInput, match=r"fails when it is imported \(SyntaxError: .*my_broken_data\.py, line 1"
    ):
        load(DataConfig(name="python", function="my_broken_data:arrays"))
    assert source_digest("my_broken_data.part:arrays") == ""
    for path, remedy in (
        ("./my_data_of_test.py", '"my_data_of_test:arrays"'),
        ("my_data_of_test.py", '"my_data_of_test:arrays"'),
        ("sub/my_data.py", '"sub.my_data:arrays"'),
        ("../my_data", '"my_data:arrays", and run where my_data.py lies'),
        ("my-data", '"my_code:arrays"'),
    ):
        with pytest.raises(BadInput) as caught:
            load(DataConfig(name="python", function=f"{path}:arrays"))
        assert remedy in caught.value.remedy
    with pytest.raises(BadInput, match="module:function"):
        load(DataConfig(name="python"))
    assert str(Path.cwd()) not in __import__("sys").path


def test_a_fault_in_a_function_of_the_user_is_told_as_his(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "faulty_data.py").write_text("def load():\n    return {}['train']\n")
    monkeypatch.chdir(tmp_path)
    config = DataConfig(name="python", function="faulty_data:load")
    with pytest.raises(
        BadInput, match=r"faulty_data:load: fails \(KeyError: 'train'; faulty_data.py line 2\)"
    ):
        load(config)


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ((0, 255), "UINT8"),
        ((0, 256), "UINT16"),
        ((-1, 127), "INT8"),
        ((-1, 128), "INT16"),
        ((0, -129), "INT16"),
    ],
)
def test_the_narrowest_type_that_holds_both_sets(values, dtype):
    y = np.zeros(2, np.int64)
    train, test = (np.full((2, 3), value) for value in values)
    assert from_arrays(train, y, test, y).dtype == dtype
    assert from_arrays(test.astype(np.int32), y, train.astype(np.int16), y).dtype == dtype


def test_sums_that_training_would_round_are_refused():
    specify(ModelConfig(name="sfc"), (1, 28, 28), 10, "UINT8")
    with pytest.raises(BadInput, match="UINT16, which layer fc1 sums up to 51,379,440"):
        specify(ModelConfig(name="sfc"), (1, 28, 28), 10, "UINT16")


LIMITS = {"INT8": (-128, 127), "INT16": (-32768, 32767), "UINT16": (0, 65535)}


def separable(shape: tuple[int, ...], layout: str, dtype: str) -> Dataset:
    """Noise around four patterns."""
    low, high = LIMITS[dtype]
    middle, unit = (low + high + 1) // 2, (high - low + 1) / 256
    rng = np.random.default_rng(3)
    patterns = rng.integers(-60, 61, (4, *shape))
    y = rng.integers(0, 4, 320)
    x = middle + unit * (patterns[y] + rng.normal(0, 25, (320, *shape)))
    x = np.clip(x, low, high).astype(np.int64)
    return from_arrays(x[:256], y[:256], x[256:], y[256:], layout=layout)


@pytest.mark.parametrize(
    ("model", "shape", "layout", "dtype"),
    [
        ("tfc", (12,), "features", "INT8"),
        ("vgg_small", (2, 6, 6), "image", "INT8"),
        ("vgg_small", (2, 6, 6), "image", "UINT16"),
        ("tfc", (3, 8), "signal", "INT16"),
    ],
)
def test_numbers_of_any_type_go_all_the_way(model, shape, layout, dtype, tmp_path):
    dataset = separable(shape, layout, dtype)
    assert dataset.dtype == dtype
    result = train(
        ModelConfig(name=model, width=0.25 if model == "tfc" else 0.06),
        TrainingConfig(epochs=8, batch=32, lr=0.03, threads=1),
        EvolutionConfig(ratio=0.2),
        dataset,
    )
    assert result.accuracy > 0.6
    save_checkpoint(result.hard, tmp_path / "c.safetensors")
    hard, _ = load_checkpoint(tmp_path / "c.safetensors")
    assert hard.spec.input_dtype == dtype
    graph = qonnx_io.import_model(exported_model(deployable(hard), hard.spec.input_shape))
    assert graph.input.dtype.name == dtype
    x = samples(dataset, VerificationConfig(real=32, random=16))
    assert (x.min(), x.max()) == LIMITS[dtype]
    expected = hard(tensor_of(x).float()).numpy()
    np.testing.assert_array_equal(reference.execute(graph, x), expected)
    np.testing.assert_array_equal(PackedExecutor(graph).run(x), expected)
    assert design(graph, BuildConfig(target_fps=1000)).graph.fps >= 1000
    values = hard.spec.to_json()
    values["input_dtype"] = "INT3"
    with pytest.raises(BadInput):
        NetSpec.from_json(values)
