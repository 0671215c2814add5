"""How a block moves beats, cycle by cycle: what the stream simulation knows of it.

Most blocks walk through a fixed pattern of steps, one a cycle; a step may take a beat of the first input, of
the second one, or of both, and may send an output beat some cycles later, and the whole block waits while a
finished beat is not taken. A sliding window writes and reads its cyclic buffer independently. A duplicator
hands each beat to its outputs as they come.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

TAKE, SEND, TAKE_SECOND = 1, 2, 4
PATTERN, WINDOW, DUPLICATE = 0, 1, 2
Steps: TypeAlias = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Machine:
    """How a block moves beats.

    Attributes:
        kind: PATTERN, WINDOW or DUPLICATE.
        steps: for PATTERN, what each step does (TAKE, TAKE_SECOND and SEND, added up); it repeats for ever.
        latency: cycles from a step to its beat at the output.
        window: for WINDOW, extents (n0, n1, n2, OW, OH), strides (t0, t1, t2), jumps (a0, a1, a2), depth.
    """

    kind: int
    steps: Steps = field(default_factory=lambda: np.zeros(1, dtype=np.uint8))
    latency: int = 1
    window: tuple[int, ...] = (0,) * 12


def every_beat(latency: int = 1) -> tuple[Machine, ...]:
    """A block that takes a beat in every cycle and sends one for it."""
    return (Machine(PATTERN, np.array([TAKE | SEND], dtype=np.uint8), latency),)


def at_the_last(steps: int, latency: int = 1) -> tuple[Machine, ...]:
    """A block that takes so many beats and sends one for the last of them."""
    pattern = np.full(steps, TAKE, dtype=np.uint8)
    pattern[-1] |= SEND
    return (Machine(PATTERN, pattern, latency),)
