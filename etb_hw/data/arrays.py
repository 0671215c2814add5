"""From arrays of any rank to a Dataset: images, signals and feature vectors are all (N, C, H, W) inside.

A feature vector (N, F) becomes (N, F, 1, 1), a signal (N, C, T) becomes (N, C, 1, T).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from etb_hw.config import Layout
from etb_hw.data.checks import check_trained
from etb_hw.data.dataset import Dataset, Labels
from etb_hw.errors import BadInput

MOST_CLASSES = 2**16
REMEDY = (
    "give whole numbers 0..65535 or -32768..32767 of shape (N, C, H, W), (N, H, W, C), (N, H, W), (N, F), or "
    'with layout = "signal" (N, C, T), and an integer label each'
)

LABELS = (
    "give an integer label each, of shape (N,); names, numpy.unique(labels, return_inverse=True) numbers; "
    "rows with a one, .argmax(axis=1)"
)
UNTRAINED = (
    "number the classes 0, 1, 2, ... without gaps (numpy.unique(labels, return_inverse=True)), or name them "
    "all as `classes`"
)
_AXES: Mapping[Layout, tuple[int, ...]] = {
    "auto": (2, 3, 4), "image": (3, 4), "nchw": (4,), "nhwc": (4,), "signal": (3,), "features": (2,),
}  # fmt: skip


def from_arrays(
    train_x: NDArray[np.generic],
    train_y: NDArray[np.generic],
    test_x: NDArray[np.generic],
    test_y: NDArray[np.generic],
    classes: Sequence[str] | None = None,
    source: str = "arrays",
    layout: Layout = "auto",
) -> Dataset:
    """A checked data set of arrays as they come.

    Args:
        train_x, test_x: integers that fit 16 bits, see ``layout``; the narrowest type of 8 or 16 bits that
            holds them all is the hardware's input. train_y, test_y: integers (N,) or (N, 1).
        classes: their names; by default their numbers.
        layout: what the axes are: ``image`` (N, C, H, W), (N, H, W, C) or (N, H, W), ``signal`` (N, C, T),
            ``features`` (N, F); ``auto`` takes three axes for grey images. Of four axes the last are the
            channels where they are 1 or 3 and axis 1 is not; ``nchw`` and ``nhwc`` say so.

    Raises BadInput, about ``source``, for anything else, and without ``classes`` for labels that no training
    image has.
    """
    data = arranged(train_x, train_y, test_x, test_y, classes, source, layout)
    if classes is None:
        check_trained(data, source, UNTRAINED)
    return data


def arranged(
    train_x: NDArray[np.generic],
    train_y: NDArray[np.generic],
    test_x: NDArray[np.generic],
    test_y: NDArray[np.generic],
    classes: Sequence[str] | None,
    source: str,
    layout: Layout,
) -> Dataset:
    """As ``from_arrays``, for a set that is not trained on."""
    labels = [_labels(y, source) for y in (train_y, test_y)]
    if classes is None:
        count = 1 + max((int(y.max(initial=0)) for y in labels), default=0)
        if count > MOST_CLASSES:
            raise BadInput(
                source, f"has label {count - 1}: {count:,} classes, at most {MOST_CLASSES:,}", REMEDY
            )
        classes = tuple(str(i) for i in range(count))
    ordered = [_ordered(x, source, layout) for x in (train_x, test_x)]
    kind = _narrowest(ordered, source)
    images = [np.ascontiguousarray(x, dtype=kind) for x in ordered]
    return Dataset(images[0], labels[0], images[1], labels[1], tuple(classes), source)


def _channels_last(shape: tuple[int, ...], where: str) -> bool:
    """Whether the channels of four axes come last. Raises BadInput where both may be meant."""
    _, first, second, last = shape
    if last not in (1, 3, 4) or first in (1, 3, 4):
        return False
    if last == 4 or second == last:
        raise BadInput(
            where,
            f"has inputs of shape {shape}, whose channels may be the {first} or the {last}",
            'say layout = "nhwc" (in [data], or the argument) where they are the last axis, and "nchw" where '
            "they are the second",
        )
    return True


def _labels(values: NDArray[np.generic], where: str) -> Labels:
    flat = values.reshape(-1) if values.ndim == 2 and values.shape[1] == 1 else values
    if flat.ndim != 1 or not np.issubdtype(flat.dtype, np.integer):
        raise BadInput(where, f"has labels of type {values.dtype}, shape {values.shape}", LABELS)
    return flat.astype(np.int64)


def _narrowest(images: Sequence[NDArray[np.integer]], where: str) -> type[np.integer]:
    """The type that holds all of them; one of 8 bits where it does."""
    filled = [x for x in images if x.size]
    low = min((int(x.min()) for x in filled), default=0)
    high = max((int(x.max()) for x in filled), default=0)
    signed = low < 0 or any(x.dtype == np.int8 for x in images)
    for kind in (np.int8, np.int16) if signed else (np.uint8, np.uint16):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return kind
    raise BadInput(where, f"has inputs from {low} to {high}, no 16-bit integers", REMEDY)


def _ordered(values: NDArray[np.generic], where: str, layout: Layout) -> NDArray[np.integer]:
    """As (N, C, H, W)."""
    wanted = _AXES[layout]
    if not np.issubdtype(values.dtype, np.integer) or values.ndim not in wanted:
        raise BadInput(where, f"has inputs of type {values.dtype}, shape {values.shape}", REMEDY)
    whole: NDArray[np.integer] = values  # type: ignore[assignment]
    match values.ndim:
        case 2:
            return whole[:, :, None, None]
        case 3 if layout == "signal":
            return whole[:, :, None, :]
        case 3:
            return whole[:, None]
        case _:
            last = layout == "nhwc" or (layout != "nchw" and _channels_last(values.shape, where))
            return whole.transpose(0, 3, 1, 2) if last else whole
