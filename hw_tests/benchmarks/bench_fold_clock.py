"""What a fold does to the clock: the longest path on the 7 series of one block, folded in several ways.

python -m hw_tests.benchmarks.bench_fold_clock    # a quarter of an hour
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from etb_hw.calibration.rows import block_of
from etb_hw.dataflow.block import Block
from etb_hw.dataflow.registered_block import RegisteredBlock
from etb_hw.rtl.cell_delays import CellDelays, cell_delays
from etb_hw.rtl.longest_path import LongestPath
from etb_hw.rtl.tools import Tool, find_yosys
from etb_hw.rtl.yosys import BLOCK_TOP, block_sources, netlist, path_of

Fold = Mapping[str, int]
BINARY: Mapping[str, Any] = {"kind": "Mvau", "w": "BIPOLAR", "x": "BIPOLAR", "mh": 64, "mw": 576, "steps": 1}
# a layer of VGG-Small, its first layer, and what stands between and behind such layers
LAYERS: Mapping[str, tuple[Mapping[str, Any], tuple[Fold, ...]]] = {
    "MVAU 576 -> 64, signs": (
        {**BINARY, "style": "distributed"},
        tuple(
            {"pe": pe, "simd": simd} for pe, simd in ((1, 1), (1, 36), (8, 36), (64, 36), (1, 576), (8, 288))
        ),
    ),
    "the same, block RAM": (
        {**BINARY, "style": "block"},
        tuple({"pe": pe, "simd": simd} for pe, simd in ((1, 36), (4, 36), (2, 144))),
    ),
    "MVAU 147 -> 64, bytes": (
        {**BINARY, "x": "UINT8", "mw": 147, "style": "distributed"},
        tuple({"pe": pe, "simd": simd} for pe, simd in ((1, 1), (1, 21), (8, 21), (1, 147))),
    ),
    "thresholds, 3 of 64": (
        {"kind": "Thresholding", "c": 64, "x": "INT12", "steps": 3, "style": "distributed"},
        tuple({"pe": pe} for pe in (1, 8, 64)),
    ),
    "largest of 10": (
        {"kind": "LabelSelect", "c": 10, "x": "INT16", "k": 1},
        tuple({"pe": pe} for pe in (1, 2, 5, 10)),
    ),
}


def main() -> None:
    yosys = find_yosys()
    delays = cell_delays("xc7", yosys)
    table = Table("layer", "PE", "SIMD", "ns, as it is", "with registers", "between")
    for layer, (spec, folds) in LAYERS.items():
        for fold in folds:
            plain, *more = (longest(block, yosys, delays) for block in forms(block_of({**spec, **fold})))
            slowest = more[-1] if more else plain
            table.add_row(
                layer, str(fold["pe"]), str(fold.get("simd", "")), f"{plain.ps / 1000:.2f}",
                f"{slowest.ps / 1000:.2f}", f"{slowest.start} .. {slowest.end}",
            )  # fmt: skip
    Console(width=150).print(table)


def forms(block: Block) -> Iterator[Block]:
    yield block
    if isinstance(block, RegisteredBlock):
        yield block.registered()


def longest(block: Block, yosys: Tool, delays: Mapping[str, CellDelays]) -> LongestPath:
    folder = netlist(block_sources(block, BLOCK_TOP), BLOCK_TOP, "xc7", keep=True, yosys=yosys)
    found = path_of(folder, BLOCK_TOP, delays)
    assert found is not None, block.name
    return found


if __name__ == "__main__":
    main()
