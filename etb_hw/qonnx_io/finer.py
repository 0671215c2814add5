"""Pixels in finer units: those in which what normalised ones mean is an integer in every channel.

``(p / 255 - 0.5) / 0.5`` is zero between two pixels, at 127.5. In units of half a pixel it is
``(2 p - 255) / 255``, and a border of zeros is one of integers. Other means take smaller units: a few
hundred a pixel come as close to a mean as float32 does. Where channels have deviations of their own, a
pixel of each is another number of units, some millions for three decimals of four digits.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from etb_hw.integer import ChannelAffine, Input
from etb_hw.qonnx_io.affine import Affine, Floats
from etb_hw.qonnx_io.builder import GraphBuilder
from etb_hw.qonnx_io.value import Value

FEW = 4096  # units a pixel: three numbers that are as near to so many of them were meant to be
FINEST = 2**24  # 24 bits more in the layer behind
_FLOAT32 = 1e-7  # how far two float32 may be from what they mean, relatively
_EXACT = 1e-10  # where any number is near some number of units: far below what float32 tells
_AT_ONCE = 2**16


def in_finer_units(
    builder: GraphBuilder, value: Value, affine: Affine, bordered: bool
) -> tuple[Value, Affine] | None:
    """The network's input over integers of one scale, of which 0 means zero where it is ``bordered``.

    What is left of the offset, less than float32 tells, stays with the affine form. None where units would be
    too fine, and for what layers yield, which a quantizer makes integers of at no such cost.
    """
    x = builder.types[value.core]
    if not isinstance(builder.nodes[value.core], Input) or any(value.pads):
        return None
    largest = affine.scale.flat[np.abs(affine.scale).argmax()]
    ratio, offset = affine.scale / largest, affine.offset / largest
    if not (np.abs(offset) < 2**16).all():
        return None
    unit = _units(np.unique(ratio), np.unique(offset) if bordered else np.zeros(0))
    if unit is None:
        return None
    mul, add = (
        np.broadcast_to(np.rint(unit * part), (x.channels,)).astype(np.int64)
        for part in (ratio, offset if bordered else np.zeros(()))
    )
    core = builder.add(ChannelAffine, "finer", (value.core,), mul=mul, add=add)
    scale = largest / unit
    rest = affine.offset - scale * add
    return replace(value, core=core, shared=False), Affine(np.asarray(scale), rest)


def _units(ratio: Floats, offset: Floats) -> int | None:
    """The fewest units a pixel in which these are integers."""
    for finest, close in ((FEW, _FLOAT32), (FINEST, _EXACT), (FINEST, _FLOAT32)):
        found = _fewest(ratio, offset, finest, close)
        if found is not None:
            return found
    return None


def _fewest(ratio: Floats, offset: Floats, finest: int, close: float) -> int | None:
    for start in range(1, finest + 1, _AT_ONCE):
        units = np.arange(start, min(start + _AT_ONCE, finest + 1))
        for values, within in ((ratio, close), (offset, _FLOAT32)):
            for each in values:
                units = units[np.abs(units * each - np.rint(units * each)) <= within * np.abs(units * each)]
        if units.size:
            return int(units[0])
    return None
