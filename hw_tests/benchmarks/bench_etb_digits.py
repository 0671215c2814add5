"""ETB against its own unpruned baseline on the digits flow, same recipe, six seeds."""

from __future__ import annotations

import warnings
from pathlib import Path
from statistics import mean, stdev

from rich.console import Console
from rich.table import Table

from etb_hw import data, training
from etb_hw.cli.training_bar import progress_bar
from etb_hw.config import load_flow

FLOW = Path(__file__).parents[2] / "flows" / "digits.toml"
SEEDS = range(6)


def main() -> None:
    warnings.filterwarnings("ignore", category=UserWarning)
    console = Console()
    flow = load_flow(FLOW)
    dataset = data.load(flow.data)
    table = Table(title=f"ETB on {dataset.source}, {flow.training.epochs} epochs")
    for column in ("seed", "dense", "ETB", "difference", "parameters cut", "filters cut", "bytes", "seconds"):
        table.add_column(column, justify="right")
    rows = []
    for seed in SEEDS:
        recipe = flow.training.model_copy(update={"seed": seed})
        results = []
        for ratio in (0.0, flow.evolution.ratio):
            evolution = flow.evolution.model_copy(update={"ratio": ratio})
            with progress_bar(console, f"seed {seed}, ratio {ratio}") as show:
                result = training.train(flow.model, recipe, evolution, dataset, progress=show)
            assert result is not None
            results.append(result)
        dense, etb = results
        rows.append((dense.accuracy, etb.accuracy, etb.report.parameters.ratio))
        table.add_row(
            str(seed),
            f"{dense.accuracy:.4f}",
            f"{etb.accuracy:.4f}",
            f"{100 * (etb.accuracy - dense.accuracy):+.2f}",
            f"{etb.report.parameters.ratio:.1%}",
            f"{etb.report.filters.ratio:.1%}",
            f"{etb.report.bytes.before} -> {etb.report.bytes.after}",
            f"{dense.seconds:.0f} / {etb.seconds:.0f}",
        )
    dense_all, etb_all, cut = zip(*rows, strict=True)
    table.add_section()
    table.add_row(
        "mean",
        f"{mean(dense_all):.4f} ±{stdev(dense_all):.4f}",
        f"{mean(etb_all):.4f} ±{stdev(etb_all):.4f}",
        f"{100 * (mean(etb_all) - mean(dense_all)):+.2f}",
        f"{mean(cut):.1%}",
    )
    console.print(table)


if __name__ == "__main__":
    main()
