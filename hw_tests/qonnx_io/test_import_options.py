"""The input mapping, from command-line text and through a network."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from etb_hw.dataflow import lower
from etb_hw.errors import BadInput, UnsupportedNode
from etb_hw.flow.proofs import prove_dataflow, prove_packed
from etb_hw.integer import ChannelAffine, DataType
from etb_hw.integer.packed import PackedExecutor
from etb_hw.integer.reference import execute as reference
from etb_hw.qonnx_io import ImportOptions, execute, import_model
from etb_hw.qonnx_io.float64 import execute_in_float64
from hw_tests.fuzz.onnx_emitter import Emitter


def test_parse() -> None:
    options = ImportOptions.parse("uint8", "1/255", "0.49,0.48,0.45", "1/4")
    assert options == ImportOptions(DataType.unsigned(8), Fraction(1, 255), (0.49, 0.48, 0.45), (0.25,))
    assert ImportOptions.parse() == ImportOptions()


@pytest.mark.parametrize(
    "arguments",
    [
        {"dtype": "float32"},
        {"scale": "__import__('os')"},
        {"scale": "1/0"},
        {"scale": "0"},
        {"scale": "1e999"},
        {"mean": "a,b"},
        {"std": "1,0"},
    ],
)
def test_parse_refuses(arguments: dict[str, str]) -> None:
    with pytest.raises(BadInput):
        ImportOptions.parse(**arguments)


def test_scaled_as_torchvision_does_it() -> None:
    x = np.arange(256)[:, None]
    expected = (x.astype(np.float32) / np.float32(255) - np.float32(0.5)) / np.float32(0.25)
    np.testing.assert_array_equal(
        ImportOptions.parse("uint8", "1/255", "0.5", "0.25").chain.apply(x), expected
    )


def _net(**attributes: object) -> Emitter:
    out = Emitter((3, 5, 5))
    rng = np.random.default_rng(1)
    y = out.node("Conv", "x", out.const(rng.choice([-1, 1], (4, 3, 3, 3))), **attributes)
    y = out.node("Add", y, out.const(rng.standard_normal((1, 4, 1, 1))))
    y = out.node("BipolarQuant", y, out.const(1.0))
    size = 100 if attributes else 36
    out.result = out.node("MatMul", out.node("Flatten", y), out.const(rng.choice([-1, 1], (size, 3))))  # type: ignore[attr-defined]
    return out


def test_mean_and_std_in_front_of_a_conv() -> None:
    out = _net()
    model = out.model(out.result)  # type: ignore[attr-defined]
    options = ImportOptions.parse("uint8", "1/256", "0.5", "0.25")
    x = np.random.default_rng(2).integers(0, 256, (50, 3, 5, 5))
    graph = import_model(model, options)
    np.testing.assert_array_equal(reference(graph, x), execute(model, graph.to_float(x)))


@pytest.mark.parametrize(
    ("mean", "std", "units", "border"),
    [
        ("0.5", "0.5", 2, (-255, -255, -255)),
        ("0.2", "0.3", 1, (-51, -51, -51)),
        ("0.2,0.4,0.6", "0.25", 1, (-51, -102, -153)),
        ("0.1307", "0.3081", 207, (-6899, -6899, -6899)),
        ("0.485,0.456,0.406", "0.25", 200, (-24735, -23256, -20706)),
        ("0.1234567,0.7654321,0.3141592", "0.25", 4503, (-141761, -878919, -360738)),
    ],
)
def test_a_border_of_zeros_around_normalised_pixels(
    mean: str, std: str, units: int, border: tuple[int, ...]
) -> None:
    """In units in which the mean is whole; the network sees a difference no larger than float32 rounds by."""
    out = _net(pads=[1, 1, 1, 1])
    model = out.model(out.result)  # type: ignore[attr-defined]
    options = ImportOptions.parse("uint8", "1/255", mean, std)
    graph = import_model(model, options)
    finer = [node for node in graph.nodes if isinstance(node, ChannelAffine)][: int(mean != "0.2")]
    assert [(set(node.mul), tuple(node.add)) for node in finer] == [({units}, border)] * len(finer)
    x = np.random.default_rng(2).integers(0, 256, (200, 3, 5, 5))
    np.testing.assert_array_equal(reference(graph, x), execute(model, graph.to_float(x)))
    prove_dataflow(lower(graph), graph, x[:9])


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize(
    ("mean", "std", "units"),
    [
        ("0.5", "0.25,0.5,0.5", None),  # whole ratios go into weights, unless a border of zeros needs units
        ("0", "0.3,0.5,0.7", [35, 21, 15]),
        ("0.4914,0.4822,0.4465", "0.2023,0.1994,0.2010", [4883711, 4954738, 4915297]),
        ("0.485,0.456,0.406", "0.229,0.224,0.225", None),
        ("0.49,0.48,0.45", "0.25,-0.24,0.26", None),
    ],
)
def test_deviations_of_each_channel(mean: str, std: str, units: list[int] | None, padded: bool) -> None:
    out = _net(pads=[1, 1, 1, 1]) if padded else _net()
    model = out.model(out.result)  # type: ignore[attr-defined]
    graph = import_model(model, ImportOptions.parse("uint8", "1/255", mean, std))
    if units is not None:
        finer = graph.nodes[1]
        assert isinstance(finer, ChannelAffine)
        np.testing.assert_array_equal(finer.mul, units)
        assert bool(finer.add.any()) == (padded and mean != "0")
    x = np.random.default_rng(2).integers(0, 256, (2000, 3, 5, 5))
    np.testing.assert_array_equal(reference(graph, x), execute(model, graph.to_float(x)))
    prove_dataflow(lower(graph), graph, x[:9])
    prove_packed(PackedExecutor(graph), x[:9])


def test_sums_of_finer_units_are_those_of_float64() -> None:
    """To the last unit: more digits than the float32 of a layer's scale and offset have."""
    rng = np.random.default_rng(1)
    out = Emitter((3, 5, 5))
    y = out.node("Conv", "x", out.const(rng.choice([-1, 1], (4, 3, 3, 3))), pads=[1, 1, 1, 1])
    model = out.model(out.node("Add", y, out.const(rng.standard_normal((1, 4, 1, 1)))))
    options = ImportOptions.parse("uint8", "1/255", "0.4914,0.4822,0.4465", "0.2023,0.1994,0.2010")
    graph = import_model(model, options)
    x = np.random.default_rng(2).integers(0, 256, (50, 3, 5, 5))
    chain = graph.dequant.in_float64(reference(graph, x), axis=1)
    np.testing.assert_allclose(chain, execute_in_float64(model, graph.source.in_float64(x)), atol=1e-8)


