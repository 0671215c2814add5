"""The shipped flow files are valid; every topology trains, slims and deploys (few steps, small widths)."""

from pathlib import Path

import numpy as np
import pytest
import torch

from etb_hw import data, training
from etb_hw.config import ModelConfig, load_flow
from etb_hw.models import specify
from etb_hw.pruning import deployable

FLOWS = sorted((Path(__file__).parents[2] / "flows").glob("*.toml"))
IMAGES = {"cifar10": (3, 32, 32), "mnist": (1, 28, 28), "digits": (1, 8, 8)}
WIDTH = {"vgg_small": 0.05, "resnet18": 0.1, "cnv": 0.08, "tfc": 0.25, "sfc": 0.06, "lfc": 0.02}


@pytest.mark.parametrize("path", FLOWS, ids=lambda path: path.stem)
def test_a_few_steps_of_every_flow(path, tmp_path):
    flow = load_flow(path)
    shape = IMAGES[flow.data.name]
    assert specify(flow.model, shape, 10).classes == 10
    generator = np.random.default_rng(0)
    x = generator.integers(0, 256, (48, *shape), dtype=np.uint8)
    y = generator.integers(0, 10, 48)
    random = data.Dataset(x, y, x[:16], y[:16], tuple("0123456789"), "random pixels")
    model = ModelConfig(name=flow.model.name, width=WIDTH[flow.model.name])
    teacher = flow.training.teacher.model_copy(update={"epochs": min(1, flow.training.teacher.epochs)})
    short = {"epochs": 2, "batch": 8, "threads": 1, "warmup_epochs": 0.5, "teacher": teacher}
    short["compile"] = False  # minutes of a C++ compiler: test_compiled_training.py
    recipe = flow.training.model_copy(update=short)
    evolution = flow.evolution.model_copy(update={"multiple": 1})
    assert training.train(model, recipe, evolution, random, tmp_path, stop_after=5) is None
    result = training.train(model, recipe, evolution, random, tmp_path)
    assert result is not None
    assert all(proof.mismatches == 0 for proof in result.proofs)
    assert result.report.reached >= flow.evolution.ratio - 1e-9
    pixels = torch.from_numpy(x).float()
    assert torch.equal(deployable(result.hard)(pixels), result.hard(pixels))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vgg_small_cifar10", "resnet18_cifar10", "cnv_cifar10"])
def test_full_size_networks_take_steps_resume_and_slim(name, tmp_path):
    flow = load_flow(FLOWS[0].with_name(f"{name}.toml"))
    generator = np.random.default_rng(0)
    x = generator.integers(0, 256, (12, 3, 32, 32), dtype=np.uint8)
    y = generator.integers(0, 10, 12)
    random = data.Dataset(x, y, x, y, tuple("0123456789"), "random pixels")
    teacher = flow.training.teacher.model_copy(update={"epochs": 1})
    short = {"epochs": 1, "batch": 4, "warmup_epochs": 0.0, "teacher": teacher, "checkpoint_seconds": 0.0}
    short["compile"] = False
    recipe = flow.training.model_copy(update=short)
    assert training.train(flow.model, recipe, flow.evolution, random, tmp_path, stop_after=1) is None
    result = training.train(flow.model, recipe, flow.evolution, random, tmp_path)
    assert result is not None
    assert all(proof.mismatches == 0 for proof in result.proofs)
    assert result.report.reached == pytest.approx(flow.evolution.ratio, abs=0.03)
    widths = [result.hard.spec.widths[group] for group in result.hard.spec.prunable]
    assert all(width % flow.evolution.multiple == 0 for width in widths)
