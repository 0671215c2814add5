"""A numpy archive, with the array names of Keras (``x_train``), of MedMNIST (``train_images``) or ours."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from etb_hw.config import DataConfig
from etb_hw.data.arrays import from_arrays
from etb_hw.data.dataset import Dataset
from etb_hw.data.files import required_path
from etb_hw.errors import BadInput

NAMES = {
    "train_x": ("train_x", "x_train", "train_images"),
    "train_y": ("train_y", "y_train", "train_labels"),
    "test_x": ("test_x", "x_test", "test_images"),
    "test_y": ("test_y", "y_test", "test_labels"),
}
REMEDY = (
    "write it with numpy.savez(PATH, train_x=..., train_y=..., test_x=..., test_y=...): 8-bit integers "
    "(N, C, H, W), (N, H, W, C), (N, H, W), (N, F) or (N, C, T), integer labels, optionally `classes`"
)


def load_npz(config: DataConfig) -> Dataset:
    """The four arrays of ``data.path``, of any rank (see arrays.py). Pickles are refused."""
    path = required_path(config, REMEDY)
    if not zipfile.is_zipfile(path):  # numpy.load would also take a lone array, or try to unpickle it
        raise BadInput(str(path), "is no .npz archive", REMEDY)
    try:
        with np.load(path, allow_pickle=False) as archive:
            found = {role: _array(path, archive, role) for role in NAMES}
            classes = archive.get("classes")
    except (
        OSError,
        ValueError,
        EOFError,
        MemoryError,
        zipfile.BadZipFile,
        zlib.error,
        AttributeError,
    ) as error:
        raise BadInput(str(path), f"is no readable .npz archive ({error})", REMEDY) from None
    names = None if classes is None else [str(name) for name in np.atleast_1d(classes)]
    train_x, train_y, test_x, test_y = (found[role] for role in NAMES)
    return from_arrays(train_x, train_y, test_x, test_y, names, config.source or path.stem, config.layout)


def _array(path: Path, archive: Mapping[str, NDArray[np.generic]], role: str) -> NDArray[np.generic]:
    for name in NAMES[role]:
        if name in archive:
            return archive[name]
    raise BadInput(str(path), f"has no array named {' or '.join(NAMES[role])}", REMEDY)
