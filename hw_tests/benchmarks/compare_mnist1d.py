"""MNIST-1D, signals of 40 samples: a binary Conv1d network by ETB, in its own loop, beside its rivals.

    python -m hw_tests.benchmarks.compare_mnist1d --out FILE.jsonl --seeds 0 1 2 3 4 5

The data set (Greydanus and Kobak, "Scaling down deep learning with MNIST-1D", arXiv 2011.14439) is generated
by its authors' package, mnist1d, at its default settings: 4,000 signals to train, 1,000 to test. They are
rounded to 8 bits. The paper's float networks reach 68 % (an MLP) and 94 % (a convolutional network). Another
10,000 test signals, drawn by the same generator with another seed, tell smaller differences.

Rows are appended to FILE, which resumes an interrupted comparison; the table is of all that it holds.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean, pstdev

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

import etb_hw as etb
from etb_hw.evolution.allocation import HIGHEST_CAP, RISE
from etb_hw.training.baselines import UNMOVED

WIDTHS, TARGET, EPOCHS, BATCH, RATE = (32, 64, 96, 128), 0.5, 40, 100, 0.1
RISING, OPEN = {"cap_rise": RISE}, {"caps": (HIGHEST_CAP,) * len(WIDTHS)}
LONGER = 37 / 32  # processor time of an ETB run by that of a small dense one, over 6 seeds
SCALE = 32  # signals have unit deviation: +-4 of them fill 8 bits
MORE_SEED, MORE = 43, 10_000


def data() -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Signals (N, 1, 40), whole numbers -128..127, and labels: to train, to test, and 10,000 more to test."""
    from mnist1d.data import get_dataset_args, make_dataset

    standard = make_dataset(get_dataset_args())
    args = get_dataset_args()
    args.seed, args.num_samples, args.train_split = MORE_SEED, MORE, 0.0
    further = make_dataset(args)

    def signals(x: np.ndarray) -> Tensor:
        return torch.tensor(np.clip(np.rint(x * SCALE), -128, 127), dtype=torch.float32).unsqueeze(1)

    def labels(y: np.ndarray) -> Tensor:
        return torch.tensor(y, dtype=torch.int64)

    train = signals(standard["x"]), labels(standard["y"])
    test = signals(standard["x_test"]), labels(standard["y_test"])
    return (*train, *test, signals(further["x_test"]), labels(further["y_test"]))


def network(widths: Sequence[int]) -> nn.Sequential:
    """Four convolutions and a classifier, in plain torch layers; ``prepare`` makes them binary."""
    layers: list[nn.Module] = []
    before = 1
    for i, width in enumerate(widths):
        kernel = 5 if i == 0 else 3
        layers += [
            nn.Conv1d(before, width, kernel, padding=kernel // 2, bias=False),
            *([nn.MaxPool1d(2)] if i in (1, 3) else []),
            nn.BatchNorm1d(width),
            nn.ReLU(),
        ]
        before = width
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(10 * before, 10))


def augmented(x: Tensor) -> Tensor:
    """Signals shifted by up to four samples, a number each."""
    shift = torch.randint(-4, 5, (len(x), 1))
    index = (torch.arange(x.shape[2]) + shift).clamp(0, x.shape[2] - 1)
    return x.gather(2, index.unsqueeze(1))


