"""The six topologies as ordinary torch modules: traced, evolved and cut as any other."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import etb_hw as etb
from etb_hw import data, training
from etb_hw.config import DataConfig, EvolutionConfig, ModelConfig, TrainingConfig
from etb_hw.evolution.note import note_of
from etb_hw.evolution.schedule import cosine
from etb_hw.integer import reference
from etb_hw.models import FloatTwin, build, specify
from etb_hw.pruning import harden
from etb_hw.qonnx_io import import_model
from etb_hw.qonnx_io.export import exported_model
from etb_hw.training.batches import Batches
from hw_tests.evolution.loop import train_to_the_end
from hw_tests.models.test_topologies import SMALL


@pytest.mark.parametrize("name", SMALL)
def test_a_topology_is_an_ordinary_module(name):
    shape, width = SMALL[name]
    spec = specify(ModelConfig(name=name, width=width), shape, 10)
    torch.manual_seed(0)
    x = torch.randint(0, 256, (8, *shape)).float()
    model = etb.prepare(FloatTwin(spec), x, additions="stream").train()
    plan = note_of(model).plan
    stated: dict[str, set[str]] = {}
    for layer in spec.weighted:
        stated.setdefault(layer.group, set()).add(f"cores.{layer.name}")
    traced: dict[str, set[str]] = {}
    for layer in plan.layers:
        traced.setdefault(layer.group, set()).add(layer.name)
    assert sorted(map(sorted, stated.values())) == sorted(map(sorted, traced.values()))
    assert len(plan.prunable) == len(spec.prunable)
    evolution = etb.Evolution(model, 0.3, steps=6)
    sizes = {layer.name: spec.geometry(layer) for layer in spec.weighted}
    assert evolution.savings()["parameters"].before == sum(size.weights for size in sizes.values())
    assert evolution.savings()["macs"].before == sum(size.macs for size in sizes.values())
    train_to_the_end(model, evolution, x)
    slim = etb.slim(model, x)
    if name in ("vgg_small", "resnet18"):  # the others unsqueeze
        graph = import_model(exported_model(slim, shape))
        found = graph.dequantize(reference.execute(graph, x.numpy().astype(np.uint8)))
        np.testing.assert_array_equal(found, slim(x).detach().numpy())


@pytest.mark.parametrize("name", ["vgg_small", "tfc"])
def test_a_flow_trains_as_a_loop_of_ones_own_does(name):
    """The same bits: nothing in a flow evolves, cuts or hardens another way."""
    digits = data.load(DataConfig(train_limit=192, test_limit=32))
    config = ModelConfig(name=name, width=0.07 if name == "vgg_small" else 0.4)
    recipe = TrainingConfig(epochs=4, batch=32, lr=0.02, threads=1, flat=0.5, weight_decay=1e-3)
    flow = training.train(config, recipe, EvolutionConfig(ratio=0.4, threshold_lr=1e-3), digits)

    torch.manual_seed(recipe.seed)
    x, y = torch.from_numpy(digits.train_x), torch.from_numpy(digits.train_y)
    model = etb.prepare(build(config, digits.shape, 10), x[:2].float()).train()
    evolution = etb.Evolution(model, 0.4, steps=24, threshold_lr=1e-3)
    latent = [p for name, p in model.named_parameters() if name.endswith("core.weight")]
    others = [p for name, p in model.named_parameters() if not name.endswith("core.weight")]
    groups = [{"params": latent, "weight_decay": recipe.weight_decay}, {"params": others}]
    optimizer = torch.optim.Adam(groups, recipe.lr, foreach=True)
    batches = Batches(x, y, recipe)
    while not evolution.done:
        pixels, labels = batches.batch(evolution.steps_done)
        factor = cosine(evolution.steps_done, 12, 24)
        for group in optimizer.param_groups:
            group["lr"] = recipe.lr * factor
        optimizer.zero_grad()
        F.cross_entropy(model(pixels), labels).backward()
        optimizer.step()
        model.project()
        evolution.step(factor, [optimizer])
    mine, theirs = harden(model).state_dict(), flow.hard.state_dict()
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[key], theirs[key]) for key in mine)
    assert evolution.pruned == flow.report.reached >= 0.4
    etb.slim(model)
