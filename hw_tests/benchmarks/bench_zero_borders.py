"""Signs padded with 0: matrix units that count border taps for nothing, against ternary streams.

The same network padded with -1, and with 0 in both forms, at one frame rate, tap by tap and in whole windows;
every block and FIFO synthesised by the pinned Yosys for the 7 series
(`python -m hw_tests.benchmarks.bench_zero_borders`, a few minutes the first time).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console
from rich.table import Table

from etb_hw.dataflow import Effort, Target, fold, lower
from etb_hw.dataflow.calibrated import load_calibration
from etb_hw.dataflow.simulation import size_fifos
from etb_hw.integer import Conv, IntegerGraph
from etb_hw.rtl import synth
from hw_tests.networks import POOL, conv_net

CASES = (
    ([16, 16, POOL, 32, 32], 16, 20_000),
    ([32, 32, POOL, 64, 64], 16, 40_000),
    ([8, 8, POOL, 16, 16], 16, 350),
)


def zero_padded(graph: IntegerGraph) -> IntegerGraph:
    nodes = (replace(n, pad_value=0) if isinstance(n, Conv) else n for n in graph.nodes)
    return replace(graph, nodes=tuple(nodes))


def main(arguments: Sequence[str] = ()) -> None:
    model = load_calibration()
    table = Table(
        "layers", "cycles a frame", "form", "LUT", "estimated", "flip-flops", "RAMB18", title=model.tool
    )
    for widths, size, cycles in CASES:
        signs = conv_net(widths, [], (3, size, size))
        zeros = zero_padded(signs)
        forms = {
            "padded with -1": lower(signs),
            "counted for nothing": lower(zeros),
            "ternary": lower(zeros, builder="finn"),
        }
        for form, lowered in forms.items():
            folded = fold(lowered, Target(cycles=cycles, model=model), Effort(time_limit_s=20)).graph
            design = size_fifos(folded).graph
            rows = synth(design, "xc7").rows
            luts, ffs, brams = (
                sum(count)
                for count in zip(*((r.usage.luts, r.usage.ff, r.usage.bram) for r in rows), strict=True)
            )
            name = " ".join(str(width) for width in widths)
            estimate = design.cost(model).lut
            table.add_row(
                name,
                f"{design.bottleneck.cycles:,}",
                form,
                f"{luts:,}",
                f"{estimate:,.0f}",
                f"{ffs:,}",
                str(brams),
            )
    Console(width=120).print(table)


if __name__ == "__main__":
    main(sys.argv[1:])
