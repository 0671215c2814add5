"""Label select: the index of the largest logit; FINN's LabelSelect_hls with K = 1.

The first of equal logits wins, as numpy's argmax has it. FINN's formulas give the block no resources.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from etb_hw.dataflow.block import Amounts, Attribute, Caption, RtlInstance
from etb_hw.dataflow.fabric.family import Fabric
from etb_hw.dataflow.fabric.memories import bits_of
from etb_hw.dataflow.fabric.parts import comparator, counter
from etb_hw.dataflow.finn_fields import FinnFields
from etb_hw.dataflow.lane_block import LaneBlock
from etb_hw.dataflow.machine import Machine, at_the_last
from etb_hw.dataflow.registered_block import RegisteredBlock
from etb_hw.dataflow.sampling import Sampler, Spec, common, draw_lanes
from etb_hw.dataflow.stream import Stream
from etb_hw.dataflow.vocabulary import stream_type
from etb_hw.integer.datatype import DataType


@dataclass(frozen=True, eq=False, kw_only=True)
class LabelSelect(LaneBlock, RegisteredBlock):
    """(C,) logits to (1,) label.

    ``register``: whether our RTL has a register behind each level of comparisons, for a faster clock.
    """

    OP: ClassVar[str] = "LabelSelect_hls"
    CAPTION: ClassVar[Caption] = Caption("Largest logit", "pool")

    labels: int
    dtype: DataType
    pe: int = 1

    @property
    def folded_channels(self) -> int:
        return self.labels

    @property
    def inputs(self) -> tuple[Stream, ...]:
        return (Stream((self.labels,), self.dtype, self.pe),)

    @property
    def outputs(self) -> tuple[Stream, ...]:
        # whole bytes, as FINN has it for the last block
        bits = -(-DataType.smallest(0, self.labels - 1).bits // 8) * 8
        return (Stream((1,), DataType.unsigned(bits), 1),)

    def finn_attributes(self) -> Mapping[str, Attribute]:
        return {
            "Labels": self.labels,
            "PE": self.pe,
            "K": 1,
            "inputDataType": stream_type(self.dtype).name,
            "outputDataType": self.outputs[0].dtype.name,
            "numInputVectors": (1,),
        }

    def rtl(self) -> RtlInstance:
        return RtlInstance(
            "label_select",
            {
                "LABELS": self.labels,
                "PE": self.pe,
                "BITS": self.dtype.bits,
                "SIGNED": int(self.dtype.twos_complement),
                "REGISTER": int(self.register),
                "OUT_BITS": self.outputs[0].dtype.bits,
            },
        )

    def execute(self, *frames: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
        return (frames[0].argmax(axis=-1)[:, None],)

    def machines(self) -> tuple[Machine, ...]:
        return at_the_last(self.labels // self.pe, 1 + self._levels)

    @property
    def _levels(self) -> int:
        """Registers on the way through the tree."""
        return bits_of(self.pe) if self.register else 0

    @property
    def registers(self) -> int:
        # where a beat holds all values, nothing compares the largest of it
        unread = self.dtype.bits if self._levels and self.labels == self.pe else 0
        return super().registers + self._levels + _kept(self.pe, self._levels, self.dtype.bits) - unread

    @classmethod
    def from_finn(cls, f: FinnFields) -> Self:
        return cls(
            **f.names, labels=f["Labels"], dtype=f.dtype("inputDataType"), pe=f["PE"],
            register=f.flag("etb_register"),
        )  # fmt: skip

    def lut_amounts(self, fabric: Fabric) -> Amounts:
        fold, pe, index, bits = self.labels // self.pe, self.pe, self._index_bits, self.dtype.bits
        known = fold == 1  # then the first value needs no comparison
        return {
            "one": 1,
            "counters": 0 if known else counter(fold) + index,
            "compared": (pe - known) * comparator(bits),
            # a single value is kept by the register's enable
            "chosen": max(0, pe - 2 * known) * bits if pe > 1 else 0,
            "labels": (pe - 1) * index,
        }

    def ff_amounts(self, fabric: Fabric) -> Amounts:
        fold, index = self.labels // self.pe, self._index_bits
        return {
            "one": 1,
            "best": self.dtype.bits if fold > 1 else 0,
            "labels": 2 * index + bits_of(fold) if fold > 1 else index,
        }

    @property
    def _index_bits(self) -> int:
        """Bits of the label; where several beats are compared, those above it are counted too."""
        return self.outputs[0].dtype.bits if self.labels > self.pe else bits_of(self.labels)

    @classmethod
    def samplers(cls) -> tuple[Sampler, ...]:
        return (Sampler(_label, 2),)

    @classmethod
    def from_spec(cls, spec: Spec, rng: np.random.Generator) -> Self:
        return cls(**common(spec), labels=spec["c"], dtype=DataType.parse(spec["x"]), pe=spec["pe"])


def _kept(values: int, levels: int, bits: int) -> int:
    """Flip-flops of a tree of ``etb_largest``: each node keeps a value, and its index where it compares."""
    if levels == 0:
        return 0
    if values == 1:
        return levels * bits
    low = 1 << (bits_of(values) - 1)
    below = _kept(low, levels - 1, bits) + _kept(values - low, levels - 1, bits)
    return bits + bits_of(values) + below


def _label(draw: random.Random) -> Spec:
    c = draw.choice((10, 10, 16, 100))
    return {
        "kind": "LabelSelect",
        "c": c,
        "pe": draw_lanes(draw, c, 10),
        "x": draw.choice(("INT8", "INT12", "INT16")),
    }
