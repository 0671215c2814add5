"""Our folding search beside FINN's SetFolding: same frame rate, same formulas, both totals never worse.

python -m hw_tests.benchmarks.bench_folding [--time-limit SECONDS] [--fps 500,2000]
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

from rich.console import Console
from rich.table import Table

from etb_hw.dataflow import Effort, Target, fold, lower, set_folding
from hw_tests import networks

NETWORKS = {
    "CNV": networks.cnv,
    "VGG-Small": networks.vgg_small,
    "VGG-Small pruned": networks.pruned_vgg_small,
    "ResNet-18": networks.resnet18,
}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--time-limit", type=float, default=10.0, help="seconds for each search")
    parser.add_argument("--fps", default="500,2000", help="targets in frames a second at 100 MHz")
    options = parser.parse_args(arguments)
    table = Table(title="Folding at equal frame rate, FINN's resource formulas (SetFolding / ours)")
    table.add_column("network")
    for column in ("target fps", "fps", "LUT", "ratio", "BRAM18", "ratio", "gap to bound", "seconds"):
        table.add_column(column, justify="right")
    worse = []
    for name, make in NETWORKS.items():
        design = lower(make())
        for target in map(float, options.fps.split(",")):
            theirs = set_folding(design, int(1e8 / target))
            before = theirs.resources
            start = time.perf_counter()
            ours = fold(
                design,
                Target(cycles=theirs.bottleneck.cycles, limit=replace(before, uram=0)),
                Effort(hint=theirs, time_limit_s=options.time_limit),
            )
            seconds = time.perf_counter() - start
            after = ours.graph.resources
            if after.lut > before.lut or after.bram_18k > before.bram_18k or ours.graph.fps < theirs.fps:
                worse.append(name)
            gap = 1 - ours.bound / ours.objective
            table.add_row(
                name,
                f"{target:,.0f}",
                f"{theirs.fps:,.0f} / {ours.graph.fps:,.0f}",
                f"{before.lut:,.0f} / {after.lut:,.0f}",
                f"{after.lut / before.lut:.2f}",
                f"{before.bram_18k:,.0f} / {after.bram_18k:,.0f}",
                f"{after.bram_18k / before.bram_18k:.2f}",
                "optimal" if ours.optimal else f"{gap:.2%}",
                f"{seconds:.1f}",
            )
    Console(width=130).print(table)
    if worse:
        raise SystemExit(f"worse than SetFolding: {', '.join(worse)}")


if __name__ == "__main__":
    main()
