"""Data come in several orders of axes; only those that fit the model's are taken, never as many values."""

from __future__ import annotations

import numpy as np
import pytest

from etb_hw.board.host.frames import checked
from etb_hw.errors import BadInput
from etb_hw.flow.simulating import fit
from etb_hw.integer import DataType, Input, IntegerGraph
from etb_hw.integer.graph import Source

COUNT = 5


def taking(*shape: int, channels_last: bool = False) -> IntegerGraph:
    node = Input(name="input_0", inputs=(), shape=shape, dtype=DataType.parse("UINT8"))
    return IntegerGraph((node,), "input_0", source=Source(channels_last=channels_last))


def pixels(*shape: int) -> np.ndarray:
    """Each value of a frame is another one."""
    return np.arange(COUNT * int(np.prod(shape)), dtype=np.int64).reshape(COUNT, *shape) % 251


@pytest.mark.parametrize(
    ("shape", "axes", "sizes"),
    [
        ((3, 8, 6), (0, 1, 2, 3), (3, 8, 6)),
        ((3, 8, 6), (0, 2, 3, 1), (8, 6, 3)),
        ((1, 8, 6), (0, 2, 3, 1), (8, 6)),
        ((1, 8, 6), (0, 2, 3, 1), (8, 6, 1)),
        ((6, 1, 16), (0, 1, 2, 3), (6, 16)),
        ((6, 1, 16), (0, 2, 3, 1), (16, 6)),
        ((3, 8, 6), (0, 1, 2, 3), (144,)),
        ((20,), (0, 1), (20, 1, 1)),
        ((144,), (0, 1), (3, 8, 6)),
        ((6, 6, 6), (0, 1, 2, 3), (6, 6, 6)),
    ],
)
def test_orders_that_are_taken(shape: tuple[int, ...], axes: tuple[int, ...], sizes: tuple[int, ...]) -> None:
    x = pixels(*shape)
    images = x.transpose(axes).reshape(COUNT, *sizes)
    np.testing.assert_array_equal(fit(taking(*shape), images, None).images, x)


def test_rows_are_laid_out_as_the_network_s_images() -> None:
    x = pixels(3, 8, 6)
    rows = np.moveaxis(x, 1, -1).reshape(COUNT, -1)
    np.testing.assert_array_equal(fit(taking(3, 8, 6, channels_last=True), rows, None).images, x)


@pytest.mark.parametrize("sizes", [(3, 6, 8), (6, 8, 3), (6, 3, 8), (12, 12), (3, 8, 5)])
def test_others_are_refused(sizes: tuple[int, ...]) -> None:
    with pytest.raises(BadInput, match=r"the model takes \(3, 8, 6\)"):
        fit(taking(3, 8, 6), pixels(*sizes), None)


STREAM = {"shape": (8, 6, 3), "min": 0, "max": 255, "step": 1, "type": "UINT8"}


def test_a_board_takes_frames_as_they_travel() -> None:
    images = pixels(8, 6, 3)
    np.testing.assert_array_equal(checked(images, STREAM), images)
    grey = {**STREAM, "shape": (8, 6, 1)}
    np.testing.assert_array_equal(checked(images[..., 0], grey), images[..., :1])
    np.testing.assert_array_equal(checked(images, {**STREAM, "shape": (144,)}).reshape(images.shape), images)


@pytest.mark.parametrize("sizes", [(3, 8, 6), (6, 8, 3), (144,)])
def test_a_board_refuses_others(sizes: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"the accelerator takes \(8, 6, 3\)") as refused:
        checked(pixels(*sizes), STREAM)
    assert ("moveaxis(images, 1, -1)" in str(refused.value)) == (sizes == (3, 8, 6))
