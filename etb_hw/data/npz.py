"""A numpy archive, with the array names of Keras (``x_train``), of MedMNIST (``train_images``) or ours."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from etb_hw.config import DataConfig
from etb_hw.data.dataset import Dataset, Labels, Pixels
from etb_hw.data.files import required_path
from etb_hw.errors import BadInput

NAMES = {
    "train_x": ("train_x", "x_train", "train_images"),
    "train_y": ("train_y", "y_train", "train_labels"),
    "test_x": ("test_x", "x_test", "test_images"),
    "test_y": ("test_y", "y_test", "test_labels"),
}
REMEDY = (
    "write it with numpy.savez(PATH, train_x=..., train_y=..., test_x=..., test_y=...): "
    "uint8 images (N, C, H, W), (N, H, W, C) or (N, H, W), integer labels, "
    "optionally class names as `classes`"
)


def load_npz(config: DataConfig) -> Dataset:
    """The four arrays of ``data.path`` as uint8 (N, C, H, W) and int64 labels. Pickles are refused."""
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
    train_y, test_y = _labels(path, found["train_y"]), _labels(path, found["test_y"])
    if classes is None:
        names = tuple(str(i) for i in range(int(max(train_y.max(initial=0), test_y.max(initial=0))) + 1))
    else:
        names = tuple(str(name) for name in np.atleast_1d(classes))
    train_x, test_x = _images(path, found["train_x"]), _images(path, found["test_x"])
    return Dataset(train_x, train_y, test_x, test_y, names, config.source or path.stem)


def _array(path: Path, archive: Mapping[str, NDArray[np.generic]], role: str) -> NDArray[np.generic]:
    for name in NAMES[role]:
        if name in archive:
            return archive[name]
    raise BadInput(str(path), f"has no array named {' or '.join(NAMES[role])}", REMEDY)


def _labels(path: Path, values: NDArray[np.generic]) -> Labels:
    flat = values.reshape(-1) if values.ndim == 2 and values.shape[1] == 1 else values
    if flat.ndim != 1 or not np.issubdtype(flat.dtype, np.integer):
        raise BadInput(str(path), f"has labels of type {values.dtype}, shape {values.shape}", REMEDY)
    return flat.astype(np.int64)


def _images(path: Path, values: NDArray[np.generic]) -> Pixels:
    if values.dtype != np.uint8 or values.ndim not in (3, 4):
        raise BadInput(str(path), f"has images of type {values.dtype}, shape {values.shape}", REMEDY)
    if values.ndim == 3:
        return values[:, None].astype(np.uint8)
    channels_last = values.shape[3] in (1, 3) and values.shape[1] not in (1, 3)
    ordered = values.transpose(0, 3, 1, 2) if channels_last else values
    return np.ascontiguousarray(ordered, dtype=np.uint8)
