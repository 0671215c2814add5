"""Images and labels as every stage of the toolchain takes them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from etb_hw.errors import BadInput

Pixels: TypeAlias = NDArray[np.integer[Any]]  # uint8, int8, uint16 or int16
Labels: TypeAlias = NDArray[np.int64]

KINDS = (np.uint8, np.int8, np.uint16, np.int16)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training and test images. Pixels are the integers that the FPGA will see: nothing is normalised.

    Attributes:
        train_x: pixels (of one of KINDS) of shape (N, C, H, W).
        train_y: int64 labels of shape (N,), indices into ``classes``.
        test_x: likewise, for testing.
        test_y: likewise.
        classes: name of each class.
        source: how results name the data.

    Raises BadInput where shapes, types or labels do not fit together.
    """

    train_x: Pixels
    train_y: Labels
    test_x: Pixels
    test_y: Labels
    classes: tuple[str, ...]
    source: str

    def __post_init__(self) -> None:
        for split, x, y in (
            ("training", self.train_x, self.train_y),
            ("test", self.test_x, self.test_y),
        ):
            where = f"{self.source}, {split} set"
            if x.dtype not in KINDS or x.ndim != 4:
                raise BadInput(
                    where,
                    f"images are {x.dtype} of shape {x.shape}",
                    "give integers of 8 or 16 bits of shape (N, C, H, W)",
                )
            if len(x) == 0:
                raise BadInput(where, "holds no images", "check the files of the data set")
            if y.dtype != np.int64 or y.shape != (len(x),):
                raise BadInput(
                    where,
                    f"{len(x)} images but labels of type {y.dtype}, shape {y.shape}",
                    "give one integer label an image",
                )
            wrong = np.flatnonzero((y < 0) | (y >= len(self.classes)))
            if len(wrong):
                raise BadInput(
                    where,
                    f"image {wrong[0]} has label {y[wrong[0]]}; {len(self.classes)} classes count from 0",
                    "renumber the labels, or fetch the file again: it may be damaged",
                )
        if self.train_x.dtype != self.test_x.dtype:
            raise BadInput(
                self.source,
                f"training images are {self.train_x.dtype} but test images {self.test_x.dtype}",
                "use one type",
            )
        if self.train_x.shape[1:] != self.test_x.shape[1:]:
            raise BadInput(
                self.source,
                f"training images are {self.train_x.shape[1:]} but test images {self.test_x.shape[1:]}",
                "use images of one size",
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        channels, height, width = self.train_x.shape[1:]
        return channels, height, width

    @property
    def dtype(self) -> str:
        """The type of a pixel, such as UINT8."""
        return str(self.train_x.dtype).upper()

    @cached_property
    def digest(self) -> str:
        """SHA-256 over pixels, labels and class names: the content hash by which runs resume."""
        about = (self.train_x.shape, self.test_x.shape, self.classes)
        found = hashlib.sha256(repr(about if self.dtype == "UINT8" else (*about, self.dtype)).encode())
        for array in (self.train_x, self.train_y, self.test_x, self.test_y):
            found.update(np.ascontiguousarray(array).data)
        return found.hexdigest()
