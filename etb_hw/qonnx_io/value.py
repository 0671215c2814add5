"""What the interpreter knows of a tensor: an integer core and the float32 chain seen since, or a constant."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from etb_hw.integer import Chain, DataType
from etb_hw.integer.nodes import Pads

NO_AXIS = -1
IMAGE = (0, 1, 2)
SIGNAL = (0, 2)


@dataclass(frozen=True, eq=False)
class Const:
    """A tensor known now: plain ``array``, or behind a quantizer ``ints * scale`` (broadcast).

    Attributes:
        dtype: integer type of the array or of ``ints``, where it is known.
    """

    array: NDArray[np.generic] | None
    ints: NDArray[np.generic] | None = None
    scale: NDArray[np.float32] | None = None
    dtype: DataType | None = None

    @cached_property
    def value(self) -> NDArray[np.generic]:
        """The float values; weights are mostly used as integers, so that this waits for a reader."""
        if self.array is not None:
            return self.array
        assert self.ints is not None
        assert self.scale is not None
        return self.ints.astype(np.float32) * self.scale

    @property
    def shape(self) -> tuple[int, ...]:
        known = self.array if self.array is not None else self.ints
        assert known is not None
        return known.shape

    @property
    def ndim(self) -> int:
        return len(self.shape)


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor that depends on the input: ``chain`` applied to the integer tensor ``core``.

    Attributes:
        core: name of the integer-graph node.
        chain: float32 steps since, constants along the core's channels.
        axes: the core's axis behind each axis of the ONNX tensor, without the batch; (1, 2, 0) is NHWC.
            NO_AXIS stands for one of size 1 that the core lacks; axes of the core that are not named have
            size 1: (0, 2) is a signal (N, C, T).
        order: for flat tensors, the core's index behind each element; None is the natural order.
        pads, pad_value: a border that a Pad node put around the core and a Conv or pool will take.
        shared: somebody else reads the same core, so that it must stay as it is.
        whole: an ONNX integer type, whose divisions drop their remainders.
    """

    core: str
    chain: Chain = field(default_factory=Chain)
    axes: tuple[int, ...] = (0,)
    order: NDArray[np.int64] | None = None
    pads: Pads = (0, 0, 0, 0)
    pad_value: int = 0
    shared: bool = False
    whole: bool = False

    def with_chain(self, chain: Chain) -> Value:
        return replace(self, chain=chain)


@dataclass(frozen=True, eq=False)
class Best:
    """The indices of the ``count`` largest classes, the largest first: the graph may end in them."""

    value: Value
    count: int = 1


@dataclass(frozen=True, eq=False)
class Grouped:
    """``value`` with an axis of groups in front of that of channels; behind it where ``turned``."""

    value: Value
    groups: int
    turned: bool = False


Tensor: TypeAlias = Const | Value | Best | Grouped
