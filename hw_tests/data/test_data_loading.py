"""Every data format: what is right loads exactly, what is wrong is refused with a message that helps."""

from __future__ import annotations

import gzip
import os
import pickle
import re
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from etb_hw.config import DataConfig
from etb_hw.data import Dataset, batch_pickle, load
from etb_hw.data.examples import load_examples
from etb_hw.errors import BadInput

RNG = np.random.default_rng(0)


def test_digits_are_exact_stratified_and_fixed() -> None:
    first, again = load(DataConfig()), load(DataConfig())
    assert first.shape == (1, 8, 8)
    assert first.digest == again.digest
    assert load(DataConfig(split_seed=1)).digest != first.digest
    everything = np.concatenate([first.train_x, first.test_x])[:, 0]
    bundled = load_digits()
    assert len(everything) == 1797
    assert sorted(map(bytes, everything)) == sorted(map(bytes, (15 * bundled.images).astype(np.uint8)))
    assert np.bincount(first.test_y, minlength=10).min() >= 34
    # labels still belong to their pixels
    known = {
        bytes(image): label
        for image, label in zip((15 * bundled.images).astype(np.uint8), bundled.target, strict=True)
    }
    assert all(known[bytes(x[0])] == y for x, y in zip(first.test_x, first.test_y, strict=True))


def test_limits_cut_the_sets() -> None:
    cut = load(DataConfig(train_limit=50, test_limit=7))
    assert (len(cut.train_x), len(cut.test_y)) == (50, 7)


@pytest.mark.parametrize(
    ("train_y", "message"),
    [
        (np.array([0, 2]), "image 1 has label 2"),
        (np.array([-1, 0]), "image 0 has label -1"),
        (np.array([0]), "2 images but labels"),
        (np.array([0.0, 1.0]), "labels of type float64"),
    ],
)
def test_dataset_refuses_wrong_labels(train_y: np.ndarray, message: str) -> None:
    x = np.zeros((2, 1, 4, 4), dtype=np.uint8)
    with pytest.raises(BadInput, match=message):
        Dataset(x, train_y, x, np.array([0, 1]), ("a", "b"), "tiny")


# --- CIFAR-10


def cifar_arrays() -> tuple[list[np.ndarray], list[np.ndarray]]:
    noise = RNG.integers(0, 256, (10_006, 3072), dtype=np.uint8)
    pixels = [noise[i : i + 10_000] for i in range(6)]  # all different, and quickly made
    labels = [RNG.integers(0, 10, 10_000) for _ in range(6)]
    return pixels, labels


NAMES = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]


@pytest.fixture(scope="module")
def cifar(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[np.ndarray], list[np.ndarray]]:
    """Both layouts side by side, random contents."""
    root = tmp_path_factory.mktemp("cifar")
    pixels, labels = cifar_arrays()
    for kind in ("bin", "py"):
        (root / kind / f"cifar-10-batches-{kind}").mkdir(parents=True)
    for name, x, y in zip(NAMES, pixels, labels, strict=True):
        np.concatenate([y[:, None].astype(np.uint8), x], axis=1).tofile(
            root / "bin" / "cifar-10-batches-bin" / f"{name}.bin"
        )
        (root / "py" / "cifar-10-batches-py" / name).write_bytes(python2_batch(x, y.tolist()))
    return root, pixels, labels


def python2_batch(x: np.ndarray, labels: list[int]) -> bytes:
    """A batch byte for byte as python 2's pickle wrote it: protocol 2, str keys, numpy.core names."""

    def string(value: bytes) -> bytes:
        return b"T" + struct.pack("<i", len(value)) + value  # BINSTRING, which only python 2 writes

    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + string(b"b") + b"\x87R"
        b"(K\x01" + b"M" + struct.pack("<H", len(x)) + b"M" + struct.pack("<H", x.shape[1]) + b"\x86"
        b"cnumpy\ndtype\n" + string(b"u1") + b"K\x00K\x01\x87R"
        b"(K\x03" + string(b"|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89" + string(x.tobytes()) + b"tb"
    )
    ints = b"](" + b"".join(b"K" + bytes([v]) for v in labels) + b"e"
    return b"\x80\x02}(" + string(b"data") + array + string(b"labels") + ints + b"u."


