"""What the cost of a block is made of, as named amounts that a fit weighs.

Amounts are chosen so that each is close to the LUTs (or flip-flops) of one part of the SystemVerilog module:
weights near 1 then say that the part is understood.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import singledispatch
from math import ceil, inf, lcm, log2, prod

import numpy as np

from etb_hw.dataflow.block import Block
from etb_hw.dataflow.blocks.add_streams import AddStreams
from etb_hw.dataflow.blocks.channelwise import Channelwise
from etb_hw.dataflow.blocks.duplicate_streams import DuplicateStreams
from etb_hw.dataflow.blocks.fifo import Fifo
from etb_hw.dataflow.blocks.label_select import LabelSelect
from etb_hw.dataflow.blocks.max_pool import MaxPool
from etb_hw.dataflow.blocks.mvau import Mvau
from etb_hw.dataflow.blocks.padding import Padding
from etb_hw.dataflow.blocks.sliding_window import SlidingWindow, window_moves
from etb_hw.dataflow.blocks.sum_pool import SumPool
from etb_hw.dataflow.blocks.thresholding import Thresholding
from etb_hw.dataflow.blocks.width_converter import WidthConverter
from etb_hw.dataflow.blocks.window_pool import WindowPool
from etb_hw.dataflow.calibrated.fabric import Fabric
from etb_hw.dataflow.calibrated.memories import (
    bits_of,
    block_memory,
    choice,
    lut_memory,
    rom_columns,
    rom_functions,
    rom_luts,
)
from etb_hw.dataflow.calibrated.parts import Tree, comparator, counter, popcount_leaf, tree
from etb_hw.integer.datatype import BIPOLAR

Amounts = Mapping[str, float]


def kind_of(block: Block) -> str:
    """Which fit a block belongs to."""
    if isinstance(block, Mvau):
        if block.weight_dtype != BIPOLAR:
            return "Mvau products"
        if not block.xnor:
            return "Mvau bipolar weights"
        return "Mvau binary" if block.thresholds is not None else "Mvau binary sums"
    if isinstance(block, WindowPool):
        return "MaxPool"
    if isinstance(block, Channelwise):
        return f"Channelwise {block.func}"
    if isinstance(block, SlidingWindow) and block.pointwise:
        return "SlidingWindow pointwise"
    return type(block).__name__


def lut_amounts(block: Block, fabric: Fabric) -> Amounts:
    """Parts of the LUT count."""
    return _luts(block, fabric)


def ff_amounts(block: Block, fabric: Fabric) -> Amounts:
    """Parts of the flip-flop count."""
    return _ffs(block, fabric)


@singledispatch
def _luts(block: Block, fabric: Fabric) -> Amounts:
    raise AssertionError(f"{type(block).__name__} has no calibrated model")


@singledispatch
def _ffs(block: Block, fabric: Fabric) -> Amounts:
    raise AssertionError(f"{type(block).__name__} has no calibrated model")


def _tree(block: Mvau, fabric: Fabric) -> Tree:
    """The trees of all rows."""
    x, w = block.input_dtype.bits, block.weight_dtype.bits
    # constants are shared between rows; the words of a memory are mapped apart from what they feed
    kinds = log2(block.weight_dtype.levels) if block.depth == 1 else inf
    if block.xnor:
        return tree(block.simd, 18, int.bit_length, popcount_leaf, rows=block.pe, kind_bits=kinds)
    if block.weight_dtype != BIPOLAR:
        wide = _product_bits(block)
        outside = multipliers(block, fabric) > 0  # a DSP block has its own register
        made = tree(
            block.simd, 1, _sum_bits(wide), lambda n: 0 if outside else x * w, rows=block.pe, kind_bits=kinds
        )
        return made + Tree(0, 0, -block.pe * block.simd * wide if outside else 0)
    constant = block.depth == 1
    # of two terms that a weight keeps or drops, only one fits the LUT before the carry chain
    leaves = (0, 0 if constant else x, x + 1 if constant else 2 * x + 1)
    return tree(
        block.simd, 2, _sum_bits(x), leaves.__getitem__, rows=block.pe, kind_bits=kinds, dropped=2.0**-kinds
    )


def multipliers(block: Block, fabric: Fabric) -> int:
    """DSP blocks: products that are wide enough for the family."""
    if isinstance(block, Channelwise):
        return block.pe if block.func == "mul" and block.output_dtype.bits >= fabric.dsp_bits else 0
    if not isinstance(block, Mvau) or block.weight_dtype == BIPOLAR:
        return 0
    return block.pe * block.simd if _product_bits(block) >= fabric.dsp_bits else 0


def _product_bits(block: Mvau) -> int:
    """Bits of a product with weights that are not bipolar; inputs without a sign get one."""
    widened = int(not block.input_dtype.signed or block.input_dtype == BIPOLAR)
    return block.input_dtype.bits + widened + block.weight_dtype.bits


def _shared_tree(block: Mvau) -> Tree:
    """The sum of all inputs, which rows of bipolar weights share."""
    x = block.input_dtype.bits
    return tree(block.simd, 2, _sum_bits(x), (0, 0, x + 1).__getitem__)


def _sum_bits(bits: int) -> Callable[[int], int]:
    return lambda terms: bits + bits_of(terms)


def _shifted(block: Mvau, fabric: Fabric) -> tuple[int, int]:
    """Shift registers beside the trees (last column; row, for the thresholds): in LUTs, and flip-flops."""
    rows, columns = block.mh // block.pe, block.mw // block.simd
    leaf = 18 if block.xnor else 2 if block.weight_dtype == BIPOLAR else 1
    stages = 2 + bits_of(ceil(block.simd / leaf))
    lengths = [stages] if columns > 1 else []
    if block.thresholds is not None:
        lengths += [stages - block.rtl_biased] * bits_of(rows)
    if fabric.family != "xc7":
        return 0, sum(lengths)
    # from three stages on they become SRLs
    return sum(n > 2 for n in lengths), sum(n for n in lengths if n <= 2)


def _threshold_bits(block: Mvau) -> int:
    """Different bits of the threshold memory's words."""
    assert block.thresholds is not None
    fields, bits = block.threshold_fields()
    return rom_columns(fields, bits)


