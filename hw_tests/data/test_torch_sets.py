"""torch data sets and loaders: just those pairs that they give, once each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils import data as torch_data

from etb_hw.data.python import as_dataset, from_torch
from etb_hw.errors import BadInput

X, Y = torch.arange(40)[:, None, None, None].expand(40, 1, 2, 2), torch.arange(40) % 4
WHOLE = torch_data.TensorDataset(X, Y)


class Inverted(torch_data.Dataset[tuple[Tensor, Tensor]]):
    def __init__(self, dataset: Any) -> None:
        self.dataset, self.classes = dataset, ["a", "b", "c", "d"]

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        x, y = self.dataset[index]
        return 255 - x, y


class Stream(torch_data.IterableDataset[tuple[Tensor, Tensor]]):
    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return iter(zip(X, Y, strict=True))


class Sized(Stream):
    def __len__(self) -> int:
        return 40


def loader(**options: Any) -> torch_data.DataLoader[Any]:
    return torch_data.DataLoader(WHOLE, batch_size=7, **options)


HALF = torch_data.SubsetRandomSampler(range(5, 25))
FORMS: dict[str, tuple[Callable[[], Any], np.ndarray]] = {
    "set": (lambda: WHOLE, np.arange(40)),
    "loader": (lambda: loader(shuffle=True, drop_last=True), np.arange(40)),
    "subset": (lambda: torch_data.Subset(WHOLE, range(3, 30)), np.arange(3, 30)),
    "loader of a subset": (
        lambda: torch_data.DataLoader(torch_data.Subset(WHOLE, [7, 2, 8, 9]), shuffle=True),
        np.array([7, 2, 8, 9]),
    ),
    "sampled": (lambda: loader(sampler=HALF), np.arange(5, 25)),
    "wrapped": (lambda: Inverted(torch_data.Subset(WHOLE, range(8))), 255 - np.arange(8)),
    "loader of a wrapped set": (lambda: torch_data.DataLoader(Inverted(WHOLE)), 255 - np.arange(40)),
    "stream": (Stream, np.arange(40)),
    "stream of a length": (Sized, np.arange(40)),
    "loader of a stream": (lambda: torch_data.DataLoader(Stream(), batch_size=3), np.arange(40)),
}


@pytest.mark.parametrize("form", FORMS)
def test_pairs_are_those_that_are_given(form: str) -> None:
    given, expected = FORMS[form]
    found = from_torch(given(), given())
    np.testing.assert_array_equal(found.train_x[:, 0, 0, 0], expected)
    np.testing.assert_array_equal(found.test_y, (255 - expected if "wrapped" in form else expected) % 4)
    assert ("a" in found.classes) == ("wrapped" in form)


def test_names_of_classes_are_those_of_the_whole_set() -> None:
    found = from_torch(torch_data.Subset(Inverted(WHOLE), range(9)), WHOLE)
    assert found.classes == ("a", "b", "c", "d")


class Own(torch_data.Sampler[int]):
    def __iter__(self) -> Iterator[int]:
        return iter([1, 2])

    def __len__(self) -> int:
        return 2


@pytest.mark.parametrize(
    "options",
    [
        {"sampler": Own()},
        {"sampler": torch_data.WeightedRandomSampler([0.5] * 40, 10)},
    ],
)
def test_loaders_that_draw_otherwise_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match=f"drawn by a {type(options['sampler']).__name__}") as refused:
        from_torch(loader(**options), WHOLE)
    assert "Subset" in refused.value.remedy


def test_floats_are_whole_or_shares_of_255_in_all_sets() -> None:
    few, more = np.eye(4, dtype=np.float32), 3 * np.eye(4, dtype=np.float32)
    labels = range(4)
    ones = [*zip(few, labels, strict=True)]
    threes = [*zip(more, labels, strict=True)]
    assert from_torch(ones, ones).train_x.max() == 255
    for train, test in ((ones, threes), (threes, ones)):
        found = from_torch(train, test)
        assert {int(found.train_x.max()), int(found.test_x.max())} == {1, 3}


class Failing(torch_data.Dataset[tuple[Tensor, Tensor]]):
    def __len__(self) -> int:
        return 5

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        raise RuntimeError("file 3 is corrupt")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (lambda: (Failing(), WHOLE), "file 3 is corrupt"),
        (lambda: ([(X[0], 0.5)], WHOLE), r"label 0\.5"),
        (lambda: ([[1, 2], [3]], [0, 1], [[1]], [0]), "gives no arrays"),
        (lambda: {"train_x": X, "train_y": Y, "test_x": X, "test_y": Y, "classes": 2}, "classes 2"),
        (lambda: {"train_x": X, "train_y": Y, "test_x": X, "test_y": Y, "classes": "ab"}, "classes 'ab'"),
    ],
)
def test_faults_of_a_set_are_told_as_its_own(given: Callable[[], Any], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        as_dataset(given(), "mine")


def test_tensors_with_gradients_are_values() -> None:
    x = X.float().requires_grad_()
    np.testing.assert_array_equal(from_torch([*zip(x, Y, strict=True)], WHOLE).train_x, X)
