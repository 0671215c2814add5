"""A numpy archive, with the array names of Keras (``x_train``), of MedMNIST (``train_images``) or ours."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from etb_hw.config import DataConfig
from etb_hw.data.arrays import UNTRAINED, arranged
from etb_hw.data.checks import check_trained
from etb_hw.data.dataset import Dataset, Labels, Pixels
from etb_hw.data.files import required_path
from etb_hw.errors import BadInput

NAMES = {
    "train_x": ("train_x", "x_train", "train_images"),
    "train_y": ("train_y", "y_train", "train_labels"),
    "test_x": ("test_x", "x_test", "test_images"),
    "test_y": ("test_y", "y_test", "test_labels"),
}
LARGEST = 4 << 30  # bytes after unpacking: CIFAR-10 has 0.2 GB
REMEDY = (
    "write it with numpy.savez(PATH, train_x=..., train_y=..., test_x=..., test_y=...): integers "
    "that fit 16 bits (N, C, H, W), (N, H, W, C), (N, H, W), (N, F) or (N, C, T), integer labels, optionally "
    "`classes`"
)


def load_npz(config: DataConfig) -> Dataset:
    """The four arrays of ``data.path``, of any rank (see arrays.py). Pickles are refused."""
    path = required_path(config, REMEDY)
    found, names = _read(path, tuple(NAMES))
    train_x, train_y, test_x, test_y = (found[role] for role in NAMES)
    data = arranged(train_x, train_y, test_x, test_y, names, config.source or path.stem, config.layout)
    if names is None:
        check_trained(data, str(path), UNTRAINED)
    return data


def npz_test(config: DataConfig) -> tuple[Pixels, Labels | None, tuple[str, ...]]:
    """The test arrays alone; labels may be missing. Raises BadInput."""
    path = required_path(config, REMEDY)
    found, names = _read(path, ("test_x",), ("test_y",))
    x = found["test_x"]
    y = found.get("test_y", np.zeros(x.shape[:1], dtype=np.int64))
    made = arranged(x, y, x, y, names, config.source or path.stem, config.layout)
    return made.test_x, made.test_y if "test_y" in found else None, made.classes


def _read(
    path: Path, roles: Sequence[str], optional: Sequence[str] = ()
) -> tuple[dict[str, NDArray[np.generic]], list[str] | None]:
    """The arrays of some roles, and the names of the classes where they are given."""
    if not zipfile.is_zipfile(path):  # numpy.load would also take a lone array, or try to unpickle it
        raise BadInput(str(path), "is no .npz archive", REMEDY)
    try:
        with zipfile.ZipFile(path) as packed:
            size = sum(entry.file_size for entry in packed.infolist())
        if size > LARGEST:
            raise BadInput(str(path), f"unpacks to {size:,} bytes, at most {LARGEST:,} are read", REMEDY)
        with np.load(path, allow_pickle=False) as archive:
            found = {role: _array(path, archive, role) for role in roles}
            found |= {role: _array(path, archive, role) for role in optional if _name(archive, role)}
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
    return found, None if classes is None else [_text(name) for name in np.atleast_1d(classes)]


def _text(name: object) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)


def _name(archive: Mapping[str, NDArray[np.generic]], role: str) -> str | None:
    return next((name for name in NAMES[role] if name in archive), None)


def _array(path: Path, archive: Mapping[str, NDArray[np.generic]], role: str) -> NDArray[np.generic]:
    name = _name(archive, role)
    if name is None:
        raise BadInput(str(path), f"has no array named {' or '.join(NAMES[role])}", REMEDY)
    return archive[name]
