"""MNIST and its drop-in relatives (Fashion-MNIST, KMNIST) in the idx format, raw or gzipped.

idx: two zero bytes, type (8 is unsigned byte), number of dimensions, each dimension as 32-bit big-endian,
then the values (Y. LeCun, C. Cortes, C. Burges, 1998).
"""

from __future__ import annotations

import gzip
import struct
import zlib
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from etb_hw.config import DataConfig
from etb_hw.data.checks import check_trained
from etb_hw.data.dataset import Dataset, Labels, Pixels
from etb_hw.data.files import required_path
from etb_hw.errors import BadInput

LARGEST = 1 << 30  # bytes after unpacking; MNIST has 47 MB
WHERE = (
    "fetch the four idx files (train-images-idx3-ubyte.gz, ...) of MNIST, for instance from "
    "https://storage.googleapis.com/cvdf-datasets/mnist/, and set data.path to their folder"
)


def load_mnist(config: DataConfig) -> Dataset:
    """The four idx files of ``data.path`` as uint8 (N, 1, H, W) with ten classes.

    Raises BadInput for missing, truncated or damaged files and labels beyond 9,
    and for a digit that no training image shows.
    """
    folder = required_path(config, WHERE)
    arrays = [
        read_idx(_find(folder, name, dimensions), dimensions)
        for name, dimensions in (
            ("train-images", 3),
            ("train-labels", 1),
            ("t10k-images", 3),
            ("t10k-labels", 1),
        )
    ]
    train_x, train_y, test_x, test_y = arrays
    classes = tuple(str(i) for i in range(10))
    data = Dataset(
        train_x[:, None],
        train_y.astype(np.int64),
        test_x[:, None],
        test_y.astype(np.int64),
        classes,
        config.source or "MNIST",
    )
    check_trained(data, str(folder), "fetch the whole set; give one of fewer classes as npz data")
    return data


def mnist_test(config: DataConfig) -> tuple[Pixels, Labels, tuple[str, ...]]:
    """The test images and labels alone, (N, 1, H, W). Raises BadInput."""
    folder = required_path(config, WHERE)
    x, y = read_idx(_find(folder, "t10k-images", 3), 3), read_idx(_find(folder, "t10k-labels", 1), 1)
    if len(x) != len(y):
        raise BadInput(str(folder), f"has {len(x)} test images but {len(y)} labels", WHERE)
    return x[:, None], y.astype(np.int64), tuple(str(i) for i in range(10))


def _find(folder: Path, name: str, dimensions: int) -> Path:
    names = [f"{name}{dot}idx{dimensions}-ubyte{packed}" for packed in ("", ".gz") for dot in ("-", ".")]
    for candidate in names:
        if (folder / candidate).is_file():
            return folder / candidate
    raise BadInput(str(folder / names[0]), "is missing, raw and as .gz", WHERE)


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """The unsigned bytes of an idx file with so many dimensions. Raises BadInput for anything else."""
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            header = file.read(4 + 4 * dimensions)
            if len(header) < 4 + 4 * dimensions or header[:4] != bytes([0, 0, 8, dimensions]):
                raise BadInput(str(path), f"is no idx file of bytes in {dimensions} dimensions", WHERE)
            shape = struct.unpack(f">{dimensions}I", header[4:])
            size = prod(shape)
            if size > LARGEST:
                raise BadInput(str(path), f"claims {size:,} values, more than MNIST could have", WHERE)
            content = file.read(size + 1)  # one more, to notice what should not be there
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput(str(path), f"cannot be read ({error})", WHERE) from None
    if len(content) != size:
        problem = "is truncated" if len(content) < size else "has bytes behind its last value"
        raise BadInput(str(path), f"{problem}: its header says {size:,} values", WHERE)
    return np.frombuffer(content, dtype=np.uint8).reshape(shape)
