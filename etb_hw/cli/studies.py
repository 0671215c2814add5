"""What ``etb-hw baselines`` and ``etb-hw sweep`` show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from etb_hw import data
from etb_hw.cli.output import Output
from etb_hw.cli.sweep_table import sweep_table
from etb_hw.config import load_flow
from etb_hw.errors import BadInput
from etb_hw.files import write_bytes, write_text
from etb_hw.flow.hardware_cost import hardware_estimate, training_cost
from etb_hw.flow.trials import task_of
from etb_hw.flow_files import find_flow
from etb_hw.report.baseline_table import baseline_table
from etb_hw.report.pareto import PICTURE_FILE, pareto_picture
from etb_hw.training.baselines import compare_methods
from etb_hw.training.sweep import sweep_ratios


def run_baselines(flow_file: Path, out: Path | None, seeds: int, output: Output) -> None:
    """Compare the methods of a flow file and print the table. Raises EtbError."""
    flow = load_flow(find_flow(flow_file))
    if flow.evolution.budgeted:
        remedy = "give evolution.ratio and count = 'luts' instead of the budget"
        raise BadInput(f"{flow_file}: evolution", "has a budget, and methods are compared at a ratio", remedy)
    dataset = data.load(flow.data)
    folder = out or Path("runs") / f"{flow_file.stem}-baselines"
    found = compare_methods(
        flow.model,
        flow.training,
        flow.evolution,
        dataset,
        folder,
        seeds=seeds_from(flow.training.seed, seeds),
        progress=_announce(output),
        cost=training_cost(flow, dataset),
        estimate=hardware_estimate(flow.build),
        on_result=lambda table: write_text(folder / "baselines.md", baseline_table(table)),
    )
    write_text(folder / "baselines.md", baseline_table(found))
    output.say(baseline_table(found), f"files: {folder}")
    output.document({"out": str(folder), **asdict(found)})


def run_sweep(
    flow_file: Path, out: Path | None, ratios: Sequence[float], seeds: int, jobs: int, output: Output
) -> None:
    """Sweep over ratios and seeds and print the fronts. Raises EtbError."""
    flow = load_flow(find_flow(flow_file))
    dataset = data.load(flow.data)
    folder = out or Path("runs") / f"{flow_file.stem}-sweep"
    found = sweep_ratios(
        task_of(flow, dataset), folder, ratios, seeds_from(flow.training.seed, seeds), jobs, _announce(output)
    )
    write_bytes(folder / PICTURE_FILE, pareto_picture(found))
    output.say(sweep_table(found), f"files: {folder}")
    output.document({"out": str(folder), **asdict(found)})


def seeds_from(first: int, count: int) -> tuple[int, ...]:
    return tuple(range(first, first + count))


def _announce(output: Output) -> Callable[[str], None]:
    return output.note
