"""MVAU: matrix-vector product with optional fused thresholds, FINN's MatrixVectorActivation.

PE rows times SIMD columns of the matrix meet in a cycle. Three arithmetic forms share the block: bipolar x
bipolar by XNOR and popcount, few-bit or 8-bit input x bipolar weights by conditional negation, and few-bit
weights by multiplication. M pixels a cycle (``pixel_block``) are M unrolled units side by side.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, prod
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from etb_hw.dataflow.block import Amounts, Caption, Fold, LargeMemory, RtlInstance, RtlMemory
from etb_hw.dataflow.blocks.mvau.cost import ff_amounts, lut_amounts
from etb_hw.dataflow.blocks.mvau.finn_unit import FinnMatrixUnit
from etb_hw.dataflow.blocks.mvau.samples import SAMPLERS
from etb_hw.dataflow.divisors import divisors
from etb_hw.dataflow.fabric.family import Fabric
from etb_hw.dataflow.fabric.links import Link
from etb_hw.dataflow.fabric.memories import bits_of
from etb_hw.dataflow.fabric.parts import split_registers
from etb_hw.dataflow.machine import PATTERN, SEND, TAKE, Machine
from etb_hw.dataflow.multi_threshold import multi_threshold
from etb_hw.dataflow.resources import RAM_STYLES
from etb_hw.dataflow.sampling import Sampler, Spec, common, constants, levels
from etb_hw.dataflow.words import lowest_value, pack_words, side_by_side
from etb_hw.integer.datatype import BIPOLAR, DataType


@dataclass(frozen=True, eq=False, kw_only=True)
class Mvau(FinnMatrixUnit):
    """The block; its parameters are those of ``MatrixUnit``."""

    CAPTION: ClassVar[Caption] = Caption("Matrix-vector unit", "mvau")
    MAKES_CHANNELS: ClassVar[bool] = True

    @property
    def cycles(self) -> int:
        return prod(self.pixels) // self.m * (self.mh // self.pe) * (self.mw // self.simd)

    @property
    def folds(self) -> tuple[Fold, ...]:
        return tuple({"PE": pe, "SIMD": simd} for pe in divisors(self.mh) for simd in divisors(self.mw))

    def loadable(self) -> Self:
        return replace(self, writable=True)

    def redrawn(self, rng: np.random.Generator) -> Self:
        if not self.writable:
            return self
        weights = rng.permutation(self.weights.reshape(-1)).reshape(self.weights.shape)
        if self.thresholds is None:
            return replace(self, weights=weights)
        thresholds = rng.permutation(self.thresholds)
        # the ends of what the memory holds: an output that never changes, either way
        thresholds[:2] = np.array([[self.accumulator.max], [self.accumulator.min]])[: len(thresholds)]
        return replace(self, weights=weights, thresholds=thresholds)

    @property
    def registers(self) -> int:
        return super().registers + self.m * self._more_registers * self.register

    @property
    def _more_registers(self) -> int:
        weights = 0 if self.constant_weights else self.weight_bits
        inputs = self.simd * self.input_dtype.bits
        _, banks = self.weight_banks
        if banks > 1:
            weights += banks * self.weight_bits
            inputs += inputs + 2 * bits_of(banks)
        return weights + inputs + self.splits_leaves * self.pe * split_registers(self.simd)

    @property
    def links(self) -> tuple[Link, ...]:
        if not self.writable:
            return ()
        links = [Link(self.weight_bits, self.depth, self.rtl_ram_style, 1 + self.register)]
        if self.thresholds is not None:
            width = self.pe * int(self.thresholds.shape[1]) * self.threshold_fields()[1]
            links.append(Link(width, self.mh // self.pe))
        return tuple(links)

    def rtl(self) -> RtlInstance:
        steps = 0 if self.thresholds is None else int(self.thresholds.shape[1])
        rows, banks = self.weight_banks
        words = side_by_side(self.weight_words(), self.weight_bits, rows)
        memories = [RtlMemory("WEIGHTS", banks * self.weight_bits, words, self.writable)]
        if steps:
            fields, bits = self.threshold_fields()
            words = pack_words(fields, bits)
            memories.append(RtlMemory("THRESHOLDS", self.pe * steps * bits, words, self.writable))
        return RtlInstance(
            "mvau" if self.m == 1 else "mvau_pixels",
            {
                **self.pixel_parameters,
                "MW": self.mw,
                "MH": self.mh,
                "PE": self.pe,
                "SIMD": self.simd,
                "IN_BITS": self.input_dtype.bits,
                "IN_SIGNED": int(self.input_dtype.signed),
                "IN_BIPOLAR": int(self.input_dtype == BIPOLAR),
                "W_BITS": self.weight_dtype.bits,
                "W_SIGNED": int(self.weight_dtype.signed),
                "W_BIPOLAR": int(self.weight_dtype == BIPOLAR),
                "ACC_BITS": self.rtl_accumulator.bits,
                "ACC_SIGNED": int(self.rtl_accumulator.signed),
                "STEPS": steps,
                "OUT_BITS": self.output_dtype.bits,
                "OUT_BIAS": lowest_value(self.output_dtype),
                "RAM_STYLE": self.rtl_ram_style,
                "REGISTER": int(self.register),
                **({"WRITABLE": int(self.writable)} if self.m == 1 else {}),
                **({"ROWS": rows} if banks > 1 else {}),
                **({"SPLIT": 1} if self.splits_leaves else {}),
            },
            tuple(memories),
        )

    @property
    def dead_value(self) -> int | None:
        return None if self.thresholds is None else self.output_dtype.min

    def may_have_dead(self, low: int, channels: int) -> bool:
        # in plain sums dead inputs have to cancel in pairs
        cancels = (self.mw // channels) % 2 == 0 or self.input_dtype.min == 0
        return self.thresholds is not None or cancels

    def with_dead(self, channels: int, dead_in: int, dead_out: int) -> Self:
        """The same function with dead channels appended: ``dead_in`` to the ``channels`` it reads (every tap
        of the kernel has them), ``dead_out`` to its rows.

        Dead inputs hold the lowest value of their type. Their weights alternate, so that they cancel but for
        one at most, which the thresholds absorb. Dead rows never reach their thresholds.
        """
        taps = self.mw // channels
        live = self.weights.reshape(self.mh, taps, channels)
        extra = np.resize(np.array([1, -1], dtype=live.dtype), taps * dead_in).reshape(1, taps, dead_in)
        padded = np.concatenate([live, np.broadcast_to(extra, (self.mh, taps, dead_in))], axis=2)
        weights = padded.reshape(self.mh, -1)
        shift = int(extra.sum()) * self.input_dtype.min
        assert self.thresholds is not None or (shift == 0 and not dead_out), "plain sums cannot absorb"
        rows = np.broadcast_to(weights[:1], (dead_out, weights.shape[1]))
        grown = replace(self, weights=np.concatenate([weights, rows]))
        if self.thresholds is None:
            return grown
        kept = self.thresholds + shift
        never = np.full((dead_out, kept.shape[1]), grown.accumulator.max + 1, dtype=np.int64)
        return replace(grown, thresholds=np.concatenate([kept, never]))

    def execute(self, *frames: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
        (x,) = frames
        # float64 products are exact here: sums stay below 2**53 by far, and BLAS makes them fast
        sums = np.rint(x.astype(np.float64) @ self.weights.T.astype(np.float64)).astype(np.int64)
        if self.thresholds is None:
            return (sums,)
        return (multi_threshold(sums, self.thresholds, self.output_dtype),)

    def machines(self) -> tuple[Machine, ...]:
        rows, columns = self.mh // self.pe, self.mw // self.simd
        steps = np.zeros((rows, columns), dtype=np.uint8)
        steps[0] |= TAKE  # later rows read the kept copy
        steps[:, -1] |= SEND
        return (Machine(PATTERN, steps.reshape(-1), self.dot_cycles + 3),)

    @property
    def kind(self) -> str:
        if self.weight_dtype != BIPOLAR:
            return "Mvau products"
        if not self.xnor:
            wide = self.input_dtype.bits > 8  # their carry chains outweigh all else
            return "Mvau bipolar weights, wide inputs" if wide else "Mvau bipolar weights"
        return "Mvau binary" if self.thresholds is not None else "Mvau binary sums"

    @property
    def ram_styles(self) -> tuple[str, ...]:
        return RAM_STYLES

    @property
    def memory(self) -> LargeMemory | None:
        # UltraRAM has no contents at power-up: our RTL keeps weights in block RAM instead
        style = "block" if self.rtl_ram_style == "ultra" else self.rtl_ram_style
        rows, banks = self.weight_banks
        width = self.m * banks * self.weight_bits
        if self.writable:
            width = 9 * ceil(width / 8)  # block RAM is written by bytes of nine bits, eight of which are used
        return LargeMemory(width, rows, style, self.writable)

    def lut_amounts(self, fabric: Fabric) -> Amounts:
        return {name: self.m * amount for name, amount in lut_amounts(self, fabric).items()}

    def ff_amounts(self, fabric: Fabric) -> Amounts:
        return {name: self.m * amount for name, amount in ff_amounts(self, fabric).items()}

    @classmethod
    def samplers(cls) -> tuple[Sampler, ...]:
        return SAMPLERS

    @classmethod
    def from_spec(cls, spec: Spec, rng: np.random.Generator) -> Self:
        w, x = DataType.parse(spec["w"]), DataType.parse(spec["x"])
        weights = w.min + w.step * rng.integers(0, w.levels, (spec["mh"], spec["mw"]))
        largest = max(-x.min, x.max) * max(-w.min, w.max) * spec["mw"]
        steps = spec["steps"]
        # thresholds spread like the sums of random products
        spread = max(2, int(largest / spec["mw"] ** 0.5))
        return cls(
            **common(spec),
            weights=weights,
            weight_dtype=w,
            input_dtype=x,
            output_dtype=levels(steps) if steps else DataType.smallest(-largest, largest),
            thresholds=constants(rng, spec["mh"], steps, spread) if steps else None,
            pixels=(4, 4),
            pe=spec["pe"],
            simd=spec["simd"],
            m=spec.get("m", 1),
            ram_style=spec["style"],
        )
