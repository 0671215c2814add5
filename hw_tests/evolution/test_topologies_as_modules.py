"""The six topologies as ordinary torch modules: the trace finds the groups that their specs state."""

import numpy as np
import pytest
import torch

import etb_hw as etb
from etb_hw.config import ModelConfig
from etb_hw.evolution.note import note_of
from etb_hw.integer import reference
from etb_hw.models import FloatTwin, specify
from etb_hw.qonnx_io import import_model
from etb_hw.qonnx_io.export import exported_model
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
