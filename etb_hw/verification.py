"""Proofs: two stages computed the same bits, or the run stops and says where they do not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from etb_hw.errors import Mismatch

Array = NDArray[np.generic]
Traced = Iterator[tuple[str, Array]]  # (layer, tensor (N, C, ...)) in order of computation


@dataclass(frozen=True)
class Proof:
    """A row of ``verification.json``.

    Attributes:
        ties: samples on which the reference's float32 rounded a tie, and float64 gave what was compared.
    """

    step: str
    against: str
    samples: int
    mismatches: int
    max_abs_diff: float
    status: Literal["equal", "different"] = "equal"
    ties: int = 0


class ProofFailed(Mismatch):
    """Raised by a proof that found a difference; carries its row of ``verification.json``."""

    def __init__(self, proof: Proof, where: str) -> None:
        super().__init__(
            f"{proof.step} against {proof.against}",
            f"{proof.mismatches} of {proof.samples} samples differ; first: {where}",
            "no input should do this: run again with --force, and if it stays, report it with the model",
        )
        self.proof = proof


def prove(
    step: str,
    against: str,
    actual: Array,
    expected: Array,
    layer: str = "output",
    locate: Callable[[int], str | None] | None = None,
) -> Proof:
    """Compare two batches (N, C, ...) bit for bit.

    Args:
        step: what was computed, and ``against``: what it must equal.
        layer: the layer that ``actual`` is the output of.
        locate: called with the first differing sample; may say more exactly where the two part.

    Returns:
        The proof, all of whose samples are equal.

    Raises:
        Mismatch: naming layer, sample, channel, position and both values.
    """
    if actual.shape != expected.shape:
        proof = Proof(step, against, len(actual), len(actual), float("inf"), "different")
        raise ProofFailed(proof, f"layer {layer}: shape {actual.shape} instead of {expected.shape}")
    differing = np.flatnonzero((actual != expected).any(axis=tuple(range(1, actual.ndim))))
    if not differing.size:
        return Proof(step, against, len(actual), 0, 0.0)
    first = int(differing[0])
    gap = float(np.abs(actual.astype(np.float64) - expected.astype(np.float64)).max())
    proof = Proof(step, against, len(actual), int(differing.size), gap, "different")
    where = locate(first) if locate is not None else None
    where = where or first_difference(actual[first:], expected[first:], layer)
    raise ProofFailed(proof, f"sample {first}, {where}")


def first_difference(actual: Array, expected: Array, layer: str) -> str:
    """Layer, channel, position and both values of the first difference of two batches (N, C, ...)."""
    place = tuple(int(i) for i in np.argwhere(actual != expected)[0])
    channel = place[1] if len(place) > 1 else 0
    position = f", position {place[2:]}" if len(place) > 2 else ""
    return f"layer {layer}, channel {channel}{position}: {actual[place]} instead of {expected[place]}"


def first_differing_layer(actual: Traced, expected: Traced) -> str | None:
    """Walk two traces that name the same layers; describe the first difference, None where there is none."""
    known = dict(expected)
    for layer, tensor in actual:
        if layer in known and not np.array_equal(tensor, known[layer]):
            return first_difference(tensor, known[layer], layer)
    return None
