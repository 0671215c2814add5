"""Which images to simulate in RTL, where each costs thousands of cycles: those that exercise the design.

A wrong weight or threshold moves one channel's sums by a little. It shows only where a sum lies next to its
threshold, so that the channel takes its other state, and where the layers behind it pass that on. Images are
chosen one after another for the sums next to thresholds that those before have not had.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from etb_hw.integer import IntegerGraph, Threshold, reference

NEAREST = 0.05  # of a channel's sums, on either side of a threshold: they count as next to it
ENOUGH = 3.0  # that many of them in an image show a fault with a chance of 1 - 1/e


def telling(graph: IntegerGraph, x: NDArray[np.integer], count: int) -> NDArray[np.intp]:
    """Indices of the ``count`` images (all, if there are no more) of ``x`` that would show the most faults.

    The most telling one comes first; the same images give the same choice. Every channel that takes both
    states over ``x`` has sums on both sides of its thresholds here, and counts for both.
    """
    chances: list[NDArray[np.float64]] = []

    def look(name: str, tensor: NDArray[np.int64]) -> None:
        for node in readers.get(name, ()):
            chances.extend(_chances(tensor, column) for column in node.thresholds.T)

    readers: dict[str, list[Threshold]] = {}
    for node in graph.nodes:
        if isinstance(node, Threshold):
            readers.setdefault(node.inputs[0], []).append(node)
    reference.execute(graph, x, trace=look)
    shows = np.concatenate(chances, axis=1) if chances else np.zeros((len(x), 0))
    hidden = np.ones(shows.shape[1])
    chosen: list[int] = []
    left = np.ones(len(x), dtype=bool)
    for _ in range(min(count, len(x))):
        best = int(np.argmax(np.where(left, shows @ hidden, -1.0)))
        chosen.append(best)
        left[best] = False
        hidden *= 1 - shows[best]
    return np.asarray(chosen, dtype=np.intp)


def _chances(sums: NDArray[np.int64], thresholds: NDArray[np.int64]) -> NDArray[np.float64]:
    """(N, 2 C): how likely each image shows a fault of each channel, just reached and just missed."""
    by_channel = np.moveaxis(sums.reshape(*sums.shape[:2], -1), 1, 0)  # (C, N, pixels)
    found = []
    for channel, threshold in zip(by_channel, thresholds, strict=True):
        above = channel - threshold
        for reached in (above >= 0, above < 0):
            distance = np.abs(above)
            near = np.quantile(distance[reached], NEAREST) if reached.any() else -1
            hits = (reached & (distance <= near)).sum(axis=1)
            found.append(1 - np.exp(-hits / ENOUGH))
    return np.stack(found, axis=1)
