"""``export``: the slim network as a QONNX file."""

from __future__ import annotations

import logging
from pathlib import Path

from torch import Tensor, nn

from etb_hw.errors import BadInput
from etb_hw.evolution.note import example_of, note_of
from etb_hw.integer import DataType
from etb_hw.qonnx_io.export import export_model

log = logging.getLogger("etb_hw")


def export(
    model: nn.Module,
    path: Path | str,
    input_dtype: str | None = None,
    input_shape: tuple[int, ...] | None = None,
) -> Path:
    """Write a clean QONNX file of a slim network.

    Args:
        input_dtype: what integers the network reads, such as ``uint8`` for pixels 0..255; None where it reads
            other numbers (then say at import how they come from integers: ``--input-scale 1/255``).
        input_shape: (C, ...) without the batch; that of the example of ``prepare`` by default.

    Raises:
        BadInput: the network is not slim, or has no ONNX form.
    """
    if note_of(model) is not None:
        raise BadInput(
            f"module {type(model).__name__!r}", "is still the trained network", "export etb_hw.slim(model)"
        )
    example = example_of(model)
    if input_shape is None:
        if example is None:
            raise BadInput("etb_hw.export", "the input's shape is not known", "give input_shape=(C, H, W)")
        input_shape = tuple(example.shape[1:])
    dtype = None if input_dtype is None else DataType.parse(input_dtype)
    if dtype is not None and example is not None and not _holds(dtype, example):
        log.warning(
            "the example that prepare was given holds numbers that are no %s: where the network reads such "
            "numbers (pixels / 255), leave input_dtype out and say at import how they come from integers "
            "(--input-scale 1/255)",
            dtype.name,
        )
    export_model(model, path, input_shape, dtype)
    return Path(path)


def _holds(dtype: DataType, values: Tensor) -> bool:
    """Whether all values are integers that a type has."""
    whole = values.detach().double()
    steps = (whole - dtype.min) / dtype.step
    return bool(((whole >= dtype.min) & (whole <= dtype.max) & (steps == steps.round())).all())
