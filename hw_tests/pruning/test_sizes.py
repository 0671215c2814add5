"""What a network costs, counted by hand."""

from __future__ import annotations

from dataclasses import replace
from math import ceil

from etb_hw.artifacts.sizes import Count
from etb_hw.models.mlp import tfc
from etb_hw.models.resnet18 import resnet18
from etb_hw.models.vgg_small import vgg_small
from etb_hw.pruning.sizes import (
    cost_function,
    filters,
    layer_bytes,
    macs,
    parameters,
    report,
    size_bytes,
    sum_bound,
    value_bound,
)

WIDTHS = (3, 5, 4, 6, 7, 2)
NET = vgg_small((2, 8, 8), 10, widths=WIDTHS)
WEIGHTS = [2 * 3 * 9, 3 * 5 * 9, 5 * 4 * 9, 4 * 6 * 9, 6 * 7 * 9, 7 * 2 * 9, 2 * 2 * 2 * 2 * 10 // 2]


def by_hand() -> tuple[list[int], list[int]]:
    """Weights and pixels of each layer, from the geometry that the topology states."""
    weighted = NET.weighted
    return [NET.geometry(layer).weights for layer in weighted], [
        NET.geometry(layer).macs for layer in weighted
    ]


def test_parameters_filters_and_macs() -> None:
    weights, products = by_hand()
    assert weights[:6] == WEIGHTS[:6]
    assert parameters(NET) == sum(weights)
    assert macs(NET) == sum(products)
    assert products[0] == weights[0] * 64
    assert filters(NET) == sum(WIDTHS)
    assert filters(NET, {**NET.widths, NET.weighted[0].group: 1}) == sum(WIDTHS) - 2


def test_costs_as_functions_of_the_widths() -> None:
    group = NET.weighted[1].group
    for count, counter in (("parameters", parameters), ("filters", filters), ("macs", macs)):
        cost = cost_function(NET, count)
        assert cost({}) == counter(NET)
        assert cost({group: 4}) == counter(NET, {**NET.widths, group: 4}) < cost({})


def test_bytes_and_bounds() -> None:
    first, second = NET.weighted[0], NET.weighted[1]
    assert value_bound(NET, first.inputs[0]) == 255
    assert sum_bound(NET, first) == 18 * 255
    assert sum_bound(NET, second) == 27
    assert layer_bytes(NET, first) == ceil((54 + 3 * 14) / 8)  # sums up to 4,590: 13 bits and a sign
    assert layer_bytes(NET, second) == ceil((135 + 5 * 6) / 8)
    last = NET.weighted[-1]
    assert last.op == "classifier"
    fan_in = NET.geometry(last).fan_in
    assert layer_bytes(NET, last) == ceil((fan_in * 10 + 10 * (fan_in.bit_length() + 1)) / 8)
    assert size_bytes(NET) == sum(layer_bytes(NET, layer) for layer in NET.weighted)


def test_sums_of_a_residual_network() -> None:
    net = resnet18((3, 8, 8), 10, width=0.0625)
    for layer in net.layers:
        if layer.op == "add":
            assert value_bound(net, layer.name) == sum(value_bound(net, name) for name in layer.inputs)
        if layer.op == "sumpool":
            _, height, width = net.shapes[layer.inputs[0]]
            assert value_bound(net, layer.name) == height * width * value_bound(net, layer.inputs[0])
        if layer.op == "sign":
            bits = value_bound(net, layer.inputs[0]).bit_length() + 1
            assert sum_bound(net, layer) == value_bound(net, layer.inputs[0])
            assert layer_bytes(net, layer) == ceil(net.widths[layer.group] * layer.kind.thresholds * bits / 8)
    silent = [layer for layer in net.layers if layer.op in ("add", "sumpool")]
    assert silent
    assert size_bytes(net) == sum(layer_bytes(net, layer) for layer in net.layers if layer not in silent)


def test_a_report_counts_both_networks() -> None:
    slim = replace(NET, widths={**NET.widths, NET.weighted[0].group: 2})
    found = report(NET, slim, "parameters", 0.4, 0.3, "a budget")
    assert (found.count, found.target, found.reached, found.budget) == ("parameters", 0.4, 0.3, "a budget")
    assert found.filters == Count(sum(WIDTHS), sum(WIDTHS) - 1)
    assert found.parameters == Count(parameters(NET), parameters(slim))
    assert found.macs == Count(macs(NET), macs(slim))
    assert found.bytes == Count(size_bytes(NET), size_bytes(slim))
    assert found.weight_bytes == Count(
        *(sum(ceil(net.geometry(layer).weights / 8) for layer in net.weighted) for net in (NET, slim))
    )
    first = found.layers[0]
    assert (first.filters, first.inputs) == (Count(3, 2), Count(2, 2))
    assert first.parameters == Count(54, 36)
    assert len(found.layers) == len(NET.weighted)


def test_rows_of_layers_without_weights() -> None:
    net = resnet18((3, 8, 8), 10, width=0.0625)
    rows = {row.name: row for row in report(net, net, "filters", 0, 0).layers}
    for layer in net.layers:
        assert (layer.name in rows) == (layer.op not in ("add", "sumpool"))
        if layer.op == "sign":
            row = rows[layer.name]
            assert row.parameters == row.macs == row.weight_bytes == Count(0, 0)
            assert row.filters == row.inputs == Count(net.widths[layer.group], net.widths[layer.group])
            assert row.bytes == Count(layer_bytes(net, layer), layer_bytes(net, layer))


def test_few_bit_activations_have_several_thresholds_and_a_classifier_one_bias() -> None:
    net = NET.with_activation("uint2")
    second, last = net.weighted[1], net.weighted[-1]
    bits = (27 * 3).bit_length() + 1
    assert value_bound(net, second.inputs[0]) == 3
    assert layer_bytes(net, second) == ceil((135 + 5 * 3 * bits) / 8)
    fan_in = net.geometry(last).fan_in
    expected = ceil((fan_in * 10 + 10 * ((fan_in * 3).bit_length() + 1)) / 8)
    assert layer_bytes(net, last) == expected
    assert layer_bytes(net, replace(last, output="uint2")) == expected


def test_a_dense_network() -> None:
    net = tfc((1, 4, 4), 3)
    assert parameters(net) == macs(net)
