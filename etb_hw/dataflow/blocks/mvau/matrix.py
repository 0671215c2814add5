"""The matrix of an MVAU, its sums, and the words of memory in which our RTL holds it.

What an MVAU costs, and its node in FINN, follow from these; the block puts them together.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from etb_hw.dataflow.fabric.family import Fabric
from etb_hw.dataflow.fabric.memories import bits_of, block_banks
from etb_hw.dataflow.pixel_block import PixelBlock, counts_in
from etb_hw.dataflow.registered_block import RegisteredBlock
from etb_hw.dataflow.resources import small_memory_style
from etb_hw.dataflow.stream import Stream
from etb_hw.dataflow.words import encode, pack_words
from etb_hw.integer.datatype import BIPOLAR, DataType


@dataclass(frozen=True, eq=False, kw_only=True)
class MatrixUnit(PixelBlock, RegisteredBlock):
    """``y = thresholds(W x)`` for every pixel.

    Attributes:
        weights: (MH outputs, MW inputs); inputs in stream order, (ky, kx, channel) for convolutions.
        thresholds: (MH, T), rising along T, or None for plain sums.
        pixels: (H, W) of the output, () after flattening.
        ram_style: FINN's ``auto``, ``block``, ``distributed`` or ``ultra`` for the weights.
        register: whether our RTL has more registers for a faster clock: behind the weights' and inputs'
            memories, behind the banks of deep ones, and within wide population counts.
        writable: whether weights and thresholds can be written at run time, in our RTL. Nothing but their
            contents depends on their values then.
    """

    FOLD_INVARIANT: ClassVar[tuple[str, ...]] = ("accumulator",)

    weights: NDArray[np.integer]
    weight_dtype: DataType
    input_dtype: DataType
    output_dtype: DataType
    thresholds: NDArray[np.int64] | None
    pixels: tuple[int, ...]
    pe: int = 1
    simd: int = 1
    ram_style: str = "auto"
    writable: bool = False

    @property
    def mh(self) -> int:
        return int(self.weights.shape[0])

    @property
    def mw(self) -> int:
        return int(self.weights.shape[1])

    @property
    def xnor(self) -> bool:
        """Whether both factors are bipolar."""
        return self.input_dtype == BIPOLAR and self.weight_dtype == BIPOLAR

    @property
    def depth(self) -> int:
        """Words of the weight memory."""
        return self.mh * self.mw // (self.pe * self.simd)

    @cached_property
    def accumulator(self) -> DataType:
        """Type of the sum: exact over the weights (over all of their type where these can be written),
        and wide enough for every threshold that matters."""
        low, high = self.input_dtype.min, self.input_dtype.max
        if self.writable:
            kind = self.weight_dtype
            corners = [weight * x for weight in (kind.min, kind.max) for x in (low, high)]
            lowest, highest = self.mw * min(corners), self.mw * max(corners)
        else:
            positive = np.maximum(self.weights, 0).sum(axis=1)
            negative = np.minimum(self.weights, 0).sum(axis=1)
            lowest = int((positive * low + negative * high).min())
            highest = int((positive * high + negative * low).max())
        if self.thresholds is not None:
            highest += 1  # a threshold that is never reached
        return DataType.smallest(lowest, highest)

    @cached_property
    def clipped_thresholds(self) -> NDArray[np.int64]:
        """Thresholds within the accumulator's type; those beyond reach stay beyond reach."""
        assert self.thresholds is not None
        return np.clip(self.thresholds, self.accumulator.min, self.accumulator.max)

    @property
    def inputs(self) -> tuple[Stream, ...]:
        return (Stream((*self.pixels, self.mw), self.input_dtype, self.m * self.simd, self.m),)

    @property
    def outputs(self) -> tuple[Stream, ...]:
        return (Stream((*self.pixels, self.mh), self.output_dtype, self.m * self.pe, self.m),)

    @property
    def pixel_counts(self) -> tuple[int, ...]:
        return counts_in(self.pixels)

    @property
    def rtl_ram_style(self) -> str:
        """What our RTL builds: the style, with ``auto`` decided by size."""
        if self.ram_style != "auto":
            return self.ram_style
        return small_memory_style(self.weight_bits, self.depth, constant=not self.writable)

    @property
    def threshold_words(self) -> int:
        """Words of the threshold memory."""
        return self.mh // self.pe

    @property
    def weight_bits(self) -> int:
        """Bits of a word of the weight memory."""
        return self.pe * self.simd * self.weight_dtype.bits

    @property
    def constant_weights(self) -> bool:
        """Whether the weights are one word that never changes, of which synthesis makes logic."""
        return self.depth == 1 and not self.writable

    @property
    def weight_banks(self) -> tuple[int, int]:
        """Words of a bank, and banks, of which registers let one be chosen a cycle after they are read.

        Words that are written at run time stay in one bank.
        """
        if self.register and not self.writable and self.rtl_ram_style in ("block", "ultra"):
            return block_banks(self.weight_bits, self.depth)
        return self.depth, 1

    @property
    def splits_leaves(self) -> bool:
        """Whether counts have a register within: where they add, and their weights come from a memory."""
        return self.register and self.xnor and self.depth > 1 and self.simd > 6

    def weight_words(self) -> tuple[int, ...]:
        """The weight memory in reading order: output folds outer, input folds inner.

        A word holds PE x SIMD weights, SIMD fastest; row ``fold * PE + pe`` belongs to processing element pe.
        """
        folded = self.weights.reshape(self.mh // self.pe, self.pe, self.mw // self.simd, self.simd)
        fields = encode(folded.transpose(0, 2, 1, 3).reshape(self.depth, -1), self.weight_dtype)
        return pack_words(fields, self.weight_dtype.bits)

    @cached_property
    def rtl_accumulator(self) -> DataType:
        """What the RTL accumulates: agreeing pairs for bipolar x bipolar (sum = 2 agreements - MW)."""
        return DataType.smallest(0, self.mw + 1) if self.xnor else self.accumulator

    @property
    def rtl_biased(self) -> bool:
        """Whether sums start from minus the threshold, so that their sign is the output bit.

        Stored thresholds are then negative and a bit wider than the accumulator.
        """
        single = self.thresholds is not None and self.thresholds.shape[1] == 1
        return single and (self.xnor or self.weight_dtype != BIPOLAR)

    @property
    def rtl_thresholds(self) -> NDArray[np.int64]:
        """What the RTL's sums are compared with, as sums: (MH, T), or that for each of several cases."""
        assert self.thresholds is not None
        return self.thresholds

    def threshold_fields(self) -> tuple[NDArray[np.int64], int]:
        """The threshold memory: bit patterns (MH / PE, PE x T), T fastest, and their bits."""
        thresholds = self.rtl_thresholds
        if self.xnor:
            thresholds = np.clip(-(-(thresholds + self.mw) // 2), 0, self.mw + 1)
        else:
            thresholds = np.clip(thresholds, self.accumulator.min, self.accumulator.max)
        folded = thresholds.reshape(len(thresholds) // self.pe, -1)
        if self.rtl_biased:
            wider = DataType.integer(self.rtl_accumulator.bits + 1)
            return encode(-folded, wider), wider.bits
        return encode(folded, self.rtl_accumulator), self.rtl_accumulator.bits

    @property
    def dot_cycles(self) -> int:
        """Cycles from a step to its dot product: reading, registers where asked for, and the tree."""
        later = self.register + (self.weight_banks[1] > 1) + self.splits_leaves
        return 1 + later + bits_of(ceil(self.simd / self.leaf_terms))

    @property
    def leaf_terms(self) -> int:
        """Terms at a leaf of the dot product's tree: bipolar pairs, signed inputs, or one product."""
        return 18 if self.xnor else 2 if self.weight_dtype == BIPOLAR else 1

    @property
    def product_bits(self) -> int:
        """Bits of a product with weights that are not bipolar; inputs without a sign get one."""
        widened = int(not self.input_dtype.signed or self.input_dtype == BIPOLAR)
        return self.input_dtype.bits + widened + self.weight_dtype.bits

    @property
    def adds_products(self) -> bool:
        """Whether wide inputs times weights of two bits are built by an adder each (``etb_dot``, g_add)."""
        w = self.weight_dtype  # one without a sign gets one
        return w != BIPOLAR and w.bits + (not w.signed) == 2 and self.product_bits - w.bits > 6

    def multipliers(self, fabric: Fabric) -> int:
        wide = self.weight_dtype != BIPOLAR and self.product_bits >= fabric.dsp_bits
        return self.m * self.pe * self.simd if wide and not self.adds_products else 0
