"""CNV as FINN published it, beside our RTL at the same folding, synthesised with the pinned Yosys.

The published figures stand in ``etb_hw/report/published.py``. The initiation interval of 32,768 cycles is set
by the first two dense layers. Those figures are Vivado's, and hold FINN's shell (DMA, interconnect); ours are
Yosys' and hold blocks, width converters and FIFOs.

    python -m hw_tests.benchmarks.bench_cnv_published     # some minutes; netlists are kept in the cache
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from etb_hw.dataflow import DataflowGraph, Resources, Target, fold, lower
from etb_hw.dataflow.calibrated import load_calibration
from etb_hw.dataflow.simulation import size_fifos
from etb_hw.report.published import published
from etb_hw.rtl import synth
from hw_tests import networks
from hw_tests.networks import POOL, conv_net

INTERVAL = 32_768
PUBLISHED = {
    found.title: Resources(lut=found.lut or 0, ff=found.ff or 0, bram_18k=found.bram_18k or 0)
    for found in published("cnv")
}


def designs() -> Iterator[tuple[str, DataflowGraph]]:
    """CNV at FINN's folding and at ours, and two pruned ones at ours, all at the published interval."""
    yield "our RTL at FINN's folding", networks.published_cnv(lower(networks.cnv(), label_select=True))
    model = load_calibration()
    half_weights = [45, 45, POOL, 90, 90, POOL, 180, 180]  # 1 / sqrt 2 of every width: half of the weights
    half_filters = [32, 32, POOL, 64, 64, POOL, 128, 128]
    networks_of = {
        "folded by our search": networks.cnv(),
        "half of the weights cut": conv_net(half_weights, [360, 360], pad=0),
        "half of the filters cut": conv_net(half_filters, [256, 256], pad=0),
    }
    for name, network in networks_of.items():
        yield name, fold(lower(network, label_select=True), Target(cycles=INTERVAL, model=model)).graph


def main() -> None:
    console = Console(width=130)
    table = Table(title="CNV W1A1 at 32,768 cycles a frame")
    table.add_column("")
    for column in ("cycles", "LUT", "to bnn-pynq", "RAMB18", "to bnn-pynq", "FF", "estimated LUT", "RAMB18"):
        table.add_column(column, justify="right")
    reference = next(iter(PUBLISHED.values()))

    def add(name: str, cycles: int, lut: float, bram: float, ff: float, *estimate: str) -> None:
        shares = f"{lut / reference.lut:.2f}", f"{bram / reference.bram_18k:.2f}"
        table.add_row(
            name, f"{cycles:,}", f"{lut:,.0f}", shares[0], f"{bram:,.0f}", shares[1], f"{ff:,.0f}", *estimate
        )

    for name, figures in PUBLISHED.items():
        add(name, INTERVAL, figures.lut, figures.bram_18k, figures.ff)
    model = load_calibration()
    for name, design in designs():
        sized = size_fifos(design).graph
        report = synth(sized, "xc7")
        total, guess = report.total, sized.cost(model)
        add(
            f"{name}, {report.tool}",
            sized.bottleneck.cycles,
            total.luts,
            total.bram,
            total.ff,
            f"{guess.lut:,.0f}",
            f"{guess.bram_18k:,.0f}",
        )
    console.print(table)


if __name__ == "__main__":
    main()
