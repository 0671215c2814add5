"""What a step trains on: every image once an epoch, in a new order each time, shared between processes."""

from __future__ import annotations

import torch

from etb_hw.config import TrainingConfig
from etb_hw.training.batches import Batches

CONFIG = TrainingConfig(batch=8, flip=False, shift=0, cutout=0)
X = torch.arange(40, dtype=torch.uint8).view(40, 1, 1, 1)
Y = torch.arange(40)


def labels(epoch: int, rank: int = 0, ranks: int = 1, seed: int = 0) -> list[int]:
    batches = Batches(X, Y, CONFIG.model_copy(update={"seed": seed}), rank, ranks)
    found = []
    for step in range(epoch * batches.an_epoch, (epoch + 1) * batches.an_epoch):
        x, y = batches.batch(step)
        assert torch.equal(x.view(-1).long(), y), "pixels and labels belong together"
        found += y.tolist()
    return found


def test_an_epoch_shows_every_image_once() -> None:
    for epoch in range(3):
        assert sorted(labels(epoch)) == list(range(40))


def test_every_epoch_and_every_seed_has_its_own_order() -> None:
    orders = [tuple(labels(epoch, seed=seed)) for epoch in range(4) for seed in range(3)]
    assert len(set(orders)) == len(orders)


def test_processes_share_a_batch_without_overlap() -> None:
    alone = labels(1)
    parts = [labels(1, rank, 2) for rank in range(2)]
    assert not set(parts[0]) & set(parts[1])
    for step in range(5):
        together = set(parts[0][4 * step : 4 * step + 4]) | set(parts[1][4 * step : 4 * step + 4])
        assert together == set(alone[8 * step : 8 * step + 8])
