"""The input mapping, from command-line text and through a network."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from etb_hw.dataflow import lower
from etb_hw.errors import BadInput, UnsupportedNode
from etb_hw.flow.proofs import prove_dataflow
from etb_hw.integer import ChannelAffine, DataType
from etb_hw.integer.reference import execute as reference
from etb_hw.qonnx_io import ImportOptions, execute, import_model
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


@pytest.mark.parametrize(
    ("scale", "mean"),
    [
        ("1/255", "0.1234567,0.7654321,0.3141592"),
        ("1", "65536.5"),  # no pixel is near enough for the sums to be exact
    ],
)
def test_means_that_no_units_fit_are_refused(scale: str, mean: str) -> None:
    out = Emitter((3, 5, 5))
    model = out.model(out.node("Conv", "x", out.const(np.ones((4, 3, 3, 3))), pads=[1, 1, 1, 1]))
    with pytest.raises(UnsupportedNode, match="BatchNormalization"):
        import_model(model, ImportOptions.parse("uint8", scale, mean))


def test_the_finest_units_are_a_4096th() -> None:
    for units, known in ((4096, True), (4097, False)):
        out = Emitter((1, 5, 5))
        model = out.model(out.node("Conv", "x", out.const(np.ones((4, 1, 3, 3))), pads=[1, 1, 1, 1]))
        options = ImportOptions.parse("uint2", "1", f"1/{units}")
        if known:
            assert import_model(model, options).nodes[1].mul == [units]  # type: ignore[attr-defined]
        else:
            with pytest.raises(UnsupportedNode):
                import_model(model, options)


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
