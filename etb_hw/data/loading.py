"""From the [data] section of a flow file to a Dataset."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from etb_hw.config import DataConfig
from etb_hw.data.checks import check_sense, tell_untrained
from etb_hw.data.cifar10 import load_cifar10
from etb_hw.data.dataset import Dataset
from etb_hw.data.digits import load_digits
from etb_hw.data.folder import load_folder
from etb_hw.data.mnist import load_mnist
from etb_hw.data.npz import load_npz
from etb_hw.data.python import load_python

READERS: Mapping[str, Callable[[DataConfig], Dataset]] = {
    "digits": load_digits,
    "cifar10": load_cifar10,
    "mnist": load_mnist,
    "folder": load_folder,
    "npz": load_npz,
    "python": load_python,
}


def load(config: DataConfig) -> Dataset:
    """Read and check the data that ``config`` describes.

    Returns:
        uint8 images (N, C, H, W) and int64 labels, cut to ``train_limit`` and ``test_limit`` where given. A
        named class without a training image is a warning in the log of ``etb_hw``.

    Raises:
        BadInput: something is missing or damaged, or nothing can be learnt from it; the message says what and
            where to get it.
    """
    dataset = READERS[config.name](config)
    check_sense(dataset)
    train, test = config.train_limit, config.test_limit
    cut = replace(
        dataset,
        train_x=dataset.train_x[:train],
        train_y=dataset.train_y[:train],
        test_x=dataset.test_x[:test],
        test_y=dataset.test_y[:test],
    )
    tell_untrained(cut)
    return cut
