"""Blocks of one and of several pixels a cycle: the calibrated estimate beside what the pinned Yosys counts.

No block of several pixels is in the fit; their amounts are those of one pixel, M times where the circuit is.

    python -m hw_tests.benchmarks.bench_pixels     # some minutes the first time; netlists are kept
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rich.console import Console
from rich.table import Table

from etb_hw.calibration.rows import block_of
from etb_hw.dataflow.calibrated import load_calibration
from etb_hw.dataflow.pixel_block import PixelBlock
from etb_hw.dataflow.sampling import Spec
from etb_hw.rtl.yosys import synth_blocks

_WINDOW: Spec = {"kind": "SlidingWindow", "h": 6, "k": 3, "s": 1, "parallel": 1, "style": "distributed"}
_MATRIX: Spec = {"kind": "Mvau", "w": "BIPOLAR", "x": "BIPOLAR", "steps": 1, "style": "distributed"}
_POOL: Spec = {"kind": "MaxPool", "h": 28, "w": 28}
_PADDING: Spec = {"kind": "Padding", "h": 32, "w": 32}
_OVERLAP: Spec = {"kind": "WindowPool", "k": 3, "m": 1}
# each unrolled: all channels, and all of a matrix, in a cycle
BLOCKS: tuple[Spec, ...] = (
    {**_WINDOW, "w": 34, "c": 3, "simd": 3, "x": "UINT8"},
    {**_WINDOW, "w": 30, "c": 64, "simd": 64, "x": "BIPOLAR"},
    {**_WINDOW, "w": 34, "c": 64, "simd": 64, "s": 2, "x": "BIPOLAR", "style": "block"},
    {**_POOL, "c": 64, "pe": 64, "x": "BIPOLAR"},
    {**_POOL, "c": 16, "pe": 16, "x": "UINT2"},
    {**_PADDING, "c": 64, "simd": 64, "x": "BIPOLAR"},
    {**_PADDING, "c": 3, "simd": 3, "x": "UINT8"},
    {"kind": "Thresholding", "c": 32, "pe": 32, "steps": 1, "x": "INT9"},
    {"kind": "Thresholding", "c": 16, "pe": 16, "steps": 3, "x": "INT6"},
    {**_WINDOW, "w": 32, "c": 64, "simd": 64, "k": 1, "s": 2, "parallel": 0, "x": "BIPOLAR"},
    {"kind": "AddStreams", "c": 64, "pe": 64, "x": "INT9"},
    {"kind": "DuplicateStreams", "c": 64, "pe": 64, "x": "INT9"},
    {"kind": "Concat", "ca": 64, "cb": 64, "simd": 128, "a": "INT9", "b": "INT4"},
    {**_OVERLAP, "c": 32, "pe": 288, "x": "BIPOLAR"},
    {**_OVERLAP, "c": 16, "pe": 144, "x": "UINT2"},
    {**_OVERLAP, "c": 16, "pe": 144, "x": "UINT4"},
    {"kind": "Channelwise", "c": 32, "pe": 32, "func": "add", "x": "INT10", "bits": 8},
    {"kind": "Channelwise", "c": 16, "pe": 16, "func": "mul", "x": "INT6", "bits": 4},
    {**_MATRIX, "mh": 16, "mw": 72, "pe": 16, "simd": 72, "x": "UINT2", "steps": 3},
    {**_MATRIX, "mh": 24, "mw": 64, "pe": 24, "simd": 64, "steps": 0},
    {**_MATRIX, "mh": 32, "mw": 288, "pe": 32, "simd": 288},
    {**_MATRIX, "mh": 64, "mw": 27, "pe": 64, "simd": 27, "x": "UINT8"},
)


def blocks() -> Iterator[tuple[str, PixelBlock]]:
    """Every block with one pixel a cycle and with two, and what it is."""
    for spec in BLOCKS:
        block = block_of(spec)
        assert isinstance(block, PixelBlock)
        shapes = " -> ".join("x".join(map(str, s.shape)) for s in (block.inputs[0], block.outputs[0]))
        for m in (1, 2):
            yield f"{type(block).__name__}, {shapes}, {block.inputs[0].dtype.name}", replace(block, m=m)


def main() -> None:
    model = load_calibration()
    names, made = zip(*blocks(), strict=True)
    table = Table("block", "M", "LUT", "estimated", "", "FF", "estimated", "")
    for name, block, usage in zip(names, made, synth_blocks(made), strict=True):
        guess = model(block)
        pairs = ((usage.luts, guess.lut), (usage.ff, guess.ff))
        cells = [cell for is_, said in pairs for cell in (f"{is_:,}", f"{said:,.0f}", f"{said / is_:.2f}")]
        table.add_row(name, str(block.m), *cells)
    Console(width=130).print(table)


if __name__ == "__main__":
    main()
