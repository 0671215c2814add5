"""Pixels in finer units, in which the zero of normalised pixels is an integer.

``(p / 255 - 0.5) / 0.5`` is zero between two pixels, at 127.5. In units of half a pixel it is
``(2 p - 255) / 255``, and a border of zeros is one of integers. Other means take smaller units: a few
hundred a pixel come as close to a mean as float32 does.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from etb_hw.integer import ChannelAffine, Input
from etb_hw.qonnx_io.affine import Affine
from etb_hw.qonnx_io.builder import GraphBuilder
from etb_hw.qonnx_io.value import Value

FINEST = 4096  # units a pixel: 12 bits more in the layer behind
_FLOAT32 = 1e-7  # how far two float32 may be from what they mean, relatively


def centred(builder: GraphBuilder, value: Value, affine: Affine) -> tuple[Value, Affine] | None:
    """The network's input over integers of which 0 means zero in every channel.

    What is left of the offset, less than float32 tells, stays with the affine form. None where units would be
    too fine, and for what layers yield, which a quantizer makes integers of at no such cost.
    """
    x = builder.types[value.core]
    if not isinstance(builder.nodes[value.core], Input) or any(value.pads):
        return None
    offset = np.unique(affine.offset / affine.scale)  # mostly one mean for all channels
    if not (np.abs(offset) < 2**16).all():
        return None
    units = np.arange(1, FINEST + 1)[:, None]
    error = np.abs(units * offset - np.rint(units * offset))
    fits = np.flatnonzero((error <= _FLOAT32 * units * np.abs(offset)).all(axis=1))
    if not fits.size:
        return None
    unit = int(units[fits[0], 0])
    mul, add = (
        np.broadcast_to(values, (x.channels,)).astype(np.int64)
        for values in (unit, np.rint(unit * (affine.offset / affine.scale)))
    )
    core = builder.add(ChannelAffine, "centred", (value.core,), mul=mul, add=add)
    scale = affine.scale / unit
    rest = affine.offset - scale * add
    return replace(value, core=core, shared=False), Affine(scale, rest)
