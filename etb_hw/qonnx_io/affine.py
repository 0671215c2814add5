"""Reading a chain as y = scale * x + offset, and the direction in which it runs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from etb_hw.integer import Chain

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Affine:
    """``y = scale * x + offset``; both of shape () or (C,), in float64 (exact for a few float32 factors)."""

    scale: Floats
    offset: Floats

    @property
    def uniform(self) -> bool:
        """One scale and one offset for all channels."""
        return bool((self.scale == self.scale.flat[0]).all() and (self.offset == self.offset.flat[0]).all())

    @property
    def integer_offset(self) -> NDArray[np.int64] | None:
        """``k`` with y = scale * (x + k) exactly, if there is such an integer a channel."""
        with np.errstate(all="ignore"):
            k = np.rint(self.offset / self.scale)
        if not np.isfinite(k).all() or (np.abs(k) > 2**31).any() or (k * self.scale != self.offset).any():
            return None
        return np.asarray(k, dtype=np.int64)


def as_affine(chain: Chain) -> Affine | None:
    """The chain's affine form, or None where it clips or starts from a table."""
    if chain.start is not None:
        return None
    scale: Floats = np.ones(())
    offset: Floats = np.zeros(())
    for step in chain.links:
        c = step.constant.astype(np.float64)
        match step.op:
            case "mul":
                scale, offset = scale * c, offset * c
            case "div":
                scale, offset = scale / c, offset / c
            case "add":
                offset = offset + c
            case "sub":
                offset = offset - c
            case "rsub":
                scale, offset = -scale, c - offset
            case _:
                return None
    return Affine(np.asarray(scale), np.asarray(offset))


def direction(chain: Chain) -> NDArray[np.int64]:
    """+1 where the chain rises with x, -1 where it falls, 0 where it is constant; shape () or (C,)."""
    sign: Floats = np.ones(()) if chain.start is None else chain.start.sign.astype(np.float64)
    for step in chain.links:
        if step.op in ("mul", "div"):
            sign = sign * np.sign(step.constant)
        elif step.op == "rsub":
            sign = -sign
    return np.asarray(sign, dtype=np.int64)


def then(chain: Chain, op: str, constant: object, real: type[np.floating] = np.float32) -> Chain:
    """``chain`` and one step more, left out where it changes nothing."""
    array = np.asarray(constant, dtype=real)
    neutral = 1 if op in ("mul", "div") else 0 if op in ("add", "sub") else None
    if neutral is not None and (array == neutral).all():
        return chain
    return chain.then(op, array, real)  # type: ignore[arg-type]
