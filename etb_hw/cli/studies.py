"""What ``etb-hw baselines`` and ``etb-hw sweep`` show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from etb_hw import data
from etb_hw.cli.console import console
from etb_hw.cli.sweep_table import sweep_table
from etb_hw.config import load_flow
from etb_hw.files import write_bytes, write_text
from etb_hw.flow.hardware_cost import hardware_estimate, training_cost
from etb_hw.report.baseline_table import baseline_table
from etb_hw.report.pareto import PICTURE_FILE, pareto_picture
from etb_hw.training.baselines import compare_methods
from etb_hw.training.sweep import Task, sweep_ratios


def run_baselines(flow_file: Path, out: Path | None, seeds: int) -> None:
    """Compare the methods of a flow file and print the table. Raises EtbError."""
    flow = load_flow(flow_file)
    dataset = data.load(flow.data)
    folder = out or Path("runs") / f"{flow_file.stem}-baselines"
    terminal = console()
    found = compare_methods(
        flow.model,
        flow.training,
        flow.evolution,
        dataset,
        folder,
        seeds=seeds_from(flow.training.seed, seeds),
        progress=_announce(terminal),
        cost=training_cost(flow, dataset),
        estimate=hardware_estimate(flow.build),
        on_result=lambda table: write_text(folder / "baselines.md", baseline_table(table)),
    )
    write_text(folder / "baselines.md", baseline_table(found))
    terminal.print(baseline_table(found))
    terminal.print(f"files: {folder}")


def run_sweep(flow_file: Path, out: Path | None, ratios: Sequence[float], seeds: int, jobs: int) -> None:
    """Sweep over ratios and seeds and print the fronts. Raises EtbError."""
    flow = load_flow(flow_file)
    dataset = data.load(flow.data)
    folder = out or Path("runs") / f"{flow_file.stem}-sweep"
    terminal = console()
    cost, estimate = training_cost(flow, dataset), hardware_estimate(flow.build)
    task = Task(flow.model, flow.training, flow.evolution, dataset, cost, estimate)
    found = sweep_ratios(
        task, folder, ratios, seeds_from(flow.training.seed, seeds), jobs, _announce(terminal)
    )
    write_bytes(folder / PICTURE_FILE, pareto_picture(found))
    terminal.print(sweep_table(found))
    terminal.print(f"files: {folder}")


def seeds_from(first: int, count: int) -> tuple[int, ...]:
    return tuple(range(first, first + count))


def _announce(terminal: Console) -> Callable[[str], None]:
    return lambda title: terminal.print(title, style="dim", highlight=False)
