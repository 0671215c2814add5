"""ETB beside its baselines on digits: same recipe, budget and seeds (a short form; see EXPERIMENTS.md)."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

from rich.console import Console
from rich.markdown import Markdown

from etb_hw import data
from etb_hw.config import load_flow
from etb_hw.report.baseline_table import baseline_table
from etb_hw.training.baselines import compare_methods

FLOW = Path(__file__).parents[2] / "flows" / "digits.toml"
EPOCHS, SEEDS = 15, (0,)


def main() -> None:
    warnings.filterwarnings("ignore", category=UserWarning)
    flow = load_flow(FLOW)
    training = flow.training.model_copy(update={"epochs": EPOCHS})
    with tempfile.TemporaryDirectory() as folder:
        table = compare_methods(
            flow.model, training, flow.evolution, data.load(flow.data), Path(folder), SEEDS
        )
    Console().print(Markdown(baseline_table(table)))


if __name__ == "__main__":
    main()
