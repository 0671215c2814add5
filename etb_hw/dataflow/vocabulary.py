"""FINN's vocabulary: op domains, and the data types it uses where we say bipolar."""

from __future__ import annotations

from etb_hw.integer.datatype import BIPOLAR, DataType

DOMAIN = "finn.custom_op.fpgadataflow"
OWN_DOMAIN = "etb_hw.dataflow"  # of nodes that FINN does not have, so that it refuses them


def domain_of(op: str) -> str:
    """The ONNX domain of an op type: its backend is the suffix, ``MVAU_hls`` or ``FMPadding_rtl``."""
    return f"{DOMAIN}.{op.rsplit('_', 1)[1]}"


def stream_type(dtype: DataType) -> DataType:
    """The type a stream has in FINN: after its XNOR conversion a bipolar value travels as BINARY."""
    return DataType.unsigned(1) if dtype == BIPOLAR else dtype


def vectors(shape: tuple[int, ...]) -> tuple[int, ...]:
    """FINN's ``numInputVectors`` of a stream shape: batch and pixels, (1, H, W) or (1,)."""
    return (1, *shape[:-1])
