"""A budget of LUTs against ratios of parameters and of LUTs: accuracy at what designs take, several seeds.

python -m hw_tests.benchmarks.compare_budget --seeds 0 1 2 3
python -m hw_tests.benchmarks.compare_budget --cifar DATA --seeds 0 1 2 3

The digits flow's network and recipe (20 epochs, no teacher), half of the images held out; or VGG-Small of
width 1/8 on CIFAR-10 of 16x16 pixels (10,000 images, 10 epochs, no teacher). Every result is folded for the
frame rate, its FIFOs sized. A block RAM of 18 kbit counts as 190 LUTs.
"""

from __future__ import annotations

import argparse
import json
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from etb_hw import data
from etb_hw.config import EvolutionConfig, Flow, TeacherConfig, load_flow
from etb_hw.dataflow.folding import Weights
from etb_hw.dataflow.resources import Resources
from etb_hw.flow.budgets import training_budget
from etb_hw.flow.hardware_cost import HardwareEstimate, training_cost
from etb_hw.training import train
from hw_tests.benchmarks.compare_cifar_small import small_cifar

FLOWS = Path(__file__).parents[2] / "flows"


@dataclass(frozen=True)
class Task:
    """What is trained, and what is asked for."""

    flow: Flow
    dataset: data.Dataset
    ways: dict[str, EvolutionConfig]


def digits(epochs: int) -> Task:
    flow = load_flow(FLOWS / "digits.toml")
    ways = {
        "target_luts 4000": EvolutionConfig(target_luts=4000, multiple=2, cap_rise=0),
        "target_luts 3400": EvolutionConfig(target_luts=3400, multiple=2, cap_rise=0),
        "ratio 0.42 of parameters": EvolutionConfig(ratio=0.42, multiple=2, cap_rise=0),
        "ratio 0.56 of parameters": EvolutionConfig(ratio=0.56, multiple=2, cap_rise=0),
        "ratio 0.4 of luts": EvolutionConfig(ratio=0.4, count="luts", multiple=2, cap_rise=0),
    }
    dataset = data.load(flow.data.model_copy(update={"test_share": 0.5}))
    return Task(_trained_for(flow, epochs), dataset, ways)


def cifar(path: str, source: str, epochs: int) -> Task:
    flow = load_flow(FLOWS / "vgg_small_cifar10_cpu.toml")
    flow = flow.model_copy(update={"build": flow.build.model_copy(update={"target_fps": 20_000})})
    flow = flow.model_copy(update={"training": flow.training.model_copy(update={"batch": 100})})
    shared = {"multiple": 2, "cap_rise": 3.0}
    ways = {
        "target_luts 4600": EvolutionConfig(target_luts=4600, **shared),
        "target_luts 4000": EvolutionConfig(target_luts=4000, **shared),
        "ratio 0.4 of parameters": EvolutionConfig(ratio=0.4, **shared),
        "ratio 0.6 of parameters": EvolutionConfig(ratio=0.6, **shared),
        "ratio 0.4 of luts": EvolutionConfig(ratio=0.4, count="luts", **shared),
    }
    return Task(_trained_for(flow, epochs), small_cifar(path, source, 16, 10_000), ways)


def _trained_for(flow: Flow, epochs: int) -> Flow:
    recipe = {"epochs": epochs, "teacher": TeacherConfig()}
    return flow.model_copy(update={"training": flow.training.model_copy(update=recipe)})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3])
    parser.add_argument("--cifar", metavar="DATA", help="folder of CIFAR-10 in an official layout")
    parser.add_argument("--source", default="CIFAR-10", help="how the results name the data")
    parser.add_argument("--epochs", type=int, help="20 for digits, 10 for CIFAR-10 by default")
    parser.add_argument("--ways", nargs="+", help="those whose names begin so; all by default")
    given = parser.parse_args()
    warnings.filterwarnings("ignore", category=UserWarning)
    task = (
        digits(given.epochs or 20)
        if given.cifar is None
        else cifar(given.cifar, given.source, given.epochs or 10)
    )
    for name, evolution in task.ways.items():
        if given.ways and not name.startswith(tuple(given.ways)):
            continue
        rows = []
        for seed in given.seeds:
            asked = task.flow.model_copy(
                update={
                    "evolution": evolution,
                    "training": task.flow.training.model_copy(update={"seed": seed}),
                }
            )
            result = train(
                asked.model, asked.training, evolution, task.dataset,
                cost=training_cost(asked, task.dataset), budget=training_budget(asked, task.dataset),
            )  # fmt: skip
            assert result is not None
            found = HardwareEstimate(task.flow.build)(result.trained)
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