@pytest.mark.parametrize("kind", ["bin", "py"])
def test_cifar10_layouts_load_exactly(
    cifar: tuple[Path, list[np.ndarray], list[np.ndarray]], kind: str
) -> None:
    root, pixels, labels = cifar
    data = load(DataConfig(name="cifar10", path=str(root / kind), source="noise"))
    assert data.train_x.shape == (50_000, 3, 32, 32)
    assert data.source == "noise"
    for i in range(5):
        assert np.array_equal(data.train_x[10_000 * i : 10_000 * (i + 1)].reshape(-1, 3072), pixels[i])
    assert np.array_equal(data.test_x.reshape(-1, 3072), pixels[5])
    assert np.array_equal(data.train_y, np.concatenate(labels[:5]))
    assert data.classes[3] == "cat"


def test_python3_pickles_load_too() -> None:
    x = RNG.integers(0, 256, (20, 3072), dtype=np.uint8)
    content = pickle.dumps({"data": x, "labels": [1] * 20}, protocol=4)
    pixels, labels = batch_pickle.read_batch(content)
    assert np.array_equal(pixels, x)
    assert labels == [1] * 20


class Malicious:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.system, (f"touch {self.target}",)


def test_malicious_pickle_runs_nothing(tmp_path: Path) -> None:
    target = tmp_path / "owned"
    for name in NAMES:
        (tmp_path / name).write_bytes(pickle.dumps({"data": Malicious(target), "labels": [0]}))
    with pytest.raises(BadInput, match=r"asks for posix\.system"):
        load(DataConfig(name="cifar10", path=str(tmp_path)))
    assert not target.exists()


@pytest.mark.parametrize(
    "payload",
    [
        b"cnumpy\nload\n.",
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"cnumpy.core.multiarray\nscalar\n.",
        b"c_codecs\nencode\n.",
        b"",
        b"\x80\x02}",
        b"\x80\x02].",
        pickle.dumps({"labels": [0]}),
        pickle.dumps({"data": np.zeros((2, 3072), np.float32), "labels": [0, 0]}),
        pickle.dumps({"data": np.array([{}], dtype=object), "labels": [0]}),
        pickle.dumps({"data": np.zeros((2, 3072), np.uint8), "labels": ["0", "1"]}),
        b"\x80\x02}(X\x04\x00\x00\x00datacnumpy\nndarray\n)\x81X\x06\x00\x00\x00labels]u.",
        b"\x80\x02}(X\x04\x00\x00\x00datacnumpy\nndarray\n)\x81(K\x01NNNNtbX\x06\x00\x00\x00labels]u.",
    ],
)
def test_other_pickles_are_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r"it |array"):
        batch_pickle.read_batch(payload)


def test_cifar10_damaged_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"cs\.toronto\.edu"):
        load(DataConfig(name="cifar10"))
    with pytest.raises(BadInput, match="does not exist"):
        load(DataConfig(name="cifar10", path=str(tmp_path / "none")))
    with pytest.raises(BadInput, match="holds no CIFAR-10 batches"):
        load(DataConfig(name="cifar10", path=str(tmp_path)))
    (tmp_path / "data_batch_1.bin").write_bytes(bytes(100))
    with pytest.raises(BadInput, match=r"data_batch_1\.bin: has 100 bytes"):
        load(DataConfig(name="cifar10", path=str(tmp_path)))
    (tmp_path / "data_batch_1.bin").write_bytes(b"\x0a" + bytes(30_729_999))
    with pytest.raises(BadInput, match="image 0 has label 10"):
        load(DataConfig(name="cifar10", path=str(tmp_path)))
    (tmp_path / "data_batch_1.bin").write_bytes(bytes(30_730_000))
    with pytest.raises(BadInput, match=r"data_batch_2\.bin"):
        load(DataConfig(name="cifar10", path=str(tmp_path)))


