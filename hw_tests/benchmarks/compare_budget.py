"""A budget of LUTs against ratios of parameters and of LUTs: accuracy at what designs take, several seeds.

python -m hw_tests.benchmarks.compare_budget --seeds 0 1 2 3

The digits flow's network and recipe (20 epochs, no teacher), half of the images held out; every result is
folded for the flow's frame rate, its FIFOs sized. A block RAM of 18 kbit counts as 190 LUTs.
"""

from __future__ import annotations

import argparse
import json
import warnings
from pathlib import Path

import numpy as np

from etb_hw import data
from etb_hw.config import EvolutionConfig, TeacherConfig, load_flow
from etb_hw.dataflow.folding import Weights
from etb_hw.dataflow.resources import Resources
from etb_hw.flow.budgets import training_budget
from etb_hw.flow.hardware_cost import HardwareEstimate, training_cost
from etb_hw.training import train

FLOW = Path(__file__).parents[2] / "flows/digits.toml"
WAYS = {
    "target_luts 4000": EvolutionConfig(target_luts=4000, multiple=2),
    "target_luts 3400": EvolutionConfig(target_luts=3400, multiple=2),
    "ratio 0.42 of parameters": EvolutionConfig(ratio=0.42, multiple=2),
    "ratio 0.56 of parameters": EvolutionConfig(ratio=0.56, multiple=2),
    "ratio 0.4 of luts": EvolutionConfig(ratio=0.4, count="luts", multiple=2),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3])
    parser.add_argument("--epochs", type=int, default=20)
    given = parser.parse_args()
    warnings.filterwarnings("ignore", category=UserWarning)
    flow = load_flow(FLOW)
    dataset = data.load(flow.data.model_copy(update={"test_share": 0.5}))
    for name, evolution in WAYS.items():
        rows = []
        for seed in given.seeds:
            recipe = {"seed": seed, "epochs": given.epochs, "teacher": TeacherConfig()}
            asked = flow.model_copy(
                update={"evolution": evolution, "training": flow.training.model_copy(update=recipe)}
            )
            result = train(
                asked.model, asked.training, evolution, dataset,
                cost=training_cost(asked, dataset), budget=training_budget(asked, dataset),
            )  # fmt: skip
            assert result is not None
            found = HardwareEstimate(flow.build)(result.hard)
            luts = Weights().of(Resources(lut=found["lut"], bram_18k=found["bram_18k"]))
            rows.append((100 * result.accuracy, luts, 100 * result.report.parameters.ratio))
            print(json.dumps({"way": name, "seed": seed, "row": rows[-1]}), flush=True)
        mean, spread = np.mean(rows, 0), np.std(rows, 0, ddof=1 if len(rows) > 1 else 0)
        print(
            f"{name}: {mean[0]:.2f} +- {spread[0]:.2f} %, {mean[1]:.0f} +- {spread[1]:.0f} LUTs, "
            f"{mean[2]:.1f} % of the parameters cut",
            flush=True,
        )


if __name__ == "__main__":
    main()
