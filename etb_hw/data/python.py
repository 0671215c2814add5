"""Data that Python makes: a function that a flow file names, torch data sets and loaders."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etb_hw.config import DataConfig, Layout
from etb_hw.data.arrays import LABELS, from_arrays
from etb_hw.data.dataset import Dataset
from etb_hw.errors import BadInput, EtbError, one_line
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
    try:
        train_x, train_y, test_x, test_y = (_array(part) for part in parts)
    except Exception as error:  # numpy and torch raise whatever they meet
        raise BadInput(
            source, f"gives no arrays ({type(error).__name__}: {one_line(error)})", REMEDY
        ) from error
    if classes is not None and (isinstance(classes, str) or not isinstance(classes, Iterable)):
        raise BadInput(
            source, f"gives classes {classes!r}", "give their names, in the order of their numbers"
        )
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
    train_x, test_x = _integers([train_x, test_x], source)
    if classes is None:
        named = _named_classes(train)
        classes = tuple(str(name) for name in named) if named is not None else None
    return from_arrays(train_x, train_y, test_x, test_y, classes, source, layout)


def _named_classes(pairs: Any) -> Iterable[object] | None:
    """Names that a set, or the one that it is a part of, gives its classes."""
    while not hasattr(pairs, "classes") and hasattr(pairs, "dataset"):
        pairs = pairs.dataset
    named: Iterable[object] | None = getattr(pairs, "classes", None)
    return named


def _collect(pairs: Any, where: str) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    try:
        items = _items(pairs, where)
        x = np.stack([_array(item[0]) for item in items])
        labels = [float(item[1]) for item in items]
    except EtbError:
        raise
    except Exception as error:  # a set of the user's may raise whatever it likes
        reason = f"is no set of pairs (input, label) of one shape ({type(error).__name__}: {one_line(error)})"
        raise BadInput(where, reason, REMEDY) from error
    broken = next((label for label in labels if not label.is_integer()), None)
    if broken is not None:
        raise BadInput(where, f"has a label {broken:g}, which is no whole number", LABELS)
    return x, np.asarray(labels, dtype=np.int64)


def _items(pairs: Any, where: str) -> list[Any]:
    """Each pair of a set once, in its order; of a loader, which shuffles and drops, those that it draws."""
    torch = sys.modules.get("torch.utils.data")  # which makes whatever is given of its kinds
    if torch is not None and isinstance(pairs, torch.DataLoader):
        data, sampler, batches = pairs.dataset, pairs.sampler, pairs.batch_sampler
        whole = (torch.SequentialSampler, torch.RandomSampler, torch.DistributedSampler)
        if isinstance(data, torch.IterableDataset):
            return list(data)
        if type(batches) in (torch.BatchSampler, type(None)):
            if isinstance(sampler, torch.SubsetRandomSampler):
                return [data[i] for i in sampler.indices]
            if isinstance(sampler, whole):
                return _items(data, where)
            batches = sampler
        raise BadInput(
            where,
            f"is drawn by a {type(batches).__name__}",
            "give the set itself, or a torch.utils.data.Subset",
        )
    if torch is not None and isinstance(pairs, torch.IterableDataset):
        return list(pairs)
    return [pairs[i] for i in range(len(pairs))] if hasattr(pairs, "__getitem__") else list(pairs)


def _array(values: Any) -> NDArray[np.generic]:
    """Values of an array, a picture or a tensor, which may have a gradient."""
    return np.asarray(values.detach() if hasattr(values, "detach") else values)


def _integers(parts: Sequence[NDArray[np.generic]], where: str) -> list[NDArray[np.generic]]:
    """Integers as they are; floats that are whole, or pixels / 255, as the integers that they stand for.

    All parts are one or the other: 1.0 is 1 or 255.
    """
    if not any(np.issubdtype(x.dtype, np.floating) for x in parts):
        return list(parts)
    values = [x.astype(np.float64) for x in parts]
    if all((x == np.rint(x)).all() for x in values) and any(np.abs(x).max(initial=0) > 1 for x in values):
        return [x.astype(np.int64) for x in values]
    pixels = [np.rint(x * 255) for x in values]
    pairs = zip(values, pixels, strict=True)
    if all(p.min(initial=0) >= 0 and np.abs(x - p / 255).max(initial=0) < 1e-6 for x, p in pairs):
        return [p.astype(np.int64) for p in pixels]
    raise BadInput(
        where, "holds numbers that are no integers", "leave normalisation out: hardware reads integers"
    )
