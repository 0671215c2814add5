"""The baseline table on a small CIFAR-10: width-reduced VGG-Small, shrunken images, an hour on a CPU.

python -m hw_tests.benchmarks.compare_cifar_small data/cifar10 --out runs/cifar-small --source "CIFAR-10"

Started again it goes on where it stopped; processes with other --seeds may share the folder.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from etb_hw import data
from etb_hw.artifacts.study import TITLES, Method
from etb_hw.config import DataConfig, EvolutionConfig, ModelConfig, TeacherConfig, TrainingConfig
from etb_hw.report.baseline_table import baseline_table
from etb_hw.training import baselines

METHODS: tuple[Method, ...] = tuple(TITLES)


def shrunk(x: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Means of square blocks, rounded: (N, C, 32, 32) to (N, C, size, size)."""
    count, channels, height, _ = x.shape
    block = height // size
    blocks = x.reshape(count, channels, size, block, size, block)
    return np.rint(blocks.mean((3, 5))).astype(np.uint8)


def small_cifar(path: str, source: str, size: int, images: int) -> data.Dataset:
    """The first training images and all test images of CIFAR-10, shrunk."""
    whole = data.load(DataConfig(name="cifar10", path=path, source=source))
    part = slice(images)
    return data.Dataset(
        shrunk(whole.train_x[part], size),
        whole.train_y[part],
        shrunk(whole.test_x, size),
        whole.test_y,
        whole.classes,
        f"{whole.source}, {size}x{size}, {images} training images",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", help="folder of CIFAR-10 in an official layout")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--source", default="CIFAR-10", help="how the results name the data")
    parser.add_argument("--size", type=int, default=16, help="pixels a side (means of squares)")
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--width", type=float, default=0.125)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--optimizer", choices=("sgd", "adam"), default="sgd")
    parser.add_argument("--lr", type=float, default=0.1, help="0.03 suits adam")
    parser.add_argument("--teacher-epochs", type=int, default=10)
    parser.add_argument("--ratio", type=float, default=0.5)
    parser.add_argument("--cap-rise", type=float, default=3.0)
    parser.add_argument("--harden", type=float, default=0.5)
    parser.add_argument("--norm-batches", type=int, default=0, help="finished networks train no more for it")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    given = parser.parse_args()
    warnings.filterwarnings("ignore", category=UserWarning)
    dataset = small_cifar(given.data, given.source, given.size, given.images)
    table = baselines.compare_methods(
        ModelConfig(width=given.width),
        TrainingConfig(
            epochs=given.epochs,
            batch=100,
            optimizer=given.optimizer,
            lr=given.lr,
            weight_decay=5e-4 if given.optimizer == "sgd" else 0.0,
            flip=True,
            threads=1,
            evaluate_every=5,
            norm_batches=given.norm_batches,
            teacher=TeacherConfig(epochs=given.teacher_epochs),
        ),
        EvolutionConfig(ratio=given.ratio, cap_rise=given.cap_rise, harden=given.harden),
        dataset,
        given.out,
        seeds=given.seeds,
        methods=given.methods,
        progress=lambda title: print(title, flush=True),
    )
    print(baseline_table(table))


if __name__ == "__main__":
    main()
