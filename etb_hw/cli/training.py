"""What ``etb-hw baselines`` shows."""

from __future__ import annotations

from pathlib import Path

from etb_hw import data
from etb_hw.cli.console import console
from etb_hw.config import load_flow
from etb_hw.flow.hardware_cost import estimate, training_cost
from etb_hw.training import baselines


def run_baselines(flow_file: Path, out: Path | None, seeds: int) -> None:
    """Compare the methods of a flow file and print the table. Raises EtbError."""
    flow = load_flow(flow_file)
    dataset = data.load(flow.data)
    folder = out or Path("runs") / f"{flow_file.stem}-baselines"
    terminal = console()
    asks = flow.build.target_fps is not None or flow.build.device is not None

    def announce(title: str) -> None:
        terminal.print(f"[dim]{title}[/]", highlight=False)

    baselines.run(
        flow.model,
        flow.training,
        flow.evolution,
        dataset,
        folder,
        seeds=tuple(range(flow.training.seed, flow.training.seed + seeds)),
        progress=announce,
        cost=training_cost(flow, dataset),
        estimate=estimate(flow.build) if asks else None,
    )
    terminal.print((folder / "baselines.md").read_text(encoding="utf-8"), markup=False)
    terminal.print(f"files: {folder}")
