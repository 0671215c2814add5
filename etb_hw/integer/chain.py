"""Per-channel elementwise float32 chains: what stands between an integer core and a quantizer.

A chain is evaluated step by step in float32, exactly as the reference does it, because thresholds are
read off by evaluation and not by algebra (all float rounding included).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Op = Literal["mul", "add", "sub", "rsub", "div", "max", "min", "leaky", "tanh", "sigmoid"]


@dataclass(frozen=True, eq=False)
class Link:
    """One float32 operation with a constant: scalar, shape (), or one a channel, shape (C,).

    ``sub`` is x - c, ``rsub`` is c - x, ``div`` is x / c, ``max`` with 0 is a ReLU, ``leaky`` multiplies what
    is negative; ``tanh`` and ``sigmoid`` take no notice of the constant.

    A constant is float32 as the network has it, or float64 where it says what sums mean that float32 rounds.
    """

    op: Op
    constant: NDArray[np.floating]

    def apply(self, x: NDArray[Any], axis: int = -1) -> NDArray[Any]:
        c = self.constant.astype(np.float64 if x.dtype == np.float64 else np.float32)
        if c.ndim:
            shape = [1] * x.ndim
            shape[axis] = c.shape[0]
            c = c.reshape(shape)
        y: NDArray[Any]
        match self.op:
            case "mul":
                y = x * c
            case "add":
                y = x + c
            case "sub":
                y = x - c
            case "rsub":
                y = c - x
            case "div":
                y = x / c
            case "max":
                y = np.maximum(x, c)
            case "min":
                y = np.minimum(x, c)
            case "leaky":
                y = np.where(x < 0, x * c, x)
            case "tanh":
                y = np.tanh(x.astype(np.float64))
            case "sigmoid":
                y = 0.5 * (1 + np.tanh(0.5 * x.astype(np.float64)))
        return y


@dataclass(frozen=True, eq=False)
class Table:
    """A function from integers to float32, by its values: what stands in front of a chain's links.

    Attributes:
        rows: keys in rising order and the value of each, rising too; an integer between two keys has the
            lower one's.
        row: which of them each channel has, (C,).
        sign: +1 where a channel's integers are keys, -1 where they are the negative of keys, (C,).
    """

    rows: tuple[tuple[NDArray[np.int64], NDArray[np.float32]], ...]
    row: NDArray[np.int64]
    sign: NDArray[np.int64]

    def apply(self, x: NDArray[Any], axis: int = -1) -> NDArray[np.float32]:
        moved = np.moveaxis(np.asarray(x), axis, 0)
        out = np.empty(moved.shape, dtype=np.float32)
        for channel, row in enumerate(self.row):
            keys, values = self.rows[row]
            found = np.searchsorted(keys, self.sign[channel] * moved[channel], side="right") - 1
            out[channel] = values[np.maximum(found, 0)]
        return np.moveaxis(out, 0, axis)


@dataclass(frozen=True, eq=False)
class Chain:
    """Links, applied first to last, to the integers or to what ``start`` makes of them."""

    links: tuple[Link, ...] = field(default=())
    start: Table | None = None

    def then(self, op: Op, constant: object, real: type[np.floating] = np.float32) -> Chain:
        return Chain((*self.links, Link(op, np.asarray(constant, dtype=real))), self.start)

    def of_channels(self, channels: NDArray[np.int64]) -> Chain:
        """The same for these of its channels."""
        start = self.start
        if start is not None:
            start = replace(start, row=start.row[channels], sign=start.sign[channels])
        links = (
            replace(link, constant=link.constant[channels]) if link.constant.ndim else link
            for link in self.links
        )
        return Chain(tuple(links), start)

    def apply(self, x: NDArray[np.generic], axis: int = -1) -> NDArray[np.float32]:
        """Evaluate on integers (or floats) ``x`` whose channels lie on ``axis``."""
        begun = x if self.start is None else self.start.apply(x, axis)
        y: NDArray[np.float32] = np.asarray(begun, dtype=np.float32)
        for link in self.links:
            y = np.asarray(link.apply(y, axis), dtype=np.float32)
        return y

    @property
    def rounded(self) -> bool:
        """Whether it begins behind sums that float32 rounds: what it gives is told in float64 only."""
        return any(link.constant.dtype == np.float64 for link in self.links)

    def in_float64(self, x: NDArray[np.generic], axis: int = -1) -> NDArray[np.float64]:
        """The same in float64: what the float32 links round."""
        begun = x if self.start is None else self.start.apply(x, axis)
        exact: NDArray[np.float64] = np.asarray(begun, dtype=np.float64)
        for link in self.links:
            exact = link.apply(exact, axis)
        return exact