@_luts.register
def _(block: Mvau, fabric: Fabric) -> Amounts:
    pe, rows, columns = block.pe, block.mh // block.pe, block.mw // block.simd
    x, w = block.input_dtype.bits, block.weight_dtype.bits
    steps = 0 if block.thresholds is None else int(block.thresholds.shape[1])
    acc = block.rtl_accumulator.bits
    width, depth = pe * block.simd * w, rows * columns
    trees = _tree(block, fabric)
    amounts: dict[str, float] = {
        "one": 1,
        "counters": counter(rows) + counter(columns) + counter(depth),
        "rows": bits_of(rows),
        "shifted": _shifted(block, fabric)[0],
        "constant leaves" if depth == 1 else "leaves": trees.leaves,
        "constant adders" if depth == 1 else "adders": trees.adders,
    }
    if block.xnor and block.simd <= 3:
        amounts["smallest popcounts"] = pe  # their adder does not vanish entirely
    if not block.xnor and block.weight_dtype == BIPOLAR:
        shared = _shared_tree(block)
        amounts |= {"shared adders": shared.leaves + shared.adders, "doubled": pe * acc}
    if steps:
        amounts["threshold ROM"] = rom_luts(_threshold_bits(block), rows, fabric)
    if steps and not block.rtl_biased:
        amounts["comparators" if rows > 1 else "constant comparators"] = pe * steps * comparator(acc)
        if steps > 1:
            amounts["step counts"] = pe * steps
    if block.rtl_biased:
        amounts["accumulators" if depth > 1 else "constant accumulators"] = pe * (acc + 1)
    elif columns > 1:
        amounts["plain accumulators"] = pe * acc
    if not steps and block.xnor:
        # 2 y - MW: an inverter where MW has a zero
        amounts["sums"] = pe * (block.output_dtype.bits - block.mw.bit_count())
    if rows > 1 and columns > 1:
        amounts |= _lutram_amounts(block.simd * x, columns, "kept", fabric)
    if block.rtl_ram_style != "distributed":
        amounts["block RAM choice"] = width * choice(block_memory(width, depth, fabric)[1])
    elif depth <= 1 << fabric.lut_inputs:
        amounts["weight ROM"] = rom_functions(width, depth)
    else:
        amounts["deep ROM"] = rom_luts(width, depth, fabric)
    return amounts


