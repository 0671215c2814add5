"""How the command line names data: ``digits``, ``cifar10:DIR``, ``mnist:DIR``, a folder, .npz or .npy."""

from __future__ import annotations

from pathlib import Path

from etb_hw.config import DataConfig
from etb_hw.data.examples import Examples, guessed_kind, load_examples, load_unlabelled
from etb_hw.errors import BadInput

KINDS = ("digits", "cifar10", "mnist", "folder", "npz")


def data_config(text: str) -> DataConfig:
    """The [data] table that an option means. Raises BadInput."""
    kind, colon, path = text.partition(":")
    if kind in KINDS and (colon or kind == "digits"):
        return DataConfig.model_validate({"name": kind, "path": path or None})
    place = Path(text)
    if place.suffix == ".npz":
        return DataConfig(name="npz", path=text)
    if place.is_dir():
        return DataConfig.model_validate({"name": guessed_kind(place), "path": text})
    remedy = "give digits, a folder (MNIST's or CIFAR-10's files, or images a class), a .npz or a .npy file"
    raise BadInput(f"--data {text}", "is no data set and no folder", remedy)


def examples(text: str) -> Examples:
    """The images that an option means, with labels where there are any. Raises BadInput."""
    return load_unlabelled(Path(text)) if text.endswith(".npy") else load_examples(data_config(text))
