"""Data that nothing can be learnt from: well-formed, but hardly what was meant."""

from __future__ import annotations

import logging
from collections import Counter

import numpy as np
from numpy.typing import NDArray

from etb_hw.data.dataset import Dataset
from etb_hw.errors import BadInput

log = logging.getLogger("etb_hw")
FEW = 5  # classes that a message names


def check_sense(data: Dataset) -> None:
    """Raise BadInput for fewer than two classes or training images, class names that are equal, and images
    that are all the same.
    """
    if len(data.classes) < 2:
        raise BadInput(data.source, f"has {len(data.classes)} class", "give images of two classes at least")
    twice = [name for name, count in Counter(data.classes).items() if count > 1]
    if twice:
        places = ", ".join(str(at) for at, name in enumerate(data.classes) if name == twice[0])
        raise BadInput(
            data.source, f"names classes {places} alike: {twice[0]!r}", "give every class a name of its own"
        )
    if len(data.train_x) < 2:
        raise BadInput(data.source, "has one training image", "give several of every class")
    for split, x in (("training", data.train_x), ("test", data.test_x)):
        if len(x) > 1 and all(np.array_equal(image, x[0]) for image in x[1:]):
            pixels = f" (all pixels are {x[0].flat[0]})" if (x[0] == x[0].flat[0]).all() else ""
            raise BadInput(
                f"{data.source}, {split} set",
                f"holds {len(x):,} images that are all the same{pixels}",
                "look at how they were written: floats 0..1 become 0 as integers, for one",
            )


def check_trained(data: Dataset, where: str, remedy: str) -> None:
    """Raise BadInput for a class that no training image has: labels that count from 1 would make an output
    that nothing trains.
    """
    absent = _untrained(data)
    if len(absent):
        few = ", ".join(str(label) for label in absent[:FEW]) + (", ..." if len(absent) > FEW else "")
        raise BadInput(
            where, f"has labels up to {len(data.classes) - 1}, but no training image of label {few}", remedy
        )


def tell_untrained(data: Dataset) -> None:
    """Warn of named classes without a training image: allowed, since a class may be named for later data or
    lie behind ``train_limit``, but nothing trains its output.
    """
    absent = _untrained(data)
    if len(absent):
        few = ", ".join(repr(data.classes[label]) for label in absent[:FEW])
        more = f" and {len(absent) - FEW} more" if len(absent) > FEW else ""
        log.warning(
            "%s has no training image of class %s%s, so nothing trains that output: add images, name only "
            "classes that have some, or raise data.train_limit",
            data.source, few, more,
        )  # fmt: skip


def _untrained(data: Dataset) -> NDArray[np.int64]:
    return np.setdiff1d(np.arange(len(data.classes)), data.train_y)
