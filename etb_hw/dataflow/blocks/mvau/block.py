"""MVAU: matrix-vector product with optional fused thresholds, FINN's MatrixVectorActivation.

PE rows times SIMD columns of the matrix meet in a cycle. Three arithmetic forms share the block: bipolar x
bipolar by XNOR and popcount, few-bit or 8-bit input x bipolar weights by conditional negation, and few-bit
weights by multiplication. M pixels a cycle (``pixel_block``) are M unrolled units side by side.

Resources after FINN-R (Blott et al. 2018, as FINN's MVAU_hls documents them), with W and A the bits of a
weight and an input, P = PE, Q = SIMD and ``acc`` the accumulator bits:
``LUT = 300 + 1.1 P (Q (2 ceil((W+A)/6) - 1) (W+A) + (W+A)(2Q - 1) + acc) + LUTRAM`` where LUTRAM is
``P Q W ceil(depth / 64)`` for distributed weights. Threshold memories are counted only where
``ram_style_thresholds`` is ``distributed``, which FINN's default is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil, log2, prod
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from etb_hw.dataflow.block import (
    Amounts,
    Attribute,
    Caption,
    FinnParameter,
    Fold,
    LargeMemory,
    RtlInstance,
    RtlMemory,
)
from etb_hw.dataflow.blocks.mvau.cost import ff_amounts, lut_amounts
from etb_hw.dataflow.blocks.mvau.samples import SAMPLERS
from etb_hw.dataflow.divisors import divisors
from etb_hw.dataflow.fabric.family import Fabric
from etb_hw.dataflow.fabric.links import Link
from etb_hw.dataflow.fabric.memories import bits_of, block_banks
from etb_hw.dataflow.fabric.parts import split_registers
from etb_hw.dataflow.finn_fields import FinnFields
from etb_hw.dataflow.machine import PATTERN, SEND, TAKE, Machine
from etb_hw.dataflow.pixel_block import PixelBlock, counts_in
from etb_hw.dataflow.registered_block import RegisteredBlock
from etb_hw.dataflow.resources import RAM_STYLES, Resources, bram_18k, small_memory_style, urams
from etb_hw.dataflow.sampling import Sampler, Spec, common, constants, levels
from etb_hw.dataflow.stream import Stream
from etb_hw.dataflow.vocabulary import stream_type, vectors
from etb_hw.dataflow.words import encode, lowest_value, pack_words, side_by_side
from etb_hw.integer.datatype import BIPOLAR, DataType


@dataclass(frozen=True, eq=False)
class _FinnTerms:
    """Constants as FINN holds them: weights (MW, MH), thresholds (MH, T), and their types."""

    weights: NDArray[np.integer]
    weight_dtype: DataType
    thresholds: NDArray[np.int64] | None
    accumulator: DataType


@dataclass(frozen=True, eq=False, kw_only=True)
class Mvau(PixelBlock, RegisteredBlock):
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

    OP: ClassVar[str] = "MVAU_hls"
    CAPTION: ClassVar[Caption] = Caption("Matrix-vector unit", "mvau")
    MAKES_CHANNELS: ClassVar[bool] = True
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
    def counts_matches(self) -> bool:
        # FINN has no unit of several pixels: our node of it says sums
        return self.xnor and self.thresholds is None and self.m == 1

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
    def cycles(self) -> int:
        return prod(self.pixels) // self.m * (self.mh // self.pe) * (self.mw // self.simd)

    @property
    def pixel_counts(self) -> tuple[int, ...]:
        return counts_in(self.pixels)

    @property
    def folds(self) -> tuple[Fold, ...]:
        return tuple({"PE": pe, "SIMD": simd} for pe in divisors(self.mh) for simd in divisors(self.mw))

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

    def finn_parameters(self) -> tuple[FinnParameter, ...]:
        terms = self._finn_terms
        weights = ("weights", terms.weights.astype(np.float32), terms.weight_dtype)
        if terms.thresholds is None:
            return (weights,)
        return (weights, ("thresholds", terms.thresholds.astype(np.float32), terms.accumulator))

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

    def finn_output(self, port: int) -> DataType:
        if self.thresholds is not None or self.m > 1:
            return stream_type(self.output_dtype)
        return self._finn_accumulator

    @property
    def _finn_accumulator(self) -> DataType:
        """FINN counts matches where both factors are bipolar."""
        return DataType.unsigned(self._finn_accumulator_bits) if self.xnor else self.accumulator

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
    def kind(self) -> str:
        if self.weight_dtype != BIPOLAR:
            return "Mvau products"
        if not self.xnor:
            return "Mvau bipolar weights"
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

    def multipliers(self, fabric: Fabric) -> int:
        wide = self.weight_dtype != BIPOLAR and self.product_bits >= fabric.dsp_bits
        return self.m * self.pe * self.simd if wide else 0

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


def multi_threshold(
    x: NDArray[np.int64], thresholds: NDArray[np.int64], dtype: DataType
) -> NDArray[np.int64]:
    """``dtype.min + dtype.step * #{t : x >= thresholds[c, t]}``, channels last."""
    reached = np.zeros(x.shape, dtype=np.int64)
    for column in thresholds.T:
        reached += x >= column
    return dtype.min + dtype.step * reached
