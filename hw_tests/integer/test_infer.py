"""Shapes and ranges of integer graphs against what can be worked out by trying all values."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from etb_hw.errors import BadInput
from etb_hw.integer import nodes as g
from etb_hw.integer.datatype import BIPOLAR, DataType
from etb_hw.integer.graph import IntegerGraph
from etb_hw.integer.infer import conv_output_size, infer_types
from etb_hw.integer.reference import execute

INT2 = DataType.parse("INT2")


def typed(node: type, shape: tuple[int, ...], given: DataType = INT2, **fields: Any) -> g.TensorType:
    """The type of one node behind the input."""
    return graph(node, shape, given, **fields).types["y"]


def graph(node: type, shape: tuple[int, ...], given: DataType = INT2, **fields: Any) -> IntegerGraph:
    inputs = fields.pop("inputs", ("x",))
    nodes = (g.Input(name="x", shape=shape, dtype=given), node(name="y", inputs=inputs, **fields))
    return IntegerGraph(nodes, "y")


def reached(made: IntegerGraph) -> tuple[list[int], list[int]]:
    """Lowest and highest value of each channel over every input there is."""
    dtype, shape = made.input.dtype, made.input.shape
    values = range(dtype.min, dtype.max + 1, dtype.step)
    x = np.array(list(product(values, repeat=int(np.prod(shape))))).reshape(-1, *shape)
    y = execute(made, x)
    by_channel = np.moveaxis(y, 1, 0).reshape(y.shape[1], -1)
    return by_channel.min(axis=1).tolist(), by_channel.max(axis=1).tolist()


CASES: dict[str, IntegerGraph] = {
    "dense": graph(
        g.Dense,
        (3,),
        weights=np.array([[1, -1, 2], [-3, 0, 0], [-1, -1, -1]]),
        weight_dtype=DataType.parse("INT3"),
    ),
    "conv": graph(
        g.Conv,
        (1, 2, 2),
        weights=np.array([[[[1, -1], [1, 1]]], [[[-1, -1], [-1, -1]]]]),
        weight_dtype=BIPOLAR,
    ),
    "padded": graph(
        g.Conv,
        (1, 1, 2),
        weights=np.array([[[[1, -1]]]]),
        weight_dtype=BIPOLAR,
        pads=(0, 1, 0, 2),
        pad_value=7,
    ),
    "groups": graph(
        g.Conv, (2, 1, 2), weights=np.array([[[[1, 1]]], [[[-1, -1]]]]), weight_dtype=BIPOLAR, groups=2
    ),
    "bipolar": graph(g.Dense, (4,), BIPOLAR, weights=np.array([[1, 1, -1, 1]]), weight_dtype=BIPOLAR),
    "affine": graph(g.ChannelAffine, (2, 1, 1), mul=np.array([-2, 3]), add=np.array([5, -1])),
    "sum": graph(g.SumPool, (1, 2, 2)),
    "add": graph(g.Add, (2, 1, 1), inputs=("x", "x")),
    "threshold": graph(
        g.Threshold, (2, 1, 1), thresholds=np.array([[-1, 0, 1], [-5, 1, 9]]), dtype=DataType.parse("UINT2")
    ),
    "sign": graph(g.Threshold, (2, 1, 1), thresholds=np.array([[0], [-2]]), dtype=BIPOLAR),
    "pool": graph(g.MaxPool, (1, 2, 2), kernel=(2, 2), stride=(2, 2)),
    "repeated": graph(g.Upsample, (1, 1, 2), factors=(2, 3)),
    "spread": graph(g.DepthToSpace, (8, 1, 1), block=2),
    "spread out": graph(g.DepthToSpace, (8, 1, 1), block=2, interleaved=True),
    "flat": graph(g.Flatten, (2, 1, 3)),
    "chosen": graph(g.SelectChannels, (3, 1, 1), channels=np.array([2, 0, 2])),
    "joined": graph(g.Concat, (2, 1, 2), inputs=("x", "x")),
}


@pytest.mark.parametrize("name", CASES)
def test_ranges_are_those_of_all_inputs(name: str) -> None:
    made = CASES[name]
    found = made.types["y"]
    low, high = reached(made)
    if name == "add":  # a tensor added to itself: the range does not know that both are one
        low, high = [-4, -4], [2, 2]
    assert list(found.low) == low
    assert list(found.high) == high
    y = execute(made, np.full((1, *made.input.shape), made.input.dtype.min))
    assert found.shape == y.shape[1:]
    if name not in ("threshold", "sign", "pool", "repeated", "spread", "spread out", "flat", "joined"):
        assert found.dtype == DataType.smallest(min(low), max(high))


def test_types_that_are_given_stay() -> None:
    assert CASES["threshold"].types["y"].dtype == DataType.parse("UINT2")
    assert CASES["sign"].types["y"].dtype == BIPOLAR
    assert CASES["pool"].types["y"].dtype == INT2
    assert CASES["flat"].types["y"].dtype == INT2
    assert typed(g.Concat, (2, 1, 1), BIPOLAR, inputs=("x", "x")).dtype == BIPOLAR
    assert (CASES["dense"].types["x"].low, CASES["dense"].types["x"].high) == ((-2,) * 3, (1,) * 3)


@pytest.mark.parametrize(
    ("fields", "shape"),
    [
        ({}, (1, 4, 5)),
        ({"stride": (2, 1)}, (1, 2, 5)),
        ({"stride": (1, 3)}, (1, 4, 2)),
        ({"pads": (1, 2, 3, 4)}, (1, 8, 11)),
        ({"dilation": (2, 2)}, (1, 2, 3)),
        ({"dilation": (1, 2)}, (1, 4, 3)),
        ({"dilation": (2, 1)}, (1, 2, 5)),
        ({"pads": (0, 0, 0, 1)}, (1, 4, 6)),
        ({"pads": (1, 0, 0, 0)}, (1, 5, 5)),
    ],
)
def test_shapes_of_convolutions(fields: dict[str, Any], shape: tuple[int, ...]) -> None:
    made = graph(g.Conv, (2, 6, 7), weights=np.ones((1, 2, 3, 3), int), weight_dtype=INT2, **fields)
    assert made.types["y"].shape == shape == execute(made, np.zeros((1, 2, 6, 7), int)).shape[1:]


@pytest.mark.parametrize(
    ("fields", "shape"),
    [
        ({"kernel": (2, 3), "stride": (2, 3)}, (2, 3, 2)),
        ({"kernel": (3, 2), "stride": (1, 2)}, (2, 4, 3)),
        ({"kernel": (3, 3), "stride": (2, 2), "pads": (1, 0, 1, 2)}, (2, 3, 4)),
    ],
)
def test_shapes_of_pools(fields: dict[str, Any], shape: tuple[int, ...]) -> None:
    made = graph(g.MaxPool, (2, 6, 7), **fields)
    assert made.types["y"].shape == shape == execute(made, np.zeros((1, 2, 6, 7), int)).shape[1:]


def test_sizes_along_one_axis() -> None:
    assert conv_output_size(8, 3, 1, 1, 2) == 8
    assert conv_output_size(9, 3, 2, 1, 0) == 4
    assert conv_output_size(9, 3, 1, 3, 0) == 3


@pytest.mark.parametrize(
    ("node", "shape", "fields", "words"),
    [
        (g.Dense, (3,), {"weights": np.ones((2, 4), int), "weight_dtype": INT2}, "4 inputs"),
        (g.Dense, (3, 1, 1), {"weights": np.ones((2, 3), int), "weight_dtype": INT2}, "3 inputs"),
        (g.Conv, (2, 4, 4), {"weights": np.ones((2, 3, 1, 1), int), "weight_dtype": INT2}, "2 channels"),
        (
            g.Conv,
            (2, 4, 4),
            {"weights": np.ones((3, 1, 1, 1), int), "weight_dtype": INT2, "groups": 2},
            "2 groups",
        ),
        (
            g.Conv,
            (2, 4, 4),
            {"weights": np.ones((2, 2, 5, 1), int), "weight_dtype": INT2},
            "would have shape",
        ),
        (
            g.Conv,
            (2,),
            {"weights": np.ones((2, 2, 1, 1), int), "weight_dtype": INT2},
            r"needs a tensor \(C, H, W\)",
        ),
        (g.Threshold, (3,), {"thresholds": np.ones((2, 1), int), "dtype": BIPOLAR}, "2 threshold rows"),
        (g.MaxPool, (2, 2, 2), {"kernel": (3, 3), "stride": (1, 1)}, "would have shape"),
        (g.MaxPool, (2,), {"kernel": (1, 1), "stride": (1, 1)}, r"needs a tensor \(C, H, W\)"),
        (g.SumPool, (2,), {}, r"needs a tensor \(C, H, W\)"),
        (g.ChannelAffine, (3,), {"mul": np.ones(2, int), "add": np.ones(3, int)}, "2 factors"),
        (g.ChannelAffine, (3,), {"mul": np.ones(3, int), "add": np.ones(2, int)}, "factors"),
        (g.Flatten, (3, 1, 1), {"inputs": ("nowhere",)}, "nowhere"),
    ],
)
def test_misfits_name_the_node(
    node: type, shape: tuple[int, ...], fields: dict[str, Any], words: str
) -> None:
    with pytest.raises(BadInput, match=words) as caught:
        typed(node, shape, **fields)
    assert caught.value.where == "y"


@pytest.mark.parametrize("node", [g.Add, g.Concat])
def test_tensors_of_two_shapes_do_not_meet(node: type) -> None:
    nodes = (
        g.Input(name="x", shape=(2, 2, 2), dtype=INT2),
        g.SumPool(name="s", inputs=("x",)),
        node(name="y", inputs=("x", "s")),
    )
    with pytest.raises(BadInput, match="differ"):
        infer_types(nodes)


@pytest.mark.parametrize("kernel", [(2, 1), (1, 2)])
def test_images_of_two_sizes_are_not_joined(kernel: tuple[int, int]) -> None:
    nodes = (
        g.Input(name="x", shape=(1, 2, 2), dtype=INT2),
        g.MaxPool(name="s", inputs=("x",), kernel=kernel, stride=kernel),
        g.Concat(name="y", inputs=("x", "s")),
    )
    with pytest.raises(BadInput, match="differ beside the channels"):
        infer_types(nodes)


def test_channels_of_two_types_are_joined() -> None:
    """Each keeps its range, and the type holds both."""
    nodes = (
        g.Input(name="x", shape=(1, 1, 2), dtype=BIPOLAR),
        g.SumPool(name="s", inputs=("x",)),
        g.ChannelAffine(name="a", inputs=("s",), mul=np.array([3]), add=np.array([1])),
        g.Concat(name="y", inputs=("s", "a")),
    )
    found = IntegerGraph(nodes, "y").types["y"]
    assert (found.shape, found.low, found.high) == ((2, 1, 1), (-2, -5), (2, 7))
    assert found.dtype == DataType.integer(4)


def test_the_edge_of_53_bits() -> None:
    """Twice the sum of products stays below 2**53, so that centre and spread are exact."""
    fields = {"weights": np.array([[2**25]]), "weight_dtype": DataType.parse("INT27")}
    wide = DataType.integer(27)
    found = typed(g.Dense, (1,), wide, **fields)
    assert (found.low, found.high) == ((wide.min * 2**25,), (wide.max * 2**25,))
    assert typed(g.Add, (1,), DataType.integer(52), inputs=("x", "x")).low == (-(2**52),)
    assert typed(g.SumPool, (1, 2, 1), DataType.integer(52)).low == (-(2**52),)
    affine = {"mul": np.array([2]), "add": np.array([0])}
    assert typed(g.ChannelAffine, (1,), DataType.integer(52), **affine).low == (-(2**52),)
    for node, shape, given, more in (
        (g.Dense, (1,), DataType.integer(28), fields),
        (g.Add, (1,), DataType.integer(53), {"inputs": ("x", "x")}),
        (g.SumPool, (1, 2, 1), DataType.integer(53), {}),
        (g.ChannelAffine, (1,), DataType.integer(53), affine),
        (g.ChannelAffine, (1,), DataType.integer(2), {"mul": np.array([1]), "add": np.array([2**53])}),
        (g.ChannelAffine, (2,), DataType.integer(53), {"mul": np.array([1, 2]), "add": np.array([0, 0])}),
        (g.Dense, (1,), DataType.unsigned(28), fields),
        (g.Dense, (1,), DataType.integer(28), {**fields, "weights": np.array([[-(2**25)]])}),
        (g.Dense, (2,), DataType.integer(27), {**fields, "weights": np.array([[1, 2**25]])}),
        (g.Dense, (8,), DataType.integer(25), {**fields, "weights": np.full((1, 8), 2**25)}),
    ):
        with pytest.raises(BadInput, match="53 bits"):
            typed(node, shape, given, **more)


def test_large_ranges_are_exact() -> None:
    """Beyond 2**24 float32 would round."""
    found = typed(
        g.Dense,
        (2,),
        DataType.integer(20),
        weights=np.array([[2**10 + 1, 1]]),
        weight_dtype=DataType.parse("INT12"),
    )
    assert found.high == ((2**19 - 1) * (2**10 + 2),)
    assert found.low == (-(2**19) * (2**10 + 2),)


def test_many_sums_come_near_the_edge() -> None:
    """As many bits as the sum needs are counted, and no more."""
    wide = DataType.parse("INT27")
    found = typed(g.Dense, (8,), DataType.integer(24), weights=np.full((1, 8), 2**25), weight_dtype=wide)
    assert found.low == (-(2**51),)
    assert found.high == ((2**23 - 1) * 2**28,)


def test_weights_and_values_of_0_reach_nothing() -> None:
    """However wide the type of the other is."""
    huge = DataType.integer(58)
    found = typed(g.Dense, (2,), huge, weights=np.zeros((1, 2), int), weight_dtype=INT2)
    assert (found.low, found.high) == ((0,), (0,))
    nodes = (
        g.Input(name="x", shape=(1,), dtype=INT2),
        g.ChannelAffine(name="zero", inputs=("x",), mul=np.array([0]), add=np.array([0])),
        g.Dense(name="y", inputs=("zero",), weights=np.array([[2**56]]), weight_dtype=huge),
    )
    found = IntegerGraph(nodes, "y").types["y"]
    assert (found.low, found.high) == ((0,), (0,))


@pytest.mark.parametrize(("weight", "least"), [(4095, 2055), (-4097, 2048), (3001, 2797)])
def test_sums_just_beyond_2_to_the_24_are_exact(weight: int, least: int) -> None:
    """Odd ones, which float32 rounds."""
    nodes = (
        g.Input(name="x", shape=(1,), dtype=DataType.unsigned(1)),
        g.ChannelAffine(name="high", inputs=("x",), mul=np.array([1]), add=np.array([least])),
        g.Dense(name="y", inputs=("high",), weights=np.array([[weight]]), weight_dtype=DataType.integer(14)),
    )
    found = IntegerGraph(nodes, "y").types["y"]
    ends = sorted((weight * least, weight * (least + 1)))
    assert [*found.low, *found.high] == ends


def test_groups_of_several_channels() -> None:
    """Each filter's range is that of its own group's weights and inputs, at every place of the kernel."""
    weights = np.arange(-9, 9).reshape(6, 1, 1, 3)
    nodes = (
        g.Input(name="x", shape=(3, 1, 3), dtype=INT2),
        g.ChannelAffine(name="a", inputs=("x",), mul=np.array([1, 10, -100]), add=np.array([0, 3, 50])),
        g.Conv(name="y", inputs=("a",), weights=weights, weight_dtype=DataType.integer(5), groups=3),
    )
    found = IntegerGraph(nodes, "y").types["y"]
    ends = [(-2, 1), (-17, 13), (-50, 250)]
    for row in range(6):
        low = sum(min(int(w) * e for e in ends[row // 2]) for w in weights[row].ravel())
        high = sum(max(int(w) * e for e in ends[row // 2]) for w in weights[row].ravel())
        assert (found.low[row], found.high[row]) == (low, high)


def test_a_node_that_reads_what_comes_later_is_refused_by_name() -> None:
    nodes = (
        g.Input(name="x", shape=(2, 2, 2), dtype=INT2),
        g.Add(name="y", inputs=("x", "late")),
        g.Flatten(name="late", inputs=("x",)),
    )
    with pytest.raises(BadInput, match="reads 'late'") as caught:
        infer_types(nodes)
    assert caught.value.where == "y"


def test_pads_of_four_sides_widen_the_range() -> None:
    """One side is enough; the border counts like a pixel."""
    for pads in ((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)):
        for value, ends in ((-5, (-5, 1)), (5, (-2, 5))):
            found = typed(
                g.Conv, (1, 2, 2), weights=np.ones((1, 1, 1, 1), int), weight_dtype=INT2, pads=pads,
                pad_value=value,
            )  # fmt: skip
            assert (*found.low, *found.high) == ends
    bare = typed(g.Conv, (1, 2, 2), weights=np.ones((1, 1, 1, 1), int), weight_dtype=INT2, pad_value=7)
    assert (*bare.low, *bare.high) == (-2, 1)
