"""What an MVAU takes of the fabric: dot product trees, accumulators, comparators and memories.

Amounts are chosen so that each is close to the LUTs (or flip-flops) of one part of ``etb_mvau.sv``: weights
near 1 then say that the part is understood.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf, log2

from etb_hw.dataflow.block import Amounts
from etb_hw.dataflow.blocks.mvau.matrix import MatrixUnit
from etb_hw.dataflow.fabric.family import Fabric
from etb_hw.dataflow.fabric.memories import (
    bits_of,
    block_memory,
    choice,
    lutram_amounts,
    rom_columns,
    rom_functions,
    rom_luts,
)
from etb_hw.dataflow.fabric.parts import Tree, comparator, counter, popcount_leaf, tree
from etb_hw.integer.datatype import BIPOLAR


def lut_amounts(block: MatrixUnit, fabric: Fabric) -> Amounts:
    pe, rows, columns = block.pe, block.mh // block.pe, block.mw // block.simd
    x, w = block.input_dtype.bits, block.weight_dtype.bits
    steps = 0 if block.thresholds is None else int(block.thresholds.shape[1])
    acc = block.rtl_accumulator.bits
    width, depth = pe * block.simd * w, rows * columns
    constant = block.constant_weights
    trees = _tree(block, fabric)
    amounts: dict[str, float] = {
        "one": 1,
        "counters": counter(rows) + counter(columns) + counter(depth),
        "rows": bits_of(rows),
        "shifted": _shifted(block, fabric)[0],
        _leaves(block): trees.leaves,
        _adders(block): trees.adders,
    }
    if block.xnor and block.simd <= 3:
        amounts["smallest popcounts"] = pe  # their adder does not vanish entirely
    if not block.xnor and block.weight_dtype == BIPOLAR:
        shared = _shared_tree(block)
        amounts |= {"shared adders": shared.leaves + shared.adders, "doubled": pe * acc}
    if steps and not block.writable:
        amounts["threshold ROM"] = rom_luts(_threshold_bits(block), block.threshold_words, fabric)
    varied = block.threshold_words > 1 or block.writable
    if steps and not block.rtl_biased:
        amounts["comparators" if varied else "constant comparators"] = pe * steps * comparator(acc)
        if steps > 1:
            amounts["step counts"] = pe * steps
    if block.rtl_biased:
        fixed = constant and not varied
        amounts["constant accumulators" if fixed else "accumulators"] = pe * (acc + 1)
    elif columns > 1:
        amounts["plain accumulators"] = pe * acc
    if not steps and block.xnor:
        # 2 y - MW: an inverter where MW has a zero
        amounts["sums"] = pe * (block.output_dtype.bits - block.mw.bit_count())
    if rows > 1 and columns > 1:
        amounts |= lutram_amounts(block.simd * x, columns, "kept", fabric)
    if block.rtl_ram_style != "distributed":
        _, banks = block.weight_banks
        ways = banks if banks > 1 else block_memory(width, depth, fabric)[1]
        amounts["block RAM choice"] = width * choice(ways)
    elif block.writable:
        pass  # its words are no ROM: see link_luts
    elif depth <= 1 << fabric.lut_inputs:
        amounts["weight ROM"] = rom_functions(width, depth)
    else:
        amounts["deep ROM"] = rom_luts(width, depth, fabric)
    return amounts


def ff_amounts(block: MatrixUnit, fabric: Fabric) -> Amounts:
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
        "constant trees" if block.constant_weights and not block.xnor else "trees": trees.registers,
    }
    if not block.xnor and block.weight_dtype == BIPOLAR:
        amounts["shared tree"] = _shared_tree(block).registers + acc
    if steps and not block.writable:
        amounts["thresholds"] = _threshold_bits(block)
    if block.rtl_ram_style == "distributed" and not block.writable:
        amounts["weights"] = rom_functions(pe * block.simd * w, rows * columns)
    return amounts


def _leaves(block: MatrixUnit) -> str:
    if block.constant_weights:
        return "constant leaves"
    return "added products" if block.adds_products else "leaves"


def _adders(block: MatrixUnit) -> str:
    """Small constant products merge with the adders behind them."""
    if not block.constant_weights:
        return "adders"
    small = block.weight_dtype != BIPOLAR and not block.adds_products
    return "adders of small constants" if small else "constant adders"


def _tree(block: MatrixUnit, fabric: Fabric) -> Tree:
    """The trees of all rows."""
    x, w = block.input_dtype.bits, block.weight_dtype.bits
    # constants are shared between rows; the words of a memory are mapped apart from what they feed
    constant = block.constant_weights
    kinds = log2(block.weight_dtype.levels) if constant else inf
    if block.xnor:
        return tree(
            block.simd, block.leaf_terms, int.bit_length, popcount_leaf, rows=block.pe, kind_bits=kinds
        )
    if block.weight_dtype != BIPOLAR:
        wide = block.product_bits
        outside = block.multipliers(fabric) > 0  # a DSP block has its own register
        made = tree(
            block.simd,
            block.leaf_terms,
            _sum_bits(wide),
            lambda n: 0 if outside else wide if block.adds_products else x * w,
            rows=block.pe,
            kind_bits=inf if outside else kinds,  # equal DSP blocks are not merged
        )
        own = block.pe * block.simd * wide if outside and not constant else 0
        return Tree(made.leaves, made.adders, max(0.0, made.registers - own))
    # of two terms that a weight keeps or drops, only one fits the LUT before the carry chain
    leaves = (0, 0 if constant else x, x + 1 if constant else 2 * x + 1)
    return tree(
        block.simd,
        block.leaf_terms,
        _sum_bits(x),
        leaves.__getitem__,
        rows=block.pe,
        kind_bits=kinds,
        dropped=2.0**-kinds,
    )


def _shared_tree(block: MatrixUnit) -> Tree:
    """The sum of all inputs, which rows of bipolar weights share."""
    x = block.input_dtype.bits
    return tree(block.simd, 2, _sum_bits(x), (0, 0, x + 1).__getitem__)


def _sum_bits(bits: int) -> Callable[[int], int]:
    return lambda terms: bits + bits_of(terms)


def _shifted(block: MatrixUnit, fabric: Fabric) -> tuple[int, int]:
    """Shift registers beside the trees (last column; row, for the thresholds): in LUTs, and flip-flops."""
    columns = block.mw // block.simd
    stages = block.dot_cycles + 1
    lengths = [stages] if columns > 1 else []
    if block.thresholds is not None:
        lengths += [stages - block.rtl_biased] * bits_of(block.threshold_words)
    if fabric.family != "xc7":
        return 0, sum(lengths)
    # from three stages on they become SRLs
    return sum(n > 2 for n in lengths), sum(n for n in lengths if n <= 2)


def _threshold_bits(block: MatrixUnit) -> int:
    """Different bits of the threshold memory's words."""
    assert block.thresholds is not None
    fields, bits = block.threshold_fields()
    return rom_columns(fields, bits)
