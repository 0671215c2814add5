"""Drawing random instances of blocks: rows of the calibration, and of the tests that run every block.

A specification is a JSON object of numbers and type names, so that a row can be stored; a block makes itself
from one, with random constants.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from etb_hw.dataflow.divisors import divisors
from etb_hw.integer.datatype import BIPOLAR, DataType

Spec: TypeAlias = dict[str, Any]
COUNTS = (3, 8, 10, 16, 20, 24, 32, 37, 48, 64, 71, 93, 96, 128, 140, 192, 256)


@dataclass(frozen=True)
class Sampler:
    """Draws specifications of one kind.

    Attributes:
        share: how many of them a turn of the grid has.
        later: how many come before the grid, for a kind that joined when a grid had been synthesised.
    """

    draw: Callable[[random.Random], Spec]
    share: int
    later: int = 0


def common(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Name and layer of a drawn block."""
    return {"name": spec["kind"], "layer": ""}


def constants(rng: np.random.Generator, rows: int, columns: int, limit: int) -> NDArray[np.int64]:
    """Random integers, rising along the columns."""
    return np.sort(rng.integers(-limit, limit + 1, (rows, columns)), axis=1).astype(np.int64)


def of_pixels(draw_one: Callable[[random.Random], Spec]) -> Callable[[random.Random], Spec]:
    """Draws the same blocks of several pixels a beat, all channels of each side by side (``pixel_block``)."""

    def several(draw: random.Random) -> Spec:
        spec = draw_one(draw)
        return {**spec, "pe": spec["c"], "m": draw.choice((2, 4))}

    return several


def levels(steps: int) -> DataType:
    """The type that so many thresholds yield."""
    return BIPOLAR if steps == 1 else DataType.unsigned((steps + 1).bit_length() - 1)


def draw_folds(draw: random.Random, rows: int, columns: int, most: int, widest: int) -> tuple[int, int]:
    """PE and SIMD whose product is spread evenly over the powers of two up to ``most``."""
    pairs = [(p, s) for p in divisors(rows) for s in divisors(columns) if p * s <= most and s <= widest]
    goal = 2 ** draw.uniform(0, np.log2(most))
    near = sorted(pairs, key=lambda pair: abs(np.log2(pair[0] * pair[1] / goal)))[:6]
    return draw.choice(near)


def draw_lanes(draw: random.Random, channels: int, most: int = 64) -> int:
    """A divisor of the channels."""
    return draw.choice([n for n in divisors(channels) if n <= most])
