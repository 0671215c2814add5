"""What FINN has for an MVAU: its formulas, its node with the constants as it holds them, and the way back.

Resources after FINN-R (Blott et al. 2018, as FINN's MVAU_hls documents them), with W and A the bits of a
weight and an input, P = PE, Q = SIMD and ``acc`` the accumulator bits:
``LUT = 300 + 1.1 P (Q (2 ceil((W+A)/6) - 1) (W+A) + (W+A)(2Q - 1) + acc) + LUTRAM`` where LUTRAM is
``P Q W ceil(depth / 64)`` for distributed weights. Threshold memories are counted only where
``ram_style_thresholds`` is ``distributed``, which FINN's default is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import ceil, log2, prod
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from etb_hw.dataflow.block import Attribute, FinnParameter, Fold
from etb_hw.dataflow.blocks.mvau.matrix import MatrixUnit
from etb_hw.dataflow.finn_fields import FinnFields
from etb_hw.dataflow.resources import RAM_STYLES, Resources, bram_18k, urams
from etb_hw.dataflow.vocabulary import stream_type, vectors
from etb_hw.dataflow.words import lowest_value
from etb_hw.integer.datatype import BIPOLAR, DataType


@dataclass(frozen=True, eq=False)
class _FinnTerms:
    """Constants as FINN holds them: weights (MW, MH), thresholds (MH, T), and their types."""

    weights: NDArray[np.integer]
    weight_dtype: DataType
    thresholds: NDArray[np.int64] | None
    accumulator: DataType


@dataclass(frozen=True, eq=False, kw_only=True)
class FinnMatrixUnit(MatrixUnit):
    """A matrix unit as FINN sees it."""

    OP: ClassVar[str] = "MVAU_hls"

    @property
    def counts_matches(self) -> bool:
        # FINN has no unit of several pixels: our node of it says sums
        return self.xnor and self.thresholds is None and self.m == 1

    def finn_fold(self, target: int, widest: int) -> Fold:
        simd = 1
        for value in sorted({int(fold["SIMD"]) for fold in self.folds}):
            before, simd = simd, value
            if self.folded({"PE": 1, "SIMD": simd}).finn_cycles < target:
                break
            if self.finn_weight_dtype.bits * simd > widest:
                simd = before
                break
        return {"SIMD": simd, "PE": self.folded({"SIMD": simd}).raised("PE", self.mh, target)}

    @property
    def finn_weight_dtype(self) -> DataType:
        """FINN's type of the weights: it stores -1 and +1 in two bits unless inputs are signs too."""
        return DataType.integer(2) if self.weight_dtype == BIPOLAR and not self.xnor else self.weight_dtype

    def resources(self) -> Resources:
        w, a = self.finn_weight_dtype.bits, self.input_dtype.bits
        width, depth = self.pe * self.simd * w, self.depth
        product = self.simd * (2 * ceil((w + a) / 6) - 1) * (w + a)
        adders = (w + a) * (2 * self.simd - 1)
        # the data types' bound on the accumulator (Colbert et al., arXiv 2301.13376) caps its width
        alpha = log2(self.mw) + w + a - 1 - int(self.input_dtype.signed and not self.xnor)
        bits = min(self._finn_accumulator_bits, ceil(alpha + log2(1 + 2**-alpha) + 1))
        memory = width * ceil(depth / 64) if self.ram_style == "distributed" else 0
        return Resources(
            lut=int(300 + 1.1 * self.pe * (product + adders + bits) + memory),
            bram_18k=bram_18k(width, depth) if self.ram_style in ("auto", "block") else 0,
            uram=urams(width, depth) if self.ram_style == "ultra" else 0,
        ).times(self.m)

    @property
    def _finn_accumulator_bits(self) -> int:
        return max(1, self.mw.bit_length()) if self.xnor else self.accumulator.bits

    @property
    def memory_bits(self) -> int:
        return self.mh * self.mw * self.finn_weight_dtype.bits

    @property
    def counts(self) -> Mapping[str, int]:
        weight_bits = self.finn_weight_dtype.bits
        w, a = sorted((weight_bits, self.input_dtype.bits))
        found = {
            f"op_mac_{w}bx{a}b": self.mh * self.mw * prod(self.pixels),
            f"param_weight_{weight_bits}b": self.mh * self.mw,
        }
        if self.thresholds is not None:
            found[f"param_threshold_{self._finn_accumulator_bits}b"] = self.mh
        return found

    @cached_property
    def _finn_terms(self) -> _FinnTerms:
        weights, accumulator, thresholds = self.weights.T, self.accumulator, self.thresholds
        if self.xnor:
            # FINN counts matches: sum = 2 matches - MW, so t becomes ceil((t + MW) / 2)
            accumulator = DataType.unsigned(self._finn_accumulator_bits)
            if thresholds is not None:
                thresholds = np.clip(-(-(thresholds + self.mw) // 2), 0, self.mw + 1)
                accumulator = DataType.smallest(0, self.mw + 1)
            return _FinnTerms((weights + 1) // 2, DataType.unsigned(1), thresholds, accumulator)
        if thresholds is not None:
            thresholds = self.clipped_thresholds
        return _FinnTerms(weights, self.finn_weight_dtype, thresholds, accumulator)

    def finn_attributes(self) -> Mapping[str, Attribute]:
        terms = self._finn_terms
        return {
            "MW": self.mw,
            "MH": self.mh,
            "PE": self.pe,
            "SIMD": self.simd,
            "inputDataType": stream_type(self.input_dtype).name,
            "weightDataType": terms.weight_dtype.name,
            "outputDataType": self.finn_output(0).name,
            "accDataType": terms.accumulator.name,
            "ActVal": lowest_value(self.output_dtype),
            "binaryXnorMode": int(self.xnor),
            "noActivation": int(self.thresholds is None),
            "numInputVectors": vectors(self.outputs[0].shape),
            "resType": "lut",
            "mem_mode": "internal_decoupled",
            "ram_style": self.ram_style,
            "runtime_writeable_weights": int(self.ram_style == "ultra"),
        }

    @property
    def finn_notes(self) -> Mapping[str, Attribute]:
        notes = dict(super().finn_notes)
        if self.weight_dtype != self.finn_weight_dtype:
            notes["etb_weights"] = self.weight_dtype.name
        if self.writable:
            notes["etb_writable"] = 1
        return notes

    def finn_parameters(self) -> tuple[FinnParameter, ...]:
        terms = self._finn_terms
        weights = ("weights", terms.weights.astype(np.float32), terms.weight_dtype)
        if terms.thresholds is None:
            return (weights,)
        return (weights, ("thresholds", terms.thresholds.astype(np.float32), terms.accumulator))

    def finn_output(self, port: int) -> DataType:
        if self.thresholds is not None or self.m > 1:
            return stream_type(self.output_dtype)
        return self._finn_accumulator

    @property
    def _finn_accumulator(self) -> DataType:
        """FINN counts matches where both factors are bipolar."""
        return DataType.unsigned(self._finn_accumulator_bits) if self.xnor else self.accumulator

    @classmethod
    def from_finn(cls, f: FinnFields) -> Self:
        xnor = bool(f["binaryXnorMode"])
        weights = f.ints(0).T
        thresholds = None if f["noActivation"] else f.ints(1)
        if xnor:
            weights = 2 * weights - 1
            if thresholds is not None:
                thresholds = 2 * thresholds - weights.shape[1]
        return cls(
            **f.names,
            weights=weights.astype(np.int8) if np.abs(weights).max(initial=0) < 128 else weights,
            weight_dtype=BIPOLAR if xnor else DataType.parse(f.text("etb_weights", f["weightDataType"])),
            input_dtype=f.dtype("inputDataType"),
            output_dtype=f.dtype("outputDataType", "etb_outputs"),
            thresholds=thresholds,
            pixels=f.pixels,
            pe=f["PE"],
            simd=f["SIMD"],
            ram_style=f.choice("ram_style", RAM_STYLES),
            register=f.flag("etb_register"),
            writable=f.flag("etb_writable"),
            m=f.get("M", 1),
        )
