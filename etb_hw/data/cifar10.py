"""CIFAR-10 in the two layouts its authors publish (A. Krizhevsky, 2009).

Binary: files of 10,000 records, one label byte and 3,072 pixel bytes (red, green, blue plane) each.
Python: pickled dictionaries of ``data`` (10,000 x 3,072) and ``labels``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from etb_hw.config import DataConfig
from etb_hw.data.batch_pickle import read_batch
from etb_hw.data.dataset import Dataset, Labels, Pixels
from etb_hw.data.files import read_exactly, required_path
from etb_hw.errors import BadInput
from etb_hw.files import read_bytes

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
IMAGES = 10_000  # a file
SHAPE = (3, 32, 32)
VALUES = 3 * 32 * 32
TRAIN = tuple(f"data_batch_{i}" for i in range(1, 6))
TEST = ("test_batch",)
MAX_PICKLE = 64 << 20  # the originals have 31 MB
WHERE = (
    "fetch cifar-10-binary.tar.gz or cifar-10-python.tar.gz from "
    "https://www.cs.toronto.edu/~kriz/cifar.html, unpack it, and set data.path to the folder"
)


def load_cifar10(config: DataConfig) -> Dataset:
    """CIFAR-10 as uint8 (N, 3, 32, 32): 50,000 training and 10,000 test images.

    ``data.path`` is the folder of the batches or the folder it lies in. Raises BadInput for missing,
    truncated or damaged files and wrong labels.
    """
    folder, read = _reader(config)
    train_x, train_y = _join([read(folder, name) for name in TRAIN])
    test_x, test_y = _join([read(folder, name) for name in TEST])
    return Dataset(train_x, train_y, test_x, test_y, CLASSES, config.source or "CIFAR-10")


def cifar10_test(config: DataConfig) -> tuple[Pixels, Labels, tuple[str, ...]]:
    """The test images and labels alone. Raises BadInput."""
    folder, read = _reader(config)
    return (*_join([read(folder, name) for name in TEST]), CLASSES)


def _reader(config: DataConfig) -> tuple[Path, Callable[[Path, str], tuple[Pixels, Labels]]]:
    """Where the batches lie, and how they are read."""
    folder = required_path(config, WHERE)
    for name in ("cifar-10-batches-bin", "cifar-10-batches-py"):
        if (folder / name).is_dir():
            folder = folder / name
            break
    binary = any((folder / f"{name}.bin").is_file() for name in TRAIN + TEST)
    if not binary and not any((folder / name).is_file() for name in TRAIN + TEST):
        raise BadInput(str(folder), "holds no CIFAR-10 batches (data_batch_1.bin or data_batch_1)", WHERE)
    return folder, _read_binary if binary else _read_python


def _join(parts: list[tuple[Pixels, Labels]]) -> tuple[Pixels, Labels]:
    return np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts])


def _read_binary(folder: Path, name: str) -> tuple[Pixels, Labels]:
    path = folder / f"{name}.bin"
    content = read_exactly(path, IMAGES * (1 + VALUES), "CIFAR-10 binary batches", WHERE)
    records = np.frombuffer(content, dtype=np.uint8).reshape(IMAGES, 1 + VALUES)
    return _checked(path, records[:, 1:], records[:, 0].astype(np.int64))


def _read_python(folder: Path, name: str) -> tuple[Pixels, Labels]:
    path = folder / name
    try:
        pixels, labels = read_batch(read_bytes(path, MAX_PICKLE, WHERE))
    except ValueError as error:
        raise BadInput(str(path), f"cannot be used: {error}", WHERE) from None
    if pixels.shape != (IMAGES, VALUES) or len(labels) != IMAGES:
        raise BadInput(
            str(path),
            f"holds {len(labels)} labels and pixels of shape {pixels.shape}, not {IMAGES} images of {VALUES}",
            WHERE,
        )
    try:
        return _checked(path, pixels, np.array(labels, dtype=np.int64))
    except OverflowError:
        raise BadInput(str(path), "has a label that is no class", WHERE) from None


def _checked(path: Path, pixels: Pixels, labels: Labels) -> tuple[Pixels, Labels]:
    wrong = np.flatnonzero((labels < 0) | (labels >= len(CLASSES)))
    if len(wrong):
        raise BadInput(
            str(path),
            f"image {wrong[0]} has label {labels[wrong[0]]}, labels are 0 to {len(CLASSES) - 1}",
            WHERE,
        )
    return pixels.reshape(-1, *SHAPE), labels