@pytest.mark.parametrize("dtype", ["uint8", "int16"])
def test_features_that_were_standardised_one_by_one(dtype: str) -> None:
    rng = np.random.default_rng(3)
    out = Emitter((20,))
    y = out.node("MatMul", "x", out.const(rng.choice([-1, 1], (20, 16))))
    y = out.node("BipolarQuant", out.node("Add", y, out.const(rng.standard_normal(16))), out.const(1.0))
    model = out.model(out.node("MatMul", y, out.const(rng.choice([-1, 1], (16, 3)))))
    mean, std = (",".join(f"{v:.5f}" for v in rng.uniform(0.1, 1, 20)) for _ in range(2))
    graph = import_model(model, ImportOptions.parse(dtype, "1/255", mean, std))
    x = rng.integers(graph.input.dtype.min, graph.input.dtype.max + 1, (2000, 20))
    np.testing.assert_array_equal(reference(graph, x), execute(model, graph.to_float(x)))
    prove_dataflow(lower(graph), graph, x[:9])


def test_means_that_no_pixel_is_near_to_are_refused() -> None:
    out = Emitter((3, 5, 5))
    model = out.model(out.node("Conv", "x", out.const(np.ones((4, 3, 3, 3))), pads=[1, 1, 1, 1]))
    with pytest.raises(UnsupportedNode, match="BatchNormalization"):
        import_model(model, ImportOptions.parse("uint8", "1", "65536.5"))


def test_no_units_are_finer_than_float32_tells() -> None:
    """65 channels of any deviations: no number below 2**24 is near enough for all of them."""
    out = Emitter((65, 1, 1))
    model = out.model(out.node("Conv", "x", out.const(np.ones((4, 65, 1, 1)))))
    std = ",".join(f"{v:.7f}" for v in np.random.default_rng(4).uniform(0.1, 1, 65))
    with pytest.raises(UnsupportedNode, match="different scales"):
        import_model(model, ImportOptions.parse("uint8", "1/255", "0", std))


def test_only_pixels_are_put_in_finer_units() -> None:
    """A quantizer in front of the layer costs less; and one border is enough."""
    weights = np.ones((4, 4, 3, 3))
    out = Emitter((4, 5, 5), "UINT4")
    inner = out.node("Sub", out.node("Conv", "x", out.const(weights)), out.const(0.5))
    model = out.model(out.node("Conv", inner, out.const(weights), pads=[1, 1, 1, 1]))
    with pytest.raises(UnsupportedNode, match="Quant"):
        import_model(model)
    out = Emitter((4, 5, 5), "UINT4")
    amounts = out.const([0, 0, 1, 0, 0, 0, 0, 0], np.int64)
    padded = out.node("Pad", out.node("Sub", "x", out.const(0.5)), amounts, out.const(0.5), mode="constant")
    model = out.model(out.node("Conv", padded, out.const(weights), pads=[1, 1, 1, 1]))
    with pytest.raises(UnsupportedNode, match="maps to zero"):
        import_model(model)


def test_wrong_number_of_means() -> None:
    out = Emitter((3, 5, 5))
    model = out.model(out.node("Conv", "x", out.const(np.ones((4, 3, 3, 3)))))
    with pytest.raises(BadInput, match="2 values for 3 channels"):
        import_model(model, ImportOptions.parse("uint8", mean="0.5,0.4"))


def test_first_quantizer_defines_the_input() -> None:
    out = Emitter((4,))
    y = out.node(
        "Quant",
        "x",
        out.const(0.25),
        out.const(0.0),
        out.const(4.0),
        signed=1,
        narrow=0,
        rounding_mode="ROUND",
    )
    graph = import_model(out.model(out.node("MatMul", y, out.const(np.eye(4)))))
    assert graph.input.dtype == DataType.integer(4)
    assert [type(n).__name__ for n in graph.nodes] == ["Input", "Dense"]
    assert graph.dequantize(np.ones((1, 4), dtype=np.int64)).tolist() == [[0.25] * 4]