# --- MNIST


def idx(values: np.ndarray) -> bytes:
    return bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def write_mnist(folder: Path, packed: bool) -> tuple[np.ndarray, np.ndarray]:
    x = RNG.integers(0, 256, (30, 28, 28), dtype=np.uint8)
    y = RNG.permuted(np.arange(20) % 10).astype(np.uint8)
    y = np.concatenate([y, y[:10]])
    for name, values in (
        ("train-images-idx3", x[:20]),
        ("train-labels-idx1", y[:20]),
        ("t10k-images-idx3", x[20:]),
        ("t10k-labels-idx1", y[20:]),
    ):
        content = idx(values)
        if packed:
            (folder / f"{name}-ubyte.gz").write_bytes(gzip.compress(content))
        else:
            (folder / f"{name}-ubyte").write_bytes(content)
    return x, y


@pytest.mark.parametrize("packed", [False, True])
def test_mnist_loads_exactly(tmp_path: Path, packed: bool) -> None:
    x, y = write_mnist(tmp_path, packed)
    data = load(DataConfig(name="mnist", path=str(tmp_path)))
    assert np.array_equal(data.train_x[:, 0], x[:20])
    assert np.array_equal(data.test_y, y[20:])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no idx file"),
        (idx(np.zeros(5, np.uint8)), "is no idx file of bytes in 3"),
        (idx(np.zeros((2, 28, 28), np.uint8))[:-1], "is truncated"),
        (idx(np.zeros((2, 28, 28), np.uint8)) + b"x", "bytes behind"),
        (bytes([0, 0, 8, 3]) + struct.pack(">3I", 2**31, 2**31, 28), "claims"),
    ],
)
def test_mnist_damaged_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    write_mnist(tmp_path, packed=False)
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(BadInput, match=message):
        load(DataConfig(name="mnist", path=str(tmp_path)))


def test_mnist_damaged_gzip_missing_file_and_wrong_label(tmp_path: Path) -> None:
    write_mnist(tmp_path, packed=True)
    labels = tmp_path / "train-labels-idx1-ubyte.gz"
    whole = labels.read_bytes()
    labels.write_bytes(whole[:-12])
    with pytest.raises(BadInput, match="cannot be read"):
        load(DataConfig(name="mnist", path=str(tmp_path)))
    labels.write_bytes(gzip.compress(idx(np.full(20, 10, np.uint8))))
    with pytest.raises(BadInput, match="has label 10"):
        load(DataConfig(name="mnist", path=str(tmp_path)))
    labels.unlink()
    with pytest.raises(BadInput, match=r"train-labels-idx1-ubyte: is missing, raw and as \.gz"):
        load(DataConfig(name="mnist", path=str(tmp_path)))


# --- folder of images


def write_images(folder: Path, count: int, size: tuple[int, int] = (6, 5)) -> None:
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            pixels = RNG.integers(0, 256, (*size, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i}.png")


def test_folder_with_its_own_test_set(tmp_path: Path) -> None:
    write_images(tmp_path / "train", 4)
    write_images(tmp_path / "test", 2)
    data = load(DataConfig(name="folder", path=str(tmp_path)))
    assert data.classes == ("cat", "dog")
    assert data.train_x.shape == (8, 3, 6, 5)
    assert data.test_x.shape == (4, 3, 6, 5)
    first = np.asarray(Image.open(tmp_path / "test" / "dog" / "1.png")).transpose(2, 0, 1)
    assert any(np.array_equal(first, x) for x in data.test_x[data.test_y == 1])


def test_folder_without_a_test_set_is_split(tmp_path: Path) -> None:
    write_images(tmp_path, 10)
    data = load(DataConfig(name="folder", path=str(tmp_path), channels=1, image_size=(4, 4), test_share=0.3))
    assert data.train_x.shape == (14, 1, 4, 4)
    assert np.bincount(data.test_y).tolist() == [3, 3]


def test_folder_problems_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="0 class folders"):
        load(DataConfig(name="folder", path=str(tmp_path)))
    write_images(tmp_path, 3)
    (tmp_path / "dog" / "0.png").write_bytes(b"no image")
    with pytest.raises(BadInput, match=r"0\.png: is no readable image"):
        load(DataConfig(name="folder", path=str(tmp_path)))
    Image.new("RGB", (9, 9)).save(tmp_path / "dog" / "0.png")
    with pytest.raises(BadInput, match="image_size"):
        load(DataConfig(name="folder", path=str(tmp_path)))