def train(
    widths: Sequence[int], target: float, seed: int, x: Tensor, y: Tensor, epochs: int, **options: object
) -> tuple[nn.Module, etb.Evolution]:
    torch.manual_seed(seed)
    model = etb.prepare(network(widths), x[:2])
    steps = epochs * (len(x) // BATCH)
    evolution = etb.Evolution(model, target, steps=steps, seed=seed, **options)
    optimizer = torch.optim.Adam(model.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps, pct_start=0.05)
    for _ in range(epochs):
        for chosen in torch.randperm(len(x))[: len(x) // BATCH * BATCH].split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(augmented(x[chosen])), y[chosen]).backward()
            optimizer.step()
            schedule.step()
            early = evolution.slimmable
            evolution.step()
            if evolution.slimmable and not early:
                evolution.slim(optimizer)
    return etb.slim(model, x[:64]), evolution


def widths_of(net: nn.Module) -> tuple[int, ...]:
    return tuple(layer.out_channels for layer in net.modules() if isinstance(layer, nn.Conv1d))


def parameters(net: nn.Module) -> int:
    return sum(layer.weight.numel() for layer in net.modules() if isinstance(layer, nn.Conv1d | nn.Linear))


def accuracy(net: nn.Module, x: Tensor, y: Tensor) -> float:
    net.eval()
    with torch.no_grad():
        found = torch.cat([net(part).argmax(1) for part in x.split(500)])
    return float((found == y).float().mean())


def evenly(target: float) -> tuple[int, ...]:
    """All widths scaled alike, to the share of the parameters that stays."""
    share = min(
        (s / 100 for s in range(30, 100)),
        key=lambda s: abs(
            parameters(network([round(w * s) for w in WIDTHS])) / parameters(network(WIDTHS)) - 1 + target
        ),
    )
    return tuple(round(w * share) for w in WIDTHS)


def narrowed(target: float) -> tuple[int, ...]:
    """Widths that shrink with depth as ETB's default caps do, to the share of the parameters that stays."""
    profile = np.linspace(1.0, 1.0 + RISE, len(WIDTHS))
    candidates = [
        tuple(
            round(w * max(1 - HIGHEST_CAP, 1 - scale * part)) for w, part in zip(WIDTHS, profile, strict=True)
        )
        for scale in np.linspace(0.0, 0.9, 901)
    ]
    full = parameters(network(WIDTHS))
    return min(candidates, key=lambda widths: abs(parameters(network(widths)) / full - 1 + target))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--methods", nargs="+", help="those whose names begin so; all by default")
    options = parser.parse_args()
    torch.set_num_threads(1)
    x, y, test_x, test_y, more_x, more_y = data()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(line) for line in options.out.read_text().splitlines()] if options.out.exists() else []
    methods: dict[str, Callable[[int], tuple[nn.Module, etb.Evolution]]] = {
        "dense, unpruned": lambda s: train(WIDTHS, 0.0, s, x, y, options.epochs),
        "small dense, scaled evenly": lambda s: train(evenly(TARGET), 0.0, s, x, y, options.epochs),
        "small dense, narrowed as ETB's caps are": lambda s: train(
            narrowed(TARGET), 0.0, s, x, y, options.epochs
        ),
        "ETB": lambda s: train(WIDTHS, TARGET, s, x, y, options.epochs, **RISING),
        "ETB, thresholds not trained": lambda s: train(
            WIDTHS, TARGET, s, x, y, options.epochs, threshold_lr=UNMOVED, **RISING
        ),
        "ETB, equal caps": lambda s: train(WIDTHS, TARGET, s, x, y, options.epochs, cap_rise=0.0),
        "random filters, ETB's caps": lambda s: train(
            WIDTHS, TARGET, s, x, y, options.epochs, criterion="random", **RISING
        ),
        "L1-ranked, ETB's caps": lambda s: train(
            WIDTHS, TARGET, s, x, y, options.epochs, criterion="l1", **RISING
        ),
        "random filters, no caps": lambda s: train(
            WIDTHS, TARGET, s, x, y, options.epochs, criterion="random", **OPEN
        ),
        "L1-ranked, no caps": lambda s: train(
            WIDTHS, TARGET, s, x, y, options.epochs, criterion="l1", **OPEN
        ),
        "widths that ETB found, from scratch": lambda s: train(
            next(r["widths"] for r in rows if r["seed"] == s and r["method"] == "ETB"),
            0.0, s, x, y, options.epochs,
        ),
        "small dense, in ETB's time": lambda s: train(
            evenly(TARGET), 0.0, s, x, y, round(options.epochs * LONGER)
        ),
    }  # fmt: skip
    for seed in options.seeds:
        for name, method in methods.items():
            if options.methods and not name.startswith(tuple(options.methods)):
                continue
            if any(r["seed"] == seed and r["method"] == name and r["epochs"] == options.epochs for r in rows):
                continue
            begun = time.process_time()
            net, _ = method(seed)
            row = {
                "method": name, "seed": seed, "epochs": options.epochs,
                "test": accuracy(net, test_x, test_y), "more": accuracy(net, more_x, more_y),
                "widths": widths_of(net), "parameters": parameters(net),
                "seconds": round(time.process_time() - begun, 1),
            }  # fmt: skip
            rows.append(row)
            with options.out.open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(row, flush=True)
    table = Table(title=f"MNIST-1D, {options.epochs} epochs")
    for column in ("method", "seeds", "1,000 test signals", "10,000 more", "parameters", "CPU s"):
        table.add_column(column, justify="left" if column == "method" else "right")
    for name in methods:
        of = [r for r in rows if r["method"] == name and r["epochs"] == options.epochs]
        if of:
            table.add_row(
                name, str(len(of)), spread([r["test"] for r in of]), spread([r["more"] for r in of]),
                f"{mean(r['parameters'] for r in of):,.0f}", f"{mean(r['seconds'] for r in of):.0f}",
            )  # fmt: skip
    Console(width=120).print(table)


def spread(values: Sequence[float]) -> str:
    return f"{100 * mean(values):.2f} ± {100 * pstdev(values):.2f}"


if __name__ == "__main__":
    main()