@_ffs.register
def _(block: Mvau, fabric: Fabric) -> Amounts:
    pe, rows, columns = block.pe, block.mh // block.pe, block.mw // block.simd
    x, w = block.input_dtype.bits, block.weight_dtype.bits
    steps = 0 if block.thresholds is None else int(block.thresholds.shape[1])
    acc = block.rtl_accumulator.bits
    trees = _tree(block, fabric)
    amounts: dict[str, float] = {
        "one": 1,
        "counters": bits_of(rows) + bits_of(columns) + bits_of(rows * columns),
        "shifted": _shifted(block, fabric)[1],
        "input": block.simd * x if rows == 1 or columns == 1 else bits_of(columns),
        "sums": pe * (acc + int(block.rtl_biased)),
        "output": pe * block.output_dtype.bits,
        "trees": trees.registers,
    }
    if not block.xnor and block.weight_dtype == BIPOLAR:
        amounts["shared tree"] = _shared_tree(block).registers + acc
    if steps:
        amounts["thresholds"] = _threshold_bits(block)
    if block.rtl_ram_style == "distributed":
        amounts["weights"] = rom_functions(pe * block.simd * w, rows * columns)
    return amounts


@_luts.register
def _(block: SlidingWindow, fabric: Fabric) -> Amounts:
    width = block.simd * block.dtype.bits
    fold = block.channels // block.simd
    if block.pointwise:
        counts = (*block.size, fold, *block.stride)
        return {"one": 1, "counters": sum(map(counter, counts))}
    inside, between = _window_steps(block)
    level, address = _level_bits(block), bits_of(block.depth)
    # an address beyond the buffer's end goes back by its depth
    wrap = 0 if block.depth == 1 << address else comparator(address + 1, constant=True) + address
    amounts: dict[str, float] = {
        "one": 1,
        "loops": sum(map(counter, (*block.out_size, *block.kernel, fold))),
        "addresses": counter(block.depth) + 2 * (address + 1 + wrap) + 2 * address,
        "level": 3 * level + comparator(level, constant=True) + comparator(level),
        "steps": _varying(inside, level) + _varying([n % block.depth for n in inside], level),
        "jumps": _varying(between, level) + _varying([n % block.depth for n in between], level),
    }
    return {**amounts, **_buffer_amounts(width, block.depth, block.ram_style, "buffer", fabric)}


def _buffer_amounts(width: int, depth: int, style: str, name: str, fabric: Fabric) -> Amounts:
    """LUTs of a memory that is written: its words, or what stands behind block RAMs or UltraRAMs."""
    if style == "distributed":
        return _lutram_amounts(width, depth, name, fabric)
    parts = ceil(depth / 4096) if style == "ultra" else block_memory(width, depth, fabric, written=True)[1]
    return {"block RAM choice": width * choice(parts)}