def test_what_editors_and_archives_leave_behind_is_no_data(tmp_path: Path) -> None:
    write_images(tmp_path, 4)
    for name in (".ipynb_checkpoints", "__MACOSX"):
        (tmp_path / name).mkdir()
    (tmp_path / "cat" / "._1.png").write_bytes(b"AppleDouble")
    assert load(DataConfig(name="folder", path=str(tmp_path))).classes == ("cat", "dog")


@pytest.mark.parametrize("place", ["", "train/", "test/"])
def test_a_class_without_images_is_named(tmp_path: Path, place: str) -> None:
    for part in ("train", "test") if place else ("",):
        write_images(tmp_path / part, 4)
        (tmp_path / part / "eel").mkdir()
        Image.new("RGB", (5, 6)).save(tmp_path / part / "eel" / "1.png")
    (tmp_path / place / "eel" / "1.png").rename(tmp_path / place / "eel" / "1.heic")
    with pytest.raises(BadInput, match=f"{place}eel: counts as a class but holds no images"):
        load(DataConfig(name="folder", path=str(tmp_path)))


@pytest.mark.parametrize(
    ("pixels", "ending", "message"),
    [
        (np.full((6, 5), 1000, np.uint16), "png", "more than 8 bits"),
        (np.full((6, 5), 1000, np.int32), "tif", "more than 8 bits"),
        (np.full((6, 5), 0.5, np.float32), "tif", "more than 8 bits"),
        (np.full((6, 5, 4), 254, np.uint8), "png", "transparent"),
    ],
)
def test_images_that_would_lose_values_are_refused(
    tmp_path: Path, pixels: np.ndarray, ending: str, message: str
) -> None:
    write_images(tmp_path, 4)
    Image.fromarray(pixels).save(tmp_path / "dog" / f"wide.{ending}")
    with pytest.raises(BadInput, match=rf"wide\.{ending}: has .*{message}"):
        load(DataConfig(name="folder", path=str(tmp_path)))


def test_alpha_that_hides_nothing_is_taken(tmp_path: Path) -> None:
    write_images(tmp_path, 4)
    Image.new("RGBA", (5, 6), (1, 2, 3, 255)).save(tmp_path / "dog" / "opaque.png")
    assert len(load(DataConfig(name="folder", path=str(tmp_path))).train_x)


# --- npz


@pytest.mark.parametrize("names", [("x_train", "y_train", "x_test", "y_test"), ("train_images",)])
def test_npz_names_and_layouts(tmp_path: Path, names: tuple[str, ...]) -> None:
    keys = names if len(names) == 4 else ("train_images", "train_labels", "test_images", "test_labels")
    x = RNG.integers(0, 256, (6, 8, 7, 3), dtype=np.uint8)
    y = np.array([[0], [1], [2], [0], [1], [2]], dtype=np.uint8)
    np.savez(tmp_path / "d.npz", **dict(zip(keys, (x, y, x[:2], y[:2]), strict=True)))
    data = load(DataConfig(name="npz", path=str(tmp_path / "d.npz")))
    assert np.array_equal(data.train_x, x.transpose(0, 3, 1, 2))
    assert data.train_y.tolist() == [0, 1, 2, 0, 1, 2]
    assert data.classes == ("0", "1", "2")


