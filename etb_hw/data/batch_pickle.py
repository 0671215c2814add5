"""Reads the pickled batches of CIFAR's python version without trusting them.

A pickle names the functions it wants to call. These files need three, and not even those are lent to it:
each is replaced by a stand-in that only keeps the values it is given. Everything else is refused.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np

from etb_hw.data.dataset import Pixels

CORE = ("numpy.core.multiarray", "numpy._core.multiarray")  # the second since numpy 2


class _Type:
    """Stands for ``numpy.dtype``: keeps its name."""

    def __init__(self, name: object = None, *_: object) -> None:
        self.name = name.decode("ascii", "replace") if isinstance(name, bytes) else name

    def __setstate__(self, _: object) -> None:
        """Byte order and alignment mean nothing for single bytes."""


class _Array:
    """Stands for ``numpy.ndarray``: keeps shape, type and raw bytes, and checks them when asked."""

    state: object = None

    def __setstate__(self, state: object) -> None:
        self.state = state

    def pixels(self) -> Pixels:
        """The uint8 array. Raises ValueError for any other type, or bytes that do not fill the shape."""
        if not (isinstance(self.state, tuple) and len(self.state) == 5):
            raise ValueError("the array has no contents")
        _, shape, dtype, fortran, raw = self.state
        if not (isinstance(dtype, _Type) and dtype.name in ("u1", "uint8") and not fortran):
            raise ValueError("the array does not hold unsigned bytes")
        if not isinstance(raw, bytes):
            raise ValueError("the array has no raw bytes")
        return np.frombuffer(raw, dtype=np.uint8).reshape(shape)


def _reconstruct(*_: object) -> _Array:
    return _Array()


class _BatchUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Callable[..., object]:
        if module in CORE and name == "_reconstruct":
            return _reconstruct
        if module == "numpy" and name == "ndarray":
            return _Array
        if module == "numpy" and name == "dtype":
            return _Type
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no image batch needs")


def read_batch(content: bytes) -> tuple[Pixels, list[int]]:
    """Pixels (N, values) and labels of one pickled batch.

    Raises ValueError saying what is wrong, whatever the bytes are.
    """
    try:
        # python 2 wrote the originals: their strings arrive as bytes
        batch: Any = _BatchUnpickler(io.BytesIO(content), encoding="bytes").load()
    except Exception as error:  # a broken pickle can raise nearly anything; none of it is ours
        raise ValueError(f"it is no readable batch ({error})") from None
    if not isinstance(batch, dict):
        raise ValueError("it holds no dictionary")
    array = batch.get(b"data", batch.get("data"))
    labels = batch.get(b"labels", batch.get("labels"))
    if not isinstance(array, _Array):
        raise ValueError("it has no array 'data'")
    if not (isinstance(labels, list) and all(type(label) is int for label in labels)):
        raise ValueError("it has no list 'labels' of integers")
    return array.pixels(), labels
