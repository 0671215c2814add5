"""One- and few-bit activations side by side: digits, half of the images held out, several seeds.

python -m hw_tests.benchmarks.compare_activations --seeds 0 1 2 3

Both kinds have the flow's own recipe (flows/digits.toml); hardware is folded for its frame rate.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np

from etb_hw import data
from etb_hw.config import load_flow
from etb_hw.flow.hardware_cost import HardwareEstimate
from etb_hw.training import train

FLOW = Path(__file__).parents[2] / "flows/digits.toml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3])
    parser.add_argument("--kinds", nargs="+", default=["bipolar", "uint2"])
    parser.add_argument("--test-share", type=float, default=0.5)
    given = parser.parse_args()
    warnings.filterwarnings("ignore", category=UserWarning)
    flow = load_flow(FLOW)
    dataset = data.load(flow.data.model_copy(update={"test_share": given.test_share}))
    for kind in given.kinds:
        accuracies, luts = [], []
        for seed in given.seeds:
            result = train(
                flow.model.model_copy(update={"activation": kind}),
                flow.training.model_copy(update={"seed": seed}),
                flow.evolution,
                dataset,
            )
            assert result is not None
            accuracies.append(100 * result.accuracy)
            luts.append(HardwareEstimate(flow.build)(result.trained)["lut"])
            print(f"{kind} seed {seed}: {accuracies[-1]:.2f} %, {luts[-1]:.0f} LUT", flush=True)
        spread = np.std(accuracies, ddof=1) if len(accuracies) > 1 else float("nan")
        print(f"{kind}: {np.mean(accuracies):.2f} +- {spread:.2f} %, {np.mean(luts):.0f} LUT", flush=True)


if __name__ == "__main__":
    main()