def test_npz_grey_images_and_class_names(tmp_path: Path) -> None:
    x, y = RNG.integers(0, 256, (4, 5, 5), dtype=np.uint8), np.array([0, 1, 0, 1])
    np.savez_compressed(
        tmp_path / "d.npz", train_x=x, train_y=y, test_x=x, test_y=y, classes=np.array(["no", "yes"])
    )
    data = load(DataConfig(name="npz", path=str(tmp_path / "d.npz")))
    assert data.shape == (1, 5, 5)
    assert data.classes == ("no", "yes")


def test_npz_problems_are_named(tmp_path: Path) -> None:
    path = tmp_path / "d.npz"

    def fails(message: str) -> None:
        with pytest.raises(BadInput, match=message):
            load(DataConfig(name="npz", path=str(path)))

    x, y = np.zeros((4, 1, 5, 5), np.uint8), np.array([0, 1, 0, 1])
    path.write_bytes(b"PK\x03\x04 no zip")
    fails("no .npz archive")
    np.save(tmp_path / "d.npy", x)
    path.write_bytes((tmp_path / "d.npy").read_bytes())
    fails("no .npz archive")
    np.savez(path, train_x=x, train_y=y, test_x=x)
    fails("no array named test_y")
    np.savez(path, train_x=x / 255, train_y=y, test_x=x, test_y=y)
    fails("inputs of type float64")
    np.savez(path, train_x=x, train_y=y / 2, test_x=x, test_y=y)
    fails("labels of type float64")
    np.savez(path, train_x=x, train_y=y - 1, test_x=x, test_y=y)
    fails("image 0 has label -1; 2 classes count from 0")
    np.savez(path, train_x=np.array([{}] * 4, dtype=object), train_y=y, test_x=x, test_y=y)
    fails("no readable .npz")
    np.savez(path, train_x=x, train_y=y, test_x=x, test_y=y)
    path.write_bytes(path.read_bytes()[:-30])
    fails("no .npz archive|no readable .npz")


@pytest.mark.parametrize(
    ("train_y", "test_y", "message"),
    [
        ([1, 2, 3, 1], [1], r"up to 3, but no training image of label 0\b"),
        ([0, 1, 9, 1], [1], "no training image of label 2, 3, 4, 5, 6, ..."),
        ([0, 1, 0, 1], [2], "up to 2, but no training image of label 2"),
    ],
)
def test_npz_labels_that_nothing_trains_are_refused_unless_named(
    tmp_path: Path, train_y: list[int], test_y: list[int], message: str
) -> None:
    path = tmp_path / "d.npz"
    arrays = {"train_x": RNG.integers(0, 9, (4, 5, 5)), "test_x": np.zeros((1, 5, 5), np.uint8)}
    arrays |= {"train_y": np.array(train_y), "test_y": np.array(test_y)}
    np.savez(path, **arrays)
    with pytest.raises(BadInput, match=rf"d\.npz: .*{message}"):
        load(DataConfig(name="npz", path=str(path)))
    assert len(load_examples(DataConfig(name="npz", path=str(path))).x) == 1  # for testing alone any will do
    np.savez(path, **arrays, classes=np.array([f"é{i}".encode() for i in range(10)]))
    assert load(DataConfig(name="npz", path=str(path))).classes[9] == "é9"


