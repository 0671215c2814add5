"""What a model is tried on: the test images of a data set alone, or images without labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from etb_hw.config import DataConfig
from etb_hw.data.cifar10 import cifar10_test
from etb_hw.data.dataset import Labels
from etb_hw.data.loading import load
from etb_hw.data.mnist import mnist_test
from etb_hw.data.npz import npz_test
from etb_hw.errors import BadInput

REMEDY = "write it with numpy.save(PATH, images): integers (N, C, H, W), (N, C, T) or (N, F)"


@dataclass(frozen=True, eq=False)
class Examples:
    """Integers (N, ...), labels (N,) or None, the names of the classes, and where they are from."""

    x: NDArray[np.integer]
    y: Labels | None
    classes: tuple[str, ...]
    source: str


Found: TypeAlias = tuple[NDArray[np.integer], Labels | None, tuple[str, ...]]
_TEST_ONLY: Mapping[str, Callable[[DataConfig], Found]] = {
    "mnist": mnist_test,
    "cifar10": cifar10_test,
    "npz": npz_test,
}


def load_examples(config: DataConfig) -> Examples:
    """The test images of a data set; its training files are not needed. Raises BadInput."""
    reader = _TEST_ONLY.get(config.name)
    if reader is None:
        dataset = load(config)
        return Examples(dataset.test_x, dataset.test_y, dataset.classes, dataset.source)
    x, y, classes = reader(config)
    return Examples(x, y, classes, config.source or config.name)


def load_unlabelled(path: Path) -> Examples:
    """A ``.npy`` file of integers, read as it is needed. Raises BadInput; pickles are refused."""
    if path.exists() and not path.is_file():
        raise BadInput(str(path), "is no regular file", REMEDY)
    try:
        x = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise BadInput(str(path), f"is no readable .npy file ({error})", REMEDY) from None
    if not isinstance(x, np.ndarray) or x.ndim not in (2, 3, 4) or not len(x) or x.dtype.kind not in "iu":
        about = f"{x.dtype} of shape {x.shape}" if isinstance(x, np.ndarray) else "an archive"
        raise BadInput(str(path), f"holds {about}", REMEDY)
    return Examples(x, None, (), path.stem)


def guessed_kind(folder: Path) -> str:
    """Which reader a folder is for, by the names of its files."""
    names = {entry.name for entry in folder.iterdir()}
    if any(name.startswith(("t10k-images", "train-images")) for name in names):
        return "mnist"
    if names & {
        "cifar-10-batches-bin",
        "cifar-10-batches-py",
        "test_batch",
        "test_batch.bin",
        "data_batch_1",
    }:
        return "cifar10"
    return "folder"
