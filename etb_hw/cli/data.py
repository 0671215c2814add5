"""How the command line names a data set: ``digits``, ``cifar10:DIR``, ``mnist:DIR``, a folder or an npz."""

from __future__ import annotations

from pathlib import Path

from etb_hw.config import DataConfig
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
        return DataConfig(name="folder", path=text)
    remedy = "give digits, cifar10:FOLDER, mnist:FOLDER, a folder of images a class, or a .npz file"
    raise BadInput(f"--data {text}", "is no data set and no folder", remedy)
