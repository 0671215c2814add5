"""What the cost of a block is made of, as named amounts that a fit weighs.

Amounts are chosen so that each is close to the LUTs (or flip-flops) of one part of the SystemVerilog module:
weights near 1 then say that the part is understood.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import singledispatch
from math import ceil, lcm, prod

from etb_hw.dataflow.block import Block
from etb_hw.dataflow.blocks.add_streams import AddStreams
from etb_hw.dataflow.blocks.channelwise import Channelwise
from etb_hw.dataflow.blocks.duplicate_streams import DuplicateStreams
from etb_hw.dataflow.blocks.fifo import Fifo
from etb_hw.dataflow.blocks.label_select import LabelSelect
from etb_hw.dataflow.blocks.max_pool import MaxPool
from etb_hw.dataflow.blocks.mvau import Mvau
from etb_hw.dataflow.blocks.padding import Padding
from etb_hw.dataflow.blocks.sliding_window import SlidingWindow
from etb_hw.dataflow.blocks.sum_pool import SumPool
from etb_hw.dataflow.blocks.thresholding import Thresholding
from etb_hw.dataflow.blocks.width_converter import WidthConverter
from etb_hw.dataflow.blocks.window_pool import WindowPool
from etb_hw.dataflow.calibrated.memories import banks, bits_of, lutram, rom_functions, rom_luts
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


def lut_amounts(block: Block) -> Amounts:
    """Parts of the LUT count."""
    return _luts(block)


def ff_amounts(block: Block) -> Amounts:
    """Parts of the flip-flop count."""
    return _ffs(block)


@singledispatch
def _luts(block: Block) -> Amounts:
    raise AssertionError(f"{type(block).__name__} has no calibrated model")


@singledispatch
def _ffs(block: Block) -> Amounts:
    raise AssertionError(f"{type(block).__name__} has no calibrated model")


def popcount_leaf(n: int) -> int:
    """LUTs that count n <= 18 agreeing pairs: two a triple, then counters of six."""
    counter = (0, 0, 2, 2, 3, 3, 3)
    triples, rest = divmod(n, 3)
    ones, twos = triples + (rest > 0), triples + (rest == 2)
    return 2 * triples + (0, 1, 2)[rest] + counter[ones] + counter[twos] + (4 if n > 6 else n // 3)


def tree(n: int, leaf: int, leaf_bits: int, popcount: bool) -> tuple[int, int, int]:
    """A dot product of n terms: LUTs of popcount leaves, bits of all adders, bits of all registers."""
    groups = ceil(n / leaf)
    levels = bits_of(groups)

    def bits(terms: int) -> int:
        return terms.bit_length() if popcount else leaf_bits + bits_of(terms)

    def visit(terms: int, level: int) -> tuple[int, int, int]:
        if level == 0:
            luts = popcount_leaf(terms) if popcount else 0
            added = bits(terms) if not popcount and terms == 2 else 0
            return luts, added, bits(terms)
        parts = ceil(terms / leaf)
        if parts == 1:
            luts, added, registers = visit(terms, level - 1)
            return luts, added, registers + bits(terms)
        low = (parts + 1) // 2 * leaf
        a, b = visit(low, level - 1), visit(terms - low, level - 1)
        return a[0] + b[0], a[1] + b[1] + bits(terms), a[2] + b[2] + bits(terms)

    return visit(n, levels)


@_luts.register
def _(block: Mvau) -> Amounts:
    pe, simd = block.pe, block.simd
    rows, columns = block.mh // pe, block.mw // simd
    x, w = block.input_dtype.bits, block.weight_dtype.bits
    steps = 0 if block.thresholds is None else int(block.thresholds.shape[1])
    acc = block.rtl_accumulator.bits
    width, style = pe * simd * w, block.rtl_ram_style
    amounts: dict[str, float] = {
        "one": 1,
        "counters": bits_of(rows) + bits_of(columns) + bits_of(rows * columns),
        "uneven": _uneven(rows, columns, rows * columns),
        "rows": bits_of(rows),
    }
    if block.xnor:
        leaf, adders, _ = tree(simd, 18, 1, True)
        amounts |= {"popcount": pe * leaf, "adders": pe * adders}
        if simd <= 3:
            amounts["smallest popcounts"] = pe  # their adder does not vanish entirely
    elif block.weight_dtype == BIPOLAR:
        _, adders, _ = tree(simd, 2, x, False)
        amounts |= {"adders": pe * adders, "shared adders": adders, "doubled": pe * acc}
        if simd == 1:
            amounts["selected"] = pe * x
    else:
        signed = int(not block.input_dtype.signed or block.input_dtype == BIPOLAR)
        bits = x + signed + w
        _, adders, _ = tree(simd, 1, bits, False)
        amounts |= {"products": pe * simd * (x + signed) * w, "adders": pe * adders}
    if block.rtl_biased:
        acc += 1
    if steps:
        amounts["threshold ROM"] = rom_luts(pe * steps * _varying_bits(block), rows)
    if steps and not block.rtl_biased:
        amounts["comparators" if rows > 1 else "constant comparators"] = pe * steps * acc
        if steps > 1:
            amounts["step counts"] = pe * steps
    if block.rtl_biased:
        amounts["accumulators"] = pe * acc
    elif columns > 1:
        amounts["plain accumulators"] = pe * acc
    if not steps:
        amounts["sums"] = pe * block.output_dtype.bits
    if rows > 1 and columns > 1:
        amounts["kept"] = lutram(simd * x, columns)
        amounts["kept banks"] = simd * x * (banks(columns) - 1)
    if style == "distributed":
        depth = rows * columns
        if depth <= 64:
            amounts["weight ROM"] = rom_luts(width, depth)
        else:
            amounts["deep ROM leaves"] = width * ceil(depth / 64)
            amounts["deep ROM choice"] = rom_luts(width, depth) - width * (depth // 64)
        if depth == 1:
            # constant weights vanish into the popcount
            amounts["constant"] = pe * simd
    elif rows * columns > 1024:
        amounts["block RAM banks"] = width * ceil(rows * columns / 1024)
        amounts["block RAM choice"] = width
    return amounts


@_ffs.register
def _(block: Mvau) -> Amounts:
    pe, simd = block.pe, block.simd
    rows, columns = block.mh // pe, block.mw // simd
    x, w = block.input_dtype.bits, block.weight_dtype.bits
    steps = 0 if block.thresholds is None else int(block.thresholds.shape[1])
    acc = block.rtl_accumulator.bits
    amounts: dict[str, float] = {
        "one": 1,
        "counters": bits_of(rows) + bits_of(columns) + bits_of(rows * columns),
        "input": simd * x if rows == 1 or columns == 1 else 0,
        "sums": pe * (acc + int(block.rtl_biased)),
        "output": pe * block.output_dtype.bits,
    }
    if block.xnor:
        _, _, registers = tree(simd, 18, 1, True)
    elif block.weight_dtype == BIPOLAR:
        _, _, registers = tree(simd, 2, x, False)
        amounts["shared tree"] = registers + acc
    else:
        signed = int(not block.input_dtype.signed or block.input_dtype == BIPOLAR)
        _, _, registers = tree(simd, 1, x + signed + w, False)
    amounts["trees"] = pe * registers
    if steps and rows > 1:
        amounts["thresholds"] = rom_functions(pe * steps * _varying_bits(block), rows)
    if block.rtl_ram_style == "distributed" and rows * columns > 1:
        amounts["weights"] = rom_functions(pe * simd * w, rows * columns)
    return amounts


def _varying_bits(block: Mvau) -> int:
    """Bits of a threshold that differ from row to row: they lie near the middle of the sums' range.

    Sums of random products spread like the square root of their number; the bits above that follow from
    each other.
    """
    spread = ceil(block.mw**0.5) * max(abs(block.input_dtype.min), block.input_dtype.max)
    spread *= max(abs(block.weight_dtype.min), block.weight_dtype.max)
    return min(block.rtl_accumulator.bits, bits_of(spread) + 1)


@_luts.register
def _(block: SlidingWindow) -> Amounts:
    width = block.simd * block.dtype.bits
    fold = block.channels // block.simd
    if block.pointwise:
        height, across = block.size
        return {"one": 1, "counters": bits_of(height) + bits_of(across) + bits_of(fold)}
    inside, between = _window_steps(block)
    level = _level_bits(block)
    amounts: dict[str, float] = {
        "one": 1,
        "loops": sum(bits_of(n) for n in (*block.out_size, *block.kernel, fold)),
        "address": bits_of(block.depth),
        "level": level,
        "uneven": _uneven(*block.out_size, *block.kernel, fold),
        "steps": _varying(inside, level) + _varying([n % block.depth for n in inside], level),
        "jumps": _varying(between, level) + _varying([n % block.depth for n in between], level),
    }
    if block.ram_style == "distributed":
        amounts["buffer"] = lutram(width, block.depth)
        amounts["banks"] = width * (banks(block.depth) - 1)
    return amounts


@_ffs.register
def _(block: SlidingWindow) -> Amounts:
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


def _uneven(*counts: int) -> int:
    """Bits of the counters whose count is no power of two, and which therefore wrap by comparison."""
    return sum(bits_of(n) for n in counts if n & (n - 1))


def _window_steps(block: SlidingWindow) -> tuple[list[int], list[int]]:
    """Beats from a read to the next inside a window, and from a window to the next."""
    fold = block.channels // block.simd
    (height, across), (out_h, out_w) = block.size, block.out_size
    (kernel_h, kernel_w), (dilation_h, dilation_w) = block.kernel, block.dilation
    if block.depthwise:
        extents, reach = (kernel_w, kernel_h), (dilation_w * fold, dilation_h * across * fold, 1)
    else:
        extents, reach = (fold, kernel_w), (1, dilation_w * fold, dilation_h * across * fold)
    back = (extents[0] - 1) * reach[0]
    inside = [reach[0], reach[1] - back, reach[2] - back - (extents[1] - 1) * reach[1]]
    along = block.stride[1] * fold
    down = block.stride[0] * across * fold - (out_w - 1) * along
    around = height * across * fold - (out_h - 1) * block.stride[0] * across * fold - (out_w - 1) * along
    return inside, [along, down, around]


def _varying(values: list[int], bits: int) -> int:
    """In how many of the low bits some of the values differ."""
    mask = (1 << bits) - 1
    return ((values[0] ^ values[1] | values[0] ^ values[2]) & mask).bit_count()


def _level_bits(block: SlidingWindow) -> int:
    """Bits of the fill level: it also counts the beats that a jump to the next window skips."""
    return bits_of(block.depth + max(_window_steps(block)[1]) + 1) + 1


@_luts.register
def _(block: Padding) -> Amounts:
    height, across, _ = block.outputs[0].shape
    counters = bits_of(height) + bits_of(across) + bits_of(block.channels // block.simd)
    # a border of zero bits is a synchronous reset of the output register
    zeros = block.value == (-1 if block.dtype == BIPOLAR else 0)
    return {"one": 1, "counters": counters, "lanes": 0 if zeros else block.simd * block.dtype.bits}


@_ffs.register
def _(block: Padding) -> Amounts:
    height, across, _ = block.outputs[0].shape
    counters = bits_of(height) + bits_of(across) + bits_of(block.channels // block.simd)
    return {"one": 1, "counters": counters, "output": block.simd * block.dtype.bits}


@_luts.register
def _(block: MaxPool) -> Amounts:
    fold, across = block.channels // block.pe, block.size[1] // block.kernel[1]
    counts = (fold, across, fold * across, *block.kernel, block.outputs[0].shape[0])
    return _pool(block.pe, block.dtype.bits, fold * across, counts)


@_luts.register
def _(block: WindowPool) -> Amounts:
    return _pool(block.pe, block.dtype.bits, 1, (block.taps,))


def _pool(pe: int, bits: int, words: int, counts: tuple[int, ...]) -> Amounts:
    return {
        "one": 1,
        "counters": sum(map(bits_of, counts)),
        "uneven": _uneven(*counts),
        "maxima": pe * bits if bits == 1 else pe * (1.5 * bits + 1),
        "row": lutram(pe * bits, words),
        "banks": pe * bits * (banks(words) - 1),
    }


@_ffs.register
def _(block: MaxPool) -> Amounts:
    fold, across = block.channels // block.pe, block.size[1] // block.kernel[1]
    counters = bits_of(fold) + bits_of(across) + bits_of(fold * across)
    return {"one": 1, "counters": counters, "output": block.pe * block.dtype.bits}


@_ffs.register
def _(block: WindowPool) -> Amounts:
    return {"one": 1, "counters": bits_of(block.taps), "output": 2 * block.pe * block.dtype.bits}


@_luts.register
def _(block: Thresholding) -> Amounts:
    fold, bits = block.channels // block.pe, block.threshold_dtype.bits
    steps = int(block.thresholds.shape[1])
    return {
        "one": 1,
        "counters": bits_of(fold),
        "comparators" if fold > 1 else "constant comparators": block.pe * steps * bits,
        "ROM": rom_luts(block.pe * steps * bits, fold),
        "step counts": block.pe * steps if steps > 1 else 0,
    }


@_ffs.register
def _(block: Thresholding) -> Amounts:
    fold, steps = block.channels // block.pe, int(block.thresholds.shape[1])
    return {
        "one": 1,
        "counters": bits_of(fold),
        "input": block.pe * block.input_dtype.bits,
        "output": block.pe * block.output_dtype.bits,
        "ROM": rom_functions(block.pe * steps * block.threshold_dtype.bits, fold),
    }


@_luts.register
def _(block: WidthConverter) -> Amounts:
    narrow, wide, between = _converter(block)
    amounts: dict[str, float] = {"one": 1}
    if between != wide:
        # joins, keeps two words, splits
        amounts |= {"kept": between, "split": between, "counters": bits_of(between // narrow) * 2}
    elif block.lanes_in > block.lanes_out:
        amounts |= {"split": wide, "counters": bits_of(between // narrow)}
    else:
        amounts |= {"join counters": bits_of(between // narrow)}
    return amounts


@_ffs.register
def _(block: WidthConverter) -> Amounts:
    narrow, wide, between = _converter(block)
    words = 4 if between != wide else 1
    return {"one": 1, "counters": bits_of(between // narrow), "words": words * between}


def _converter(block: WidthConverter) -> tuple[int, int, int]:
    """Narrow, wide and common width in bits."""
    narrow, wide = sorted((block.inputs[0].width, block.outputs[0].width))
    return narrow, wide, lcm(narrow, wide)


@_luts.register
def _(block: Fifo) -> Amounts:
    return fifo_luts(block.stream.width, block.depth, block.rtl_ram_style)


@_ffs.register
def _(block: Fifo) -> Amounts:
    return fifo_ffs(block.stream.width, block.depth, block.rtl_ram_style)


def fifo_luts(width: int, depth: int, style: str) -> Amounts:
    """A FIFO: two registers, or a memory and a register."""
    if depth <= 2:
        return {"pair": 1, "choice": width}
    words = depth - 1
    amounts: dict[str, float] = {"one": 1, "pointers": bits_of(words)}
    if style != "block":
        amounts |= {"words": lutram(width, words), "banks": width * (banks(words) - 1)}
    return amounts


def fifo_ffs(width: int, depth: int, style: str) -> Amounts:
    """Flip-flops of a FIFO."""
    if depth <= 2:
        return {"pair": 1, "words": 2 * width}
    return {"one": 1, "pointers": bits_of(depth - 1), "output": width if style != "block" else 0}


@_luts.register
def _(block: AddStreams) -> Amounts:
    # a bipolar bit widens to bits that are equal or constant
    return {"one": 1, "sums": block.pe * (max(dtype.bits for dtype in block.dtypes) + 1)}


@_ffs.register
def _(block: AddStreams) -> Amounts:
    return {"one": 1, "sums": block.pe * block.output_dtype.bits}


@_luts.register
def _(block: DuplicateStreams) -> Amounts:
    return {"one": 1, "copies": block.copies}


@_ffs.register
def _(block: DuplicateStreams) -> Amounts:
    return {"copies": block.copies}


@_luts.register
def _(block: SumPool) -> Amounts:
    width, fold = block.pe * block.output_dtype.bits, block.channels // block.pe
    return {
        "one": 1,
        "counters": bits_of(fold) + bits_of(prod(block.size)),
        "sums": width,
        "partial": lutram(width, fold),
        "banks": width * (banks(fold) - 1),
    }


@_ffs.register
def _(block: SumPool) -> Amounts:
    width, fold = block.pe * block.output_dtype.bits, block.channels // block.pe
    return {"one": 1, "counters": bits_of(fold) + bits_of(prod(block.size)), "sums": width}


@_luts.register
def _(block: LabelSelect) -> Amounts:
    return {
        "one": 1,
        "compared": block.pe * block.dtype.bits,
        "later": max(0, block.pe - 1) * block.dtype.bits,
        "labels": bits_of(block.labels),
    }


@_ffs.register
def _(block: LabelSelect) -> Amounts:
    return {"one": 1, "best": block.dtype.bits, "labels": bits_of(block.labels)}


@_luts.register
def _(block: Channelwise) -> Amounts:
    fold, bits = block.channels // block.pe, block.parameter_dtype.bits
    amounts: dict[str, float] = {
        "one": 1,
        "counters": bits_of(fold),
        "ROM": rom_luts(block.pe * bits, fold),
    }
    if block.func == "add":
        return amounts | {"sums" if fold > 1 else "constant sums": block.pe * block.output_dtype.bits}
    return amounts | {"products": block.pe * block.input_dtype.bits * bits}


@_ffs.register
def _(block: Channelwise) -> Amounts:
    fold = block.channels // block.pe
    return {
        "one": 1,
        "counters": bits_of(fold),
        "input": block.pe * block.input_dtype.bits,
        "output": block.pe * block.output_dtype.bits,
        "ROM": rom_functions(block.pe * block.parameter_dtype.bits, fold),
    }
