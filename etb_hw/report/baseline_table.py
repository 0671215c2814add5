"""A comparison with baselines as a table in markdown."""

from __future__ import annotations

from statistics import mean, stdev

from etb_hw.artifacts.study import TITLES, Baselines


def baseline_table(table: Baselines) -> str:
    """A table of means; accuracies with their standard deviation over the seeds."""
    extra = sorted({key for run in table.runs for key in run.estimate})
    head = ["method", "seeds", "accuracy %", "parameters", "bytes", "MACs", *extra, "seconds"]
    lines = [
        f"{table.source}, {table.model}, {table.epochs} epochs, {table.ratio:.1%} of {table.count} to cut",
        "",
        "| " + " | ".join(head) + " |",
        "|" + "|".join(" --- " for _ in head) + "|",
    ]
    for method, title in TITLES.items():
        runs = table.of(method)
        if runs:
            found = [100 * run.accuracy for run in runs]
            spread = f" ± {stdev(found):.2f}" if len(found) > 1 else ""
            values = [
                title,
                str(len(runs)),
                f"{mean(found):.2f}{spread}",
                *(
                    f"{mean(getattr(run, key) for run in runs):,.0f}"
                    for key in ("parameters", "bytes", "macs")
                ),
                *(f"{mean(run.estimate.get(key, float('nan')) for run in runs):,.0f}" for key in extra),
                f"{mean(run.seconds for run in runs):.0f}",
            ]
            lines.append("| " + " | ".join(values) + " |")
    return "\n".join(lines) + "\n"
