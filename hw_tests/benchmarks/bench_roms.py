"""Mapping read-only memories apart from the logic behind them: LUTs of the digits design by Yosys."""

from __future__ import annotations

from unittest.mock import patch

from rich.console import Console
from rich.table import Table

from etb_hw.dataflow import Effort, Target, fold, lower
from etb_hw.dataflow.simulation import size_fifos
from etb_hw.rtl import synth, yosys
from hw_tests.benchmarks.bench_synth import published_digits

CYCLES = 5_000  # 20,000 frames a second at 100 MHz
FLAT: dict[yosys.Family, tuple[str, ...]] = {
    "xc7": ("synth_xilinx -family xc7 -flatten -noiopad -top {top}",),
    "ecp5": ("synth_ecp5 -top {top}",),
}


def main() -> None:
    design = size_fifos(fold(lower(published_digits()), Target(cycles=CYCLES), Effort()).graph).graph
    table = Table("family", "flat from the start", "memories apart, then joined", "ratio")
    for family in FLAT:
        with patch.dict(yosys._SYNTH, FLAT):
            flat = synth(design, family).total.luts
        apart = synth(design, family).total.luts
        table.add_row(family, f"{flat:,}", f"{apart:,}", f"{flat / apart:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