def test_a_named_class_that_nothing_trains_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    x, y = RNG.integers(0, 256, (6, 1, 5, 5), dtype=np.uint8), np.array([0, 0, 2, 2, 1, 1])
    names = np.array(["cat", "dog", "eel", "fox"])
    config = DataConfig(name="npz", path=str(tmp_path / "d.npz"))
    np.savez(tmp_path / "d.npz", train_x=x, train_y=y, test_x=x, test_y=y, classes=names)
    assert len(load(config).classes) == 4
    assert "d has no training image of class 'fox', so nothing" in caplog.text
    assert "'dog'" not in caplog.text
    load(config.model_copy(update={"train_limit": 4}))
    assert "no training image of class 'dog', 'fox'" in caplog.text
    caplog.clear()
    np.savez(tmp_path / "d.npz", train_x=x, train_y=y, test_x=x, test_y=y, classes=names[:3])
    load(config)
    assert not caplog.records


def test_labels_that_are_names_or_rows_are_told_how_to_become_numbers(tmp_path: Path) -> None:
    x, names, rows = np.zeros((2, 5, 5), np.uint8), np.array(["cat", "dog"]), np.eye(2, dtype=np.int64)
    for labels, message in ((names, "type <U3"), (rows, r"shape \(2, 2\)")):
        np.savez(tmp_path / "d.npz", train_x=x, train_y=labels, test_x=x, test_y=labels)
        with pytest.raises(BadInput, match=message) as caught:
            load(DataConfig(name="npz", path=str(tmp_path / "d.npz")))
        assert "return_inverse" in str(caught.value)
        assert "argmax" in str(caught.value)


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("npz", "d"),
        ("cifar10", "d/cifar-10-batches-py/data_batch_1"),
        ("folder", "d/a/x.png"),
        ("mnist", "d/t10k-images-idx3-ubyte"),
    ],
)
def test_pipes_are_not_read(kind: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)
    (tmp_path / "d" / "b").mkdir() if kind == "folder" else None
    with pytest.raises(BadInput):
        load(DataConfig(name=kind, path=str(tmp_path / "d")))


def test_a_label_of_a_billion_makes_no_billion_names(tmp_path: Path) -> None:
    x, y = np.zeros((4, 1, 8, 8), np.uint8), np.array([0, 1, 2, 10**9])
    np.savez(tmp_path / "d.npz", train_x=x, train_y=y, test_x=x, test_y=y)
    with pytest.raises(BadInput, match="label 1000000000"):
        load(DataConfig(name="npz", path=str(tmp_path / "d.npz")))


def test_arrays_without_axes_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", test_x=np.array(3), test_y=np.array(3))
    with pytest.raises(BadInput):
        load_examples(DataConfig(name="npz", path=str(tmp_path / "d.npz")))


