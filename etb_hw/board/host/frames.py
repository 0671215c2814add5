"""Frames of integers to the bytes that travel to an accelerator, and back. Needs numpy only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


class BoardError(RuntimeError):
    """The board does not answer, answers wrongly, or holds another design."""


def checked(images: Any, stream: Mapping[str, Any]) -> Any:
    """Images (N, H, W, C), (N, H, W) of one channel or (N, features) as (N, *shape). Raises ValueError.

    As many values in another order, such as (N, C, H, W), would be a scrambled image.
    """
    batch, shape = np.asarray(images), tuple(stream["shape"])
    given, taken = ([size for size in sizes if size != 1] for sizes in (batch.shape[1:], shape))
    if batch.ndim < 2 or (given != taken and (len(taken) > 1 or int(np.prod(given)) != int(np.prod(taken)))):
        turned = given and [*given[1:], given[0]] == taken
        remedy = ": give numpy.moveaxis(images, 1, -1)" if turned else ""
        raise ValueError(f"images have shape {batch.shape[1:]}, the accelerator takes {shape}{remedy}")
    if batch.dtype.kind not in "iu" or not in_range(batch, stream):
        raise ValueError(f"images hold {batch.dtype} values, the accelerator takes {stream['type']}")
    return batch.reshape(len(batch), *shape)


def in_range(values: Any, stream: Mapping[str, Any]) -> bool:
    """Whether a stream's type holds all values."""
    if not values.size:
        return True
    fits = stream["min"] <= int(values.min()) and int(values.max()) <= stream["max"]
    return bool(fits and not ((values.astype(np.int64) - stream["min"]) % stream["step"]).any())


def to_bytes(frames: Any, stream: Mapping[str, Any]) -> Any:
    """Frames (N, ..., C) as they travel, (N, bytes): channels innermost, whole bytes a beat."""
    lanes, bits = stream["lanes"], stream["bits"]
    fields = (
        (frames.astype(np.int64) - stream["min"]) // 2 if stream["step"] == 2 else frames.astype(np.int64)
    )
    planes = (fields.reshape(len(frames), -1, lanes)[..., None] >> np.arange(bits)) & 1
    packed = np.packbits(planes.reshape(*planes.shape[:2], -1).astype(np.uint8), axis=2, bitorder="little")
    padded = np.zeros((*packed.shape[:2], stream["beat_bytes"]), dtype=np.uint8)
    padded[..., : packed.shape[2]] = packed
    return padded.reshape(len(frames), -1)


def from_bytes(frames: Sequence[bytes], stream: Mapping[str, Any]) -> Any:
    """Integers (N, *shape), channels last, of frames as they travel."""
    lanes, bits = stream["lanes"], stream["bits"]
    raw = np.frombuffer(b"".join(frames), dtype=np.uint8).reshape(-1, stream["beat_bytes"])
    planes = np.unpackbits(raw, axis=1, bitorder="little")[:, : lanes * bits].reshape(-1, lanes, bits)
    values = planes.astype(np.int64) @ (1 << np.arange(bits, dtype=np.int64))
    if stream["step"] == 2:
        values = 2 * values + stream["min"]
    elif stream["min"] < 0:
        values = values - ((values >> (bits - 1)) << bits)
    return values.reshape(len(frames), *stream["shape"])
