"""Data that Python makes: a function that a flow file names, torch data sets and loaders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etb_hw.config import DataConfig, Layout
from etb_hw.data.arrays import from_arrays
from etb_hw.data.dataset import Dataset
from etb_hw.errors import BadInput
from etb_hw.named_code import called, named_code

NAMES = ("train_x", "train_y", "test_x", "test_y")
REMEDY = (
    "write a function without arguments that returns etb_hw.data.Dataset, a pair (training set, test set) of "
    "torch data sets or loaders, or train_x, train_y, test_x, test_y as a tuple or a mapping of arrays"
)


def load_python(config: DataConfig) -> Dataset:
    """What the function ``data.function`` ("module:function") returns. The module's code is run.

    The module is looked for like any import, and in the present folder. Raises BadInput where it fails.
    """
    function = named_code("data.function", config.function)
    assert config.function is not None
    where = f"data.function {config.function}"
    found = called(where, function, remedy=REMEDY)
    return as_dataset(found, config.source or config.function, config.layout, where)


def as_dataset(found: Any, source: str, layout: Layout = "auto", where: str | None = None) -> Dataset:
    """A Dataset of what a user's function returns (see REMEDY). Raises BadInput about ``where``."""
    where = where or source
    if isinstance(found, Dataset):
        return found
    if isinstance(found, Mapping):
        missing = [name for name in NAMES if name not in found]
        if missing:
            raise BadInput(where, f"gives no {missing[0]}", REMEDY)
        return _of_four([found[name] for name in NAMES], found.get("classes"), source, layout)
    if isinstance(found, Sequence) and len(found) == 4:
        return _of_four(found, None, source, layout)
    if isinstance(found, Sequence) and len(found) == 2:
        return from_torch(found[0], found[1], source=source, layout=layout)
    raise BadInput(where, f"gives a {type(found).__name__}", REMEDY)


def _of_four(parts: Sequence[Any], classes: Sequence[str] | None, source: str, layout: Layout) -> Dataset:
    train_x, train_y, test_x, test_y = (np.asarray(part) for part in parts)
    return from_arrays(train_x, train_y, test_x, test_y, classes, source, layout)


def from_torch(
    train: Iterable[Any],
    test: Iterable[Any],
    classes: Sequence[str] | None = None,
    source: str = "torch data sets",
    layout: Layout = "auto",
) -> Dataset:
    """A Dataset of torch data sets or loaders of pairs (input, label).

    Inputs are integers of 16 bits or fewer, pictures, or what torchvision's ToTensor makes of these (pixels
    / 255, undone exactly). Normalised ones have no integers to give to hardware and are refused. What a set
    draws at random is drawn once: leave augmentation to [training] (flip, shift, cutout) or to your own loop.
    """
    (train_x, train_y), (test_x, test_y) = _collect(train, source), _collect(test, source)
    if classes is None:
        named = getattr(getattr(train, "dataset", train), "classes", None)
        classes = tuple(str(name) for name in named) if named is not None else None
    return from_arrays(train_x, train_y, test_x, test_y, classes, source, layout)


def _collect(pairs: Any, where: str) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    pairs = getattr(pairs, "dataset", pairs)  # a loader shuffles and drops
    try:
        items = [pairs[i] for i in range(len(pairs))] if hasattr(pairs, "__getitem__") else list(pairs)
        x = np.stack([_integers(np.asarray(item[0]), where) for item in items])
        y = np.asarray([int(item[1]) for item in items], dtype=np.int64)
    except (TypeError, ValueError, IndexError, KeyError) as error:
        raise BadInput(where, f"is no set of pairs (input, label) of one shape ({error})", REMEDY) from None
    return x, y


def _integers(x: NDArray[np.generic], where: str) -> NDArray[np.generic]:
    """Integers as they are; floats that are whole, or pixels / 255, as the integers that they stand for."""
    if not np.issubdtype(x.dtype, np.floating):
        return x
    values = x.astype(np.float64)
    if (values == np.rint(values)).all() and np.abs(values).max(initial=0) > 1:
        return values.astype(np.int64)
    pixels = np.rint(values * 255)
    if pixels.min(initial=0) >= 0 and np.abs(values - pixels / 255).max(initial=0) < 1e-6:
        return pixels.astype(np.int64)
    raise BadInput(
        where, "holds numbers that are no integers", "leave normalisation out: hardware reads integers"
    )
