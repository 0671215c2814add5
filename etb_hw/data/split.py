"""A fixed, stratified split for data that come without a test set of their own."""

from __future__ import annotations

from typing import Any

from etb_hw.config import DataConfig
from etb_hw.data.dataset import Dataset, Labels, Pixels
from etb_hw.errors import BadInput


def split(config: DataConfig, x: Pixels, y: Labels, classes: tuple[str, ...], source: str) -> Dataset:
    """Hold out ``test_share`` of every class; the same ``split_seed`` always gives the same images.

    Args:
        x: uint8 pixels (N, C, H, W).
        y: int64 labels (N,).
    """
    from sklearn.model_selection import train_test_split  # here because scikit-learn takes a second to load

    try:
        parts: list[Any] = train_test_split(
            x, y, test_size=config.test_share, random_state=config.split_seed, stratify=y
        )
    except ValueError as error:
        raise BadInput(
            source,
            f"cannot be split into training and test images ({error})",
            "give every class several images, or another data.test_share",
        ) from None
    return Dataset(parts[0], parts[2], parts[1], parts[3], classes, source)