@pytest.mark.parametrize("kind", ["npz", "python", "mnist"])
def test_an_output_that_nothing_trains_is_refused_in_data_of_any_kind(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = RNG.integers(0, 256, (20, 5, 5), dtype=np.uint8), np.arange(20) % 10
    y[y == 3] = 4
    path = tmp_path / ("d.npz" if kind == "npz" else "")
    np.savez(tmp_path / "d.npz", train_x=x, train_y=y, test_x=x, test_y=y)
    (tmp_path / "gap_of_test.py").write_text(
        "import numpy as np\n"
        "def load():\n"
        "    d = np.load('d.npz')\n"
        "    return d['train_x'], d['train_y'], d['test_x'], d['test_y']\n"
    )
    for name in ("train", "t10k"):
        (tmp_path / f"{name}-images-idx3-ubyte").write_bytes(idx(x))
        (tmp_path / f"{name}-labels-idx1-ubyte").write_bytes(idx(y.astype(np.uint8)))
    monkeypatch.chdir(tmp_path)
    config = DataConfig(name=kind, path=str(path), function="gap_of_test:load")
    with pytest.raises(BadInput, match=r"no training image of label 3\n") as refused:
        load(config)
    assert refused.value.remedy


def _saved(path: Path, x: np.ndarray, **more: np.ndarray) -> DataConfig:
    y = np.arange(len(x)) % 2
    np.savez(path, **({"train_x": x, "train_y": y, "test_x": x, "test_y": y} | more))
    return DataConfig(name="npz", path=str(path))


def test_data_that_nothing_can_be_learnt_from_are_refused(tmp_path: Path) -> None:
    path, x = tmp_path / "d.npz", RNG.integers(0, 256, (4, 1, 5, 5), dtype=np.uint8)
    zeros = np.zeros(4, int)
    for arrays, message in (
        ({"train_x": np.full_like(x, 7)}, "training set holds 4 images that are all the same .*7"),
        ({"test_x": np.stack([x[0]] * 4)}, "test set holds 4 images that are all the same$"),
        ({"train_x": x[:1], "train_y": zeros[:1], "classes": np.array(["a", "b"])}, "one training image"),
        ({"train_y": zeros, "test_y": zeros}, "has 1 class"),
        ({"classes": np.array(["cat", "dog", "cat"])}, "classes 0, 2 alike: 'cat'"),
    ):
        with pytest.raises(BadInput) as refused:
            load(_saved(path, x, **arrays))
        assert re.search(message, f"{refused.value.where} {refused.value.reason}"), refused.value
    assert load(_saved(path, x)).shape == (1, 5, 5)


@pytest.mark.parametrize("shape", [(8, 7, 4), (8, 3, 3), (6, 1, 1), (5, 4, 4)])
def test_a_shape_that_leaves_open_where_the_channels_are_is_asked_for(
    shape: tuple[int, int, int], tmp_path: Path
) -> None:
    x = RNG.integers(0, 256, (4, *shape), dtype=np.uint8)
    config = _saved(tmp_path / "d.npz", x)
    for layout in ("auto", "image"):
        with pytest.raises(BadInput, match=f"may be the {shape[0]} or the {shape[2]}") as refused:
            load(config.model_copy(update={"layout": layout}))
        assert 'layout = "nhwc"' in refused.value.remedy
    last, first = (load(config.model_copy(update={"layout": layout})) for layout in ("nhwc", "nchw"))
    np.testing.assert_array_equal(last.train_x, x.transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(first.train_x, x)


@pytest.mark.parametrize("kind", ["jpg", "png", "tif", "webp"])
def test_photos_are_turned_as_viewers_turn_them(kind: str, tmp_path: Path) -> None:
    """Written lying on their side, with a note to turn them; simulate reads folders likewise."""
    upright = np.zeros((8, 16, 3), np.uint8)
    upright[:4] = 255
    note = Image.Exif()
    note[0x0112] = 6  # to be turned by 90 degrees clockwise
    for name, pixels in (("a", upright), ("b", 255 - upright)):
        (tmp_path / name).mkdir()
        lying = Image.fromarray(np.ascontiguousarray(np.rot90(pixels)))
        for number in range(4):
            lying.save(tmp_path / name / f"{number}.{kind}", exif=note)
    config = DataConfig(name="folder", path=str(tmp_path), test_share=0.5)
    found, tried = load(config), load_examples(config)
    assert found.shape == (3, 8, 16)
    expected = [upright if label == 0 else 255 - upright for label in found.train_y]
    far = np.abs(found.train_x.transpose(0, 2, 3, 1).astype(int) - expected)
    assert far.max() < 20
    np.testing.assert_array_equal(tried.x, found.test_x)


@pytest.mark.parametrize(
    "note",
    [
        "4578696600004d4d002a000000080003010000020000000600000032011200030000000100060000876900040000770100000038000000006d706b6572000001900000079f0000043032333000000000",
        "4578696600004d4d002a000000080003011e00020000000600000032011200030000000100060000876900043600000100000038000000006d616b657200000190000007000000043032333000000000",
    ],
)
def test_a_damaged_note_on_how_to_turn_a_photo_is_told(note: str, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / name / "1.jpg", exif=bytes.fromhex(note))
    with pytest.raises(BadInput, match=r"a/1\.jpg: is no readable image"):
        load(DataConfig(name="folder", path=str(tmp_path)))
