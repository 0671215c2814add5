"""The reference executor against torch in float64, and the inferred types against what values really do."""

from __future__ import annotations

import weakref

import numpy as np
import pytest
import torch
from torch.nn import functional

from etb_hw.errors import BadInput
from etb_hw.integer import (
    BIPOLAR,
    Add,
    ChannelAffine,
    Conv,
    DataType,
    Dense,
    Flatten,
    Input,
    IntegerGraph,
    MaxPool,
    Node,
    SumPool,
    Threshold,
)
from etb_hw.integer.packed import PackedExecutor
from etb_hw.integer.reference import execute
from hw_tests.integer.random_graphs import integers, random_batch, random_graph

INT6 = DataType.integer(6)


def _one(node: Node, shape: tuple[int, ...], dtype: DataType = INT6) -> IntegerGraph:
    return IntegerGraph((Input(name="x", shape=shape, dtype=dtype), node), node.name)


@pytest.mark.parametrize("seed", range(30))
def test_convolution_equals_torch(seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = int(rng.choice([1, 1, 2, 3]))
    channels, outputs = groups * int(rng.integers(1, 4)), groups * int(rng.integers(1, 4))
    kernel = tuple(int(v) for v in rng.integers(1, 4, size=2))
    stride, dilation = (tuple(int(v) for v in rng.integers(1, 4, size=2)) for _ in range(2))
    top, left, bottom, right = pads = tuple(int(v) for v in rng.integers(0, 3, size=4))
    value = int(rng.integers(-2, 3))
    weights = integers(rng, DataType.integer(4), (outputs, channels // groups, *kernel))
    node = Conv(
        name="y",
        inputs=("x",),
        weights=weights,
        weight_dtype=DataType.integer(4),
        stride=stride,
        pads=pads,
        dilation=dilation,
        groups=groups,
        pad_value=value,
    )
    graph = _one(node, (channels, 8, 9))
    x = random_batch(graph, 3, seed)
    padded = functional.pad(torch.from_numpy(x).double(), (left, right, top, bottom), value=value)
    expected = functional.conv2d(
        padded, torch.from_numpy(weights).double(), stride=stride, dilation=dilation, groups=groups
    )
    got = execute(graph, x)
    assert got.dtype == np.int64
    assert got.shape[1:] == graph.types["y"].shape
    np.testing.assert_array_equal(got, expected.numpy())


@pytest.mark.parametrize("seed", range(10))
def test_pools_equal_torch(seed: int) -> None:
    rng = np.random.default_rng(seed)
    kernel, stride = (tuple(int(v) for v in rng.integers(1, 4, size=2)) for _ in range(2))
    pad = tuple(int(rng.integers(0, k // 2 + 1)) for k in kernel)
    node = MaxPool(name="y", inputs=("x",), kernel=kernel, stride=stride, pads=pad * 2)
    graph = _one(node, (3, 7, 8))
    x = random_batch(graph, 2, seed)
    expected = functional.max_pool2d(torch.from_numpy(x).double(), kernel, stride, pad).numpy()
    np.testing.assert_array_equal(execute(graph, x), expected)
    total = execute(_one(SumPool(name="y", inputs=("x",)), (3, 7, 8)), x)
    np.testing.assert_array_equal(total, torch.from_numpy(x).sum(dim=(2, 3), keepdim=True).numpy())


def test_dense_flatten_add_and_affine_equal_torch() -> None:
    rng = np.random.default_rng(1)
    weights = integers(rng, INT6, (5, 24))
    nodes = (
        Input(name="x", shape=(2, 3, 4), dtype=INT6),
        ChannelAffine(name="affine", inputs=("x",), mul=np.array([3, -2]), add=np.array([1, 7])),
        Add(name="sum", inputs=("affine", "x")),
        Flatten(name="flat", inputs=("sum",)),
        Dense(name="fc", inputs=("flat",), weights=weights, weight_dtype=INT6),
    )
    graph = IntegerGraph(nodes, "fc")
    x = random_batch(graph, 4)
    t = torch.from_numpy(x).double()
    affine = t * torch.tensor([3.0, -2.0]).view(1, 2, 1, 1) + torch.tensor([1.0, 7.0]).view(1, 2, 1, 1)
    expected = (affine + t).flatten(1) @ torch.from_numpy(weights).double().T
    np.testing.assert_array_equal(execute(graph, x), expected.numpy())


@pytest.mark.parametrize("name", ["BIPOLAR", "BINARY", "TERNARY", "UINT3", "INT3"])
def test_threshold_counts_the_thresholds_reached(name: str) -> None:
    dtype = DataType.parse(name)
    rng = np.random.default_rng(0)
    thresholds = np.sort(rng.integers(-30, 31, size=(4, dtype.levels - 1)), axis=1)
    graph = _one(Threshold(name="y", inputs=("x",), thresholds=thresholds, dtype=dtype), (4, 3, 3))
    x = random_batch(graph, 5)
    got = execute(graph, x)
    for index in np.ndindex(*x.shape):
        reached = sum(int(x[index]) >= int(t) for t in thresholds[index[1]])
        assert got[index] == dtype.min + dtype.step * reached


def test_trace_sees_every_tensor_in_order() -> None:
    graph = random_graph(5)
    seen: list[str] = []
    execute(graph, random_batch(graph, 2), lambda name, tensor: seen.append(name))
    assert seen == [node.name for node in graph.nodes]


@pytest.mark.parametrize("seed", range(40))
def test_values_stay_within_the_inferred_types(seed: int) -> None:
    graph = random_graph(seed)

    def check(name: str, tensor: np.ndarray) -> None:
        kind = graph.types[name]
        assert tensor.shape[1:] == kind.shape
        per_channel = np.moveaxis(tensor, 1, 0).reshape(kind.channels, -1)
        assert (per_channel.min(axis=1) >= kind.low).all()
        assert (per_channel.max(axis=1) <= kind.high).all()
        assert kind.dtype.min <= min(kind.low)
        assert max(kind.high) <= kind.dtype.max

    execute(graph, random_batch(graph, 3, seed), check)


def test_the_inferred_range_of_a_product_is_reached() -> None:
    rng = np.random.default_rng(3)
    weights = integers(rng, DataType.integer(4), (6, 20))
    graph = _one(Dense(name="y", inputs=("x",), weights=weights, weight_dtype=DataType.integer(4)), (20,))
    highest = np.where(weights > 0, INT6.max, INT6.min)
    lowest = np.where(weights > 0, INT6.min, INT6.max)
    np.testing.assert_array_equal(np.diag(execute(graph, highest)), graph.types["y"].high)
    np.testing.assert_array_equal(np.diag(execute(graph, lowest)), graph.types["y"].low)


@pytest.mark.parametrize(
    ("low", "high", "name"),
    [
        (0, 0, "BINARY"),
        (0, 1, "BINARY"),
        (0, 2, "UINT2"),
        (0, 255, "UINT8"),
        (0, 256, "UINT9"),
        (-1, 0, "INT1"),
        (-1, 1, "INT2"),
        (-2, 1, "INT2"),
        (-128, 127, "INT8"),
        (-129, 0, "INT9"),
        (-5, 200, "INT9"),
    ],
)
def test_the_smallest_type_of_a_range(low: int, high: int, name: str) -> None:
    dtype = DataType.smallest(low, high)
    assert dtype.name == name
    assert dtype.min <= low
    assert high <= dtype.max
    assert DataType.parse(name) == dtype


def test_types_by_name() -> None:
    assert DataType.parse("bipolar") is BIPOLAR
    assert (BIPOLAR.levels, BIPOLAR.step, BIPOLAR.signed) == (2, 2, True)
    assert DataType.parse("TERNARY").levels == 3
    assert DataType.parse("UINT4").max == 15
    for wrong in ("FLOAT32", "UINT0", "INT", "FIXED<8,4>"):
        with pytest.raises(BadInput, match="no integer type"):
            DataType.parse(wrong)


@pytest.mark.parametrize(
    ("node", "shape"),
    [
        (Dense(name="bad", inputs=("x",), weights=np.ones((2, 3)), weight_dtype=INT6), (4,)),
        (Conv(name="bad", inputs=("x",), weights=np.ones((2, 3, 1, 1)), weight_dtype=INT6), (4, 5, 5)),
        (Conv(name="bad", inputs=("x",), weights=np.ones((2, 4, 6, 1)), weight_dtype=INT6), (4, 5, 5)),
        (Threshold(name="bad", inputs=("x",), thresholds=np.zeros((3, 1), int), dtype=BIPOLAR), (4,)),
        (MaxPool(name="bad", inputs=("x",), kernel=(3, 3), stride=(1, 1)), (4, 2, 2)),
        (ChannelAffine(name="bad", inputs=("x",), mul=np.ones(3, int), add=np.ones(3, int)), (4,)),
        (Flatten(name="bad", inputs=("y",)), (4,)),
    ],
)
def test_shapes_that_do_not_fit_name_the_node(node: Node, shape: tuple[int, ...]) -> None:
    with pytest.raises(BadInput, match="bad"):
        _ = _one(node, shape).types


def test_the_input_is_checked() -> None:
    graph = _one(Flatten(name="y", inputs=("x",)), (2, 3, 3), DataType.unsigned(8))
    for wrong in (np.zeros((1, 3, 3, 2), int), np.zeros((1, 2, 3, 3)), np.full((1, 2, 3, 3), -1, np.int8)):
        with pytest.raises(BadInput, match="input data"):
            execute(graph, wrong)


def test_a_bipolar_input_holds_no_zero() -> None:
    graph = _one(Flatten(name="y", inputs=("x",)), (3,), BIPOLAR)
    assert execute(graph, np.array([[1, -1, 1]])).tolist() == [[1, -1, 1]]
    for execution in (execute, lambda graph, x: PackedExecutor(graph).run(x)):
        with pytest.raises(BadInput, match="between"):
            execution(graph, np.array([[1, 0, 1]]))


def test_an_unknown_layer_lists_the_known_ones() -> None:
    with pytest.raises(BadInput, match="use one of: x, y"):
        _one(Flatten(name="y", inputs=("x",)), (2, 3, 3))["z"]


@pytest.mark.parametrize("name", ["BIPOLAR", "BINARY", "UINT8", "INT3", "TERNARY"])
@pytest.mark.parametrize("stored", [np.int8, np.int16, np.int64])
def test_the_ends_of_an_input_type(name: str, stored: type) -> None:
    """Its lowest and highest value are taken, the next ones are not, however they are stored."""
    dtype = DataType.parse(name)
    graph = _one(Flatten(name="y", inputs=("x",)), (2,), dtype)
    held = np.iinfo(stored)
    for low, high in ((dtype.min, dtype.max), (dtype.max, dtype.max), (dtype.min, dtype.min)):
        if high <= held.max:
            x = np.array([[low, high]], dtype=stored)
            np.testing.assert_array_equal(execute(graph, x), x)
    for wrong in (dtype.min - 1, dtype.max + 1):
        if held.min <= wrong <= held.max:
            with pytest.raises(BadInput, match=f"leaves the range of {name}"):
                execute(graph, np.array([[dtype.min, wrong]], dtype=stored))


def test_what_is_wrong_with_an_input_is_said() -> None:
    graph = _one(Flatten(name="y", inputs=("x",)), (2, 3, 3), DataType.unsigned(8))
    for wrong, words in (
        (np.zeros((1, 3, 3, 2), int), r"shape \(1, 3, 3, 2\), the model takes \('N', 2, 3, 3\)"),
        (np.zeros((1, 1, 3, 3), int), "shape"),
        (np.zeros((2, 3, 3), int), "shape"),
        (np.zeros((1, 2, 3, 3)), "is float64, the model takes UINT8"),
    ):
        with pytest.raises(BadInput, match=words):
            execute(graph, wrong)


def test_no_images_give_no_results() -> None:
    """An empty batch goes through every kind of node."""
    nodes = (
        Input(name="x", shape=(2, 4, 4), dtype=BIPOLAR),
        Conv(name="c", inputs=("x",), weights=np.ones((2, 2, 1, 1), int), weight_dtype=BIPOLAR),
        MaxPool(name="p", inputs=("c",), kernel=(2, 2), stride=(2, 2)),
        ChannelAffine(name="a", inputs=("p",), mul=np.array([1, 2]), add=np.array([0, 1])),
        Threshold(name="t", inputs=("a",), thresholds=np.zeros((2, 1), int), dtype=BIPOLAR),
        Flatten(name="f", inputs=("t",)),
        Dense(name="y", inputs=("f",), weights=np.ones((3, 8), int), weight_dtype=BIPOLAR),
    )
    assert execute(IntegerGraph(nodes, "y"), np.zeros((0, 2, 4, 4), np.int8)).shape == (0, 3)


def test_a_result_that_others_read_too_is_the_result() -> None:
    nodes = (
        Input(name="x", shape=(2,), dtype=INT6),
        ChannelAffine(name="a", inputs=("x",), mul=np.array([2, 2]), add=np.array([1, 1])),
        Add(name="b", inputs=("a", "a")),
    )
    assert execute(IntegerGraph(nodes, "a"), np.array([[3, -4]])).tolist() == [[7, -7]]
    assert execute(IntegerGraph(nodes, "b"), np.array([[3, -4]])).tolist() == [[14, -14]]


def test_tensors_that_nobody_reads_again_are_let_go() -> None:
    """A long chain holds two tensors at a time, not all."""
    nodes: list[Node] = [Input(name="x0", shape=(2,), dtype=INT6)]
    for i in range(6):
        fields = {"mul": np.array([1, 1]), "add": np.array([1, 1])}
        nodes.append(ChannelAffine(name=f"x{i + 1}", inputs=(f"x{i}",), **fields))
    seen: list[weakref.ref[np.ndarray]] = []
    held: list[int] = []

    def trace(name: str, tensor: np.ndarray) -> None:
        seen.append(weakref.ref(tensor))
        held.append(sum(tensor() is not None for tensor in seen))

    execute(IntegerGraph(tuple(nodes), "x6"), np.array([[1, 2]]), trace)
    assert max(held) <= 3


@pytest.mark.parametrize(("weight", "value"), [(2**27, 2**25), (-(2**27), 2**25), (2**27, -(2**25))])
def test_sums_that_float64_may_round_are_no_sums(weight: int, value: int) -> None:
    """Types are refused before it comes to that; whoever runs a graph without asking is stopped too."""
    wide = DataType.integer(60)

    def run(weights: list[list[int]], x: list[list[int]]) -> list[list[int]]:
        node = Dense(name="y", inputs=("x",), weights=np.array(weights), weight_dtype=wide)
        found: list[list[int]] = execute(_one(node, (len(x[0]),), wide), np.array(x)).tolist()
        return found

    below = value - 1 if value > 0 else value + 1
    assert run([[weight, weight]], [[below, below]]) == [[2 * weight * below]]
    with pytest.raises(AssertionError, match="exact range"):
        run([[weight, weight]], [[value, value]])
    with pytest.raises(AssertionError, match="exact range"):
        run([[weight, 0]], [[0, value]])
    assert run([[0]], [[2**58]]) == [[0]]
    assert run([[2**58]], [[0]]) == [[0]]


def test_images_and_flat_tensors_meet_their_own_channels_constants() -> None:
    mul, add = np.array([1, 10, 100]), np.array([5, 6, 7])
    flat = _one(ChannelAffine(name="y", inputs=("x",), mul=mul, add=add), (3,))
    assert execute(flat, np.array([[1, 2, 3]])).tolist() == [[6, 26, 307]]
    signal = _one(ChannelAffine(name="y", inputs=("x",), mul=mul, add=add), (3, 3))
    assert execute(signal, np.full((1, 3, 3), 2)).tolist() == [[[7] * 3, [26] * 3, [207] * 3]]
    thresholds = np.array([[1], [2], [3]])
    counted = _one(Threshold(name="y", inputs=("x",), thresholds=thresholds, dtype=BIPOLAR), (3, 3))
    assert execute(counted, np.full((1, 3, 3), 2)).tolist() == [[[1] * 3, [1] * 3, [-1] * 3]]