def _lutram_amounts(width: int, depth: int, name: str, fabric: Fabric) -> dict[str, float]:
    """A LUT memory, the multiplexers behind it and the write enables before it."""
    luts, banks = lut_memory(width, depth, fabric)
    # more than four write enables are decoded in two levels
    enables = 0 if banks == 1 else banks if banks <= 4 else 1.8 * banks
    return {name: luts, "banks": width * choice(banks), "bank writes": enables}


@_ffs.register
def _(block: SlidingWindow, fabric: Fabric) -> Amounts:
    width = block.simd * block.dtype.bits
    fold = block.channels // block.simd
    counters = sum(bits_of(n) for n in (*block.out_size, *block.size, fold))
    if block.pointwise:
        return {"one": 1, "counters": counters, "output": width}
    return {
        "one": 1,
        "counters": counters,
        "addresses": bits_of(block.depth) + _level_bits(block),
        "output": width if block.ram_style == "distributed" else 0,
    }


def _window_steps(block: SlidingWindow) -> tuple[list[int], list[int]]:
    """Beats from a read to the next inside a window, and from a window to the next."""
    fold = block.channels // block.simd
    across = block.size[1]
    (kernel_h, kernel_w), (dilation_h, dilation_w) = block.kernel, block.dilation
    if block.depthwise:
        extents, reach = (kernel_w, kernel_h), (dilation_w * fold, dilation_h * across * fold, 1)
    else:
        extents, reach = (fold, kernel_w), (1, dilation_w * fold, dilation_h * across * fold)
    back = (extents[0] - 1) * reach[0]
    inside = [reach[0], reach[1] - back, reach[2] - back - (extents[1] - 1) * reach[1]]
    return inside, list(window_moves(block.size, block.out_size, block.stride, fold))


def _varying(values: list[int], bits: int) -> int:
    """In how many of the low bits some of the values differ."""
    mask = (1 << bits) - 1
    return ((values[0] ^ values[1] | values[0] ^ values[2]) & mask).bit_count()


def _level_bits(block: SlidingWindow) -> int:
    """Bits of the fill level: it also counts the beats that a jump to the next window skips."""
    return bits_of(block.depth + max(_window_steps(block)[1]) + 1) + 1


@_luts.register
def _(block: Padding, fabric: Fabric) -> Amounts:
    height, across, _ = block.outputs[0].shape
    # each coordinate is counted, and compared with both borders
    counters = 2 * (bits_of(height) + bits_of(across)) + counter(block.channels // block.simd)
    # a border of zero bits is a synchronous reset of the output register
    zeros = block.value == (-1 if block.dtype == BIPOLAR else 0)
    return {"one": 1, "counters": counters, "lanes": 0 if zeros else block.simd * block.dtype.bits}


@_ffs.register
def _(block: Padding, fabric: Fabric) -> Amounts:
    height, across, _ = block.outputs[0].shape
    counters = bits_of(height) + bits_of(across) + bits_of(block.channels // block.simd)
    return {"one": 1, "counters": counters, "output": block.simd * block.dtype.bits}


@_luts.register
def _(block: MaxPool, fabric: Fabric) -> Amounts:
    fold, across = block.channels // block.pe, block.size[1] // block.kernel[1]
    words = fold * across
    address = counter(words) + (bits_of(words) if fold > 1 else 0)  # it also goes back by a pixel
    counters = sum(map(counter, (fold, across, *block.kernel))) + address
    return _pool(block.pe, block.dtype.bits, words, counters, fabric)


@_luts.register
def _(block: WindowPool, fabric: Fabric) -> Amounts:
    return _pool(block.pe, block.dtype.bits, 1, counter(block.taps), fabric)


def _pool(pe: int, bits: int, words: int, counters: int, fabric: Fabric) -> Amounts:
    amounts: dict[str, float] = {
        "one": 1,
        "counters": counters,
        "maxima": pe * (1 if bits == 1 else comparator(bits) + bits),
        **_lutram_amounts(pe * bits, words, "row", fabric),
    }
    if bits == 1 and lut_memory(pe, words, fabric)[1] == 2:
        amounts["banks"] = 0  # the choice between two fits the LUT of the maximum
    return amounts


@_ffs.register
def _(block: MaxPool, fabric: Fabric) -> Amounts:
    fold, across = block.channels // block.pe, block.size[1] // block.kernel[1]
    counters = bits_of(fold) + bits_of(across) + bits_of(fold * across)
    return {"one": 1, "counters": counters, "output": block.pe * block.dtype.bits}


@_ffs.register
def _(block: WindowPool, fabric: Fabric) -> Amounts:
    return {"one": 1, "counters": bits_of(block.taps), "output": 2 * block.pe * block.dtype.bits}


@_luts.register
def _(block: Thresholding, fabric: Fabric) -> Amounts:
    fold, bits = block.channels // block.pe, block.threshold_dtype.bits
    steps = int(block.thresholds.shape[1])
    return {
        "one": 1,
        "counters": counter(fold),
        "comparators" if fold > 1 else "constant comparators": block.pe * steps * comparator(bits),
        "ROM": rom_luts(rom_columns(*block.threshold_fields()), fold, fabric),
        "step counts": block.pe * steps if steps > 1 else 0,
    }


@_ffs.register
def _(block: Thresholding, fabric: Fabric) -> Amounts:
    return {
        "one": 1,
        "counters": bits_of(block.channels // block.pe),
        "input": block.pe * block.input_dtype.bits,
        "output": block.pe * block.output_dtype.bits,
        "ROM": rom_columns(*block.threshold_fields()),
    }


@_luts.register
def _(block: WidthConverter, fabric: Fabric) -> Amounts:
    width_in, width_out, between = _converter(block)
    amounts: dict[str, float] = {
        "one": (width_in < between) + (width_out < between),
        # a join by two counts in one bit, beside which the valid bit takes a LUT
        "counters": max(counter(between // width_in), 2 * (width_in < between))
        + counter(between // width_out),
        "split": between - width_out,  # the highest beat is only loaded
    }
    if max(width_in, width_out) < between:
        amounts |= {"pair": 1, "kept": between}  # joins, keeps two words, splits
    return amounts


@_ffs.register
def _(block: WidthConverter, fabric: Fabric) -> Amounts:
    width_in, width_out, between = _converter(block)
    words = 4 if max(width_in, width_out) < between else 1
    counters = bits_of(between // width_in) + bits_of(between // width_out)
    return {"one": 1, "counters": counters, "words": words * between}


def _converter(block: WidthConverter) -> tuple[int, int, int]:
    """Widths in bits: in, out, and their least common multiple."""
    widths = block.inputs[0].width, block.outputs[0].width
    return (*widths, lcm(*widths))


@_luts.register
def _(block: Fifo, fabric: Fabric) -> Amounts:
    return fifo_luts(block.stream.width, block.depth, block.rtl_ram_style, fabric)


@_ffs.register
def _(block: Fifo, fabric: Fabric) -> Amounts:
    return fifo_ffs(block.stream.width, block.depth, block.rtl_ram_style)


def fifo_luts(width: int, depth: int, style: str, fabric: Fabric) -> Amounts:
    """A FIFO: two registers, or a memory and a register."""
    if depth <= 2:
        return {"pair": 1, "choice": width}
    words = depth - 1
    amounts: dict[str, float] = {"one": 1, "pointers": 2 * counter(words), "count": 3 * bits_of(words + 1)}
    return {**amounts, **_buffer_amounts(width, words, style, "words", fabric)}


def fifo_ffs(width: int, depth: int, style: str) -> Amounts:
    """Flip-flops of a FIFO."""
    if depth <= 2:
        return {"pair": 1, "words": 2 * width}
    return {"one": 1, "pointers": bits_of(depth - 1), "output": width if style == "distributed" else 0}


@_luts.register
def _(block: AddStreams, fabric: Fabric) -> Amounts:
    # the highest bit of a sum needs no LUT of its own
    bits = max(2 if dtype == BIPOLAR else dtype.bits for dtype in block.dtypes)
    return {"one": 1, "sums": block.pe * bits}


@_ffs.register
def _(block: AddStreams, fabric: Fabric) -> Amounts:
    return {"one": 1, "sums": block.pe * (max(dtype.bits for dtype in block.dtypes) + 1)}


@_luts.register
def _(block: DuplicateStreams, fabric: Fabric) -> Amounts:
    return {"one": 1, "copies": block.copies}


@_ffs.register
def _(block: DuplicateStreams, fabric: Fabric) -> Amounts:
    return {"copies": block.copies}


@_luts.register
def _(block: SumPool, fabric: Fabric) -> Amounts:
    width, fold = block.pe * block.output_dtype.bits, block.channels // block.pe
    return {
        "one": 1,
        "counters": counter(fold) + counter(prod(block.size)),
        "sums": 2 * width,  # the adder takes the masked partial sum where it fits no LUT with it
        **_lutram_amounts(width, fold, "partial", fabric),
    }


@_ffs.register
def _(block: SumPool, fabric: Fabric) -> Amounts:
    width, fold = block.pe * block.output_dtype.bits, block.channels // block.pe
    return {"one": 1, "counters": bits_of(fold) + bits_of(prod(block.size)), "sums": width}


@_luts.register
def _(block: LabelSelect, fabric: Fabric) -> Amounts:
    fold, pe, index, bits = block.labels // block.pe, block.pe, _index_bits(block), block.dtype.bits
    known = fold == 1  # then the first value needs no comparison
    return {
        "one": 1,
        "counters": 0 if known else counter(fold) + index,
        "compared": (pe - known) * comparator(bits),
        # a single value is kept by the register's enable
        "chosen": max(0, pe - 2 * known) * bits if pe > 1 else 0,
        "labels": (pe - 1) * index,
    }


@_ffs.register
def _(block: LabelSelect, fabric: Fabric) -> Amounts:
    fold, index = block.labels // block.pe, _index_bits(block)
    return {
        "one": 1,
        "best": block.dtype.bits if fold > 1 else 0,
        "labels": 2 * index + bits_of(fold) if fold > 1 else index,
    }


def _index_bits(block: LabelSelect) -> int:
    """Bits of the label; where several beats are compared, those above it are counted too."""
    return block.outputs[0].dtype.bits if block.labels > block.pe else bits_of(block.labels)


@_luts.register
def _(block: Channelwise, fabric: Fabric) -> Amounts:
    fold = block.channels // block.pe
    amounts: dict[str, float] = {
        "one": 1,
        "counters": counter(fold),
        "ROM": rom_luts(rom_columns(*block.parameter_fields()), fold, fabric),
    }
    if block.func == "add":
        # a bit that is zero in all of a lane's constants passes the adder by
        ones = np.bitwise_or.reduce(block.parameters.reshape(fold, -1), axis=0)
        mask = (1 << block.output_dtype.bits) - 1
        amounts["sums"] = sum(int(bits & mask).bit_count() for bits in ones)
    elif not multipliers(block, fabric):
        # a bipolar factor is two bits, 01 or 11
        bits = 1.5 if block.input_dtype == BIPOLAR else block.input_dtype.bits
        amounts["products"] = block.pe * bits * block.parameter_dtype.bits
    return amounts


@_ffs.register
def _(block: Channelwise, fabric: Fabric) -> Amounts:
    own = not multipliers(block, fabric)  # DSP blocks have registers of their own
    return {
        "one": 1,
        "counters": bits_of(block.channels // block.pe),
        "input": block.pe * block.input_dtype.bits if own else 0,
        "output": block.pe * block.output_dtype.bits if own else 0,
        "ROM": rom_columns(*block.parameter_fields()),
    }
