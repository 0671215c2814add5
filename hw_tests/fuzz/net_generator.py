"""Random valid networks for differential tests: topology, widths, bit widths, scales, BN extremes.

Scales that multiply sums are powers of two, so that float32 execution in qonnx is exact and any difference
is a defect; everything in front of a quantizer (BatchNorm, factors, thresholds) is arbitrary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto

from etb_hw.integer import DataType
from etb_hw.qonnx_io import ImportOptions
from hw_tests.fuzz.onnx_emitter import Emitter


@dataclass(frozen=True)
class Net:
    """A generated network, how its input maps, samples with the extremes first, and torch's outputs."""

    model: onnx.ModelProto
    options: ImportOptions
    samples: NDArray[np.int64]
    golden: NDArray[np.float32] | None = None

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What hypothesis prints for a failure: the graph with its constants, as onnx.parser reads it."""
        text = onnx.printer.to_text(self.model)
        printer.text(f"Net({self.options}, samples {self.samples.tolist()})\n{text}")


INPUTS = ("UINT8", "UINT8", "UINT4", "UINT2", "BINARY", "INT4", "INT8", "BIPOLAR")


@st.composite
def networks(draw: st.DrawFn, max_layers: int = 4) -> Net:
    return _Generator(draw).net(max_layers)


class _Generator:
    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1), label="seed"))

    def pick(self, *options: object) -> object:
        return self.draw(st.sampled_from(options))

    def number(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))

    def yes(self) -> bool:
        return self.draw(st.booleans())

    def net(self, max_layers: int) -> Net:
        image = self.draw(st.integers(0, 3)) > 0
        shape = (self.number(1, 4), self.number(3, 9), self.number(3, 9)) if image else (self.number(1, 40),)
        dtype = DataType.parse(str(self.pick(*INPUTS)))
        mapped = dtype.name != "BIPOLAR" and self.draw(st.integers(0, 3)) == 0
        options = ImportOptions()
        self.out = Emitter(shape, None if mapped else dtype.name)
        self.zero_is_value = dtype.name != "BIPOLAR"
        self.has_zero_point = False
        x = "x"
        if mapped:
            scale = self.pick("1/255", "0.1", "2")
            mean, std = (self.pick("0.5", "0.25,0.5,-1,0.3"), "0.7") if self.yes() else (None, None)
            if mean is not None and "," in str(mean):
                mean = ",".join(str(mean).split(",")[: shape[0]]) if shape[0] <= 4 else "0.5"
            options = ImportOptions.parse(dtype.name, str(scale), mean and str(mean), std)
            x = self.quantizer(x, shape, levels=False)
        for _ in range(self.number(0 if self.number(0, 3) == 0 else 2, max_layers)):
            if len(shape) == 3:
                x, shape = self.conv_layer(x, shape)
            else:
                x, shape = self.dense_layer(x, shape)
            x, shape = self.maybe_flatten(x, shape)
        return self.finish(x, shape, options, dtype)

    def finish(self, x: str, shape: tuple[int, ...], options: ImportOptions, dtype: DataType) -> Net:
        if len(shape) == 3 and self.yes():
            x = self.out.node("GlobalAveragePool", x) if _dyadic(shape) else self.reduce_sum(x)
            shape = (shape[0], 1, 1)
        if len(shape) == 3 and self.yes():
            x, shape = self.flatten(x, shape)
        if len(shape) == 1:
            x, shape = self.dense(x, shape)
            if self.yes():
                x = self.out.node("Add", x, self.out.const(self.rng.integers(-9, 9, shape)))
        kind = TensorProto.FLOAT
        if self.number(0, 3) == 0:
            kind = TensorProto.INT64
            if self.yes():
                count = self.number(1, min(3, shape[0]))
                x = self.out.node("TopK", x, self.out.const([count], np.int64), outputs=2, axis=1)
                # TopK's first output is the values; the graph ends in the second
            else:
                x = self.out.node("ArgMax", x, axis=1, keepdims=1)
        elif not self.out.nodes:
            x = self.out.node("Mul", x, self.out.const(2.0))
        count = 6
        samples = self.rng.integers(0, dtype.levels, (count, *self.out.shape)) * dtype.step + dtype.min
        samples[0], samples[1] = dtype.min, dtype.max
        return Net(self.out.model(x, kind), options, samples)

    def reduce_sum(self, x: str) -> str:
        return self.out.node("ReduceSum", x, self.out.const([2, 3], np.int64), keepdims=1)

    # ---- layers

    def conv_layer(self, x: str, shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
        if self.number(0, 4) == 0:
            return self.pick(self.joined, self.residual, self.chosen)(x, shape)  # type: ignore[operator]
        if max(shape[1:]) <= 6 and self.number(0, 4) == 0:
            if self.yes():
                x, shape = self.transposed(x, shape)
            else:  # chains of their own for all parts of a block would be refused
                x, shape = self.conv(x, shape)
                x, shape = self.to_space(self.quantizer(x, shape), shape)
        else:
            x, shape = self.conv(x, shape)
        where = self.number(0, 4)
        if where == 0:
            x, shape = self.max_pool(x, shape)
        x = self.chain(x, shape)
        if where == 1:
            x, shape = self.max_pool(x, shape)
        x = self.quantizer(x, shape)
        if where == 2:
            x, shape = self.max_pool(x, shape)
        return x, shape

    def dense_layer(self, x: str, shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
        x, shape = self.dense(x, shape)
        x = self.chain(x, shape)
        return self.quantizer(x, shape), shape

    def residual(self, x: str, shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
        y, _ = self.conv(x, shape, same=True)
        if self.yes():
            y = self.quantizer(self.chain(y, shape), shape, unit=True)
        x = self.out.node(str(self.pick("Add", "Add", "Sub")), *((x, y) if self.yes() else (y, x)))
        return self.quantizer(self.chain(x, shape), shape), shape

    def joined(self, x: str, shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
        """What a layer reads beside what it yields, each behind a chain of its own."""
        y, _ = self.conv(x, shape, same=True)
        parts = [self.chain(part, shape) for part in (x, y, *((x,) if self.yes() else ()))]
        shape = (shape[0] * len(parts), *shape[1:])
        x = self.out.node("Concat", *parts, axis=1)
        return self.quantizer(self.chain(x, shape), shape), shape

    def chosen(self, x: str, shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
        """Some channels, or all in another order, with the chain that they have."""
        x, count = self.chain(x, shape), shape[0]
        match self.number(0, 3):
            case 0:
                start, step = self.number(-count, count - 1), self.number(1, 2)
                ends = [self.out.const([value], np.int64) for value in (start, 2**62, 1, step)]
                x, kept = self.out.node("Slice", x, *ends), len(range(count)[start::step])
            case 1 if count > 1:
                first = self.number(1, count - 1)
                sizes = self.out.const([first, count - first], np.int64)
                x, kept = self.out.node("Split", x, sizes, outputs=2, axis=1), count - first
            case 2 if count % 2 == 0:
                grouped = self.out.const([1, 2, count // 2, *shape[1:]], np.int64)
                turned = self.out.node(
                    "Transpose", self.out.node("Reshape", x, grouped), perm=[0, 2, 1, 3, 4]
                )
                whole = self.out.const([1, -1, *shape[1:]], np.int64)
                x, kept = self.out.node("Reshape", turned, whole), count
            case _:
                indices = self.rng.integers(-count, count, self.number(1, count + 1))
                x, kept = self.out.node("Gather", x, self.out.const(indices, np.int64), axis=1), len(indices)
        shape = (kept, *shape[1:])
        return self.quantizer(x, shape), shape

    def conv(self, x: str, shape: tuple[int, ...], same: bool = False) -> tuple[str, tuple[int, ...]]:
        channels, height, width = shape
        outputs = channels if same else self.number(1, 8)
        kernel = (1, 1) if same else (self.number(1, min(3, height)), self.number(1, min(3, width)))
        stride = (1, 1) if same else (self.number(1, 2), self.number(1, 2))
        dilation = tuple(
            self.number(1, 2) if not same and 2 * (k - 1) < size else 1
            for k, size in zip(kernel, (height, width), strict=True)
        )
        groups = int(self.pick(*[g for g in (1, 1, 2, channels) if channels % g == 0 and outputs % g == 0]))
        pads = (0, 0, 0, 0)
        attributes: dict[str, object] = {}
        if not same and self.yes():
            pads = tuple(self.number(0, k - 1) for k in (*kernel, *kernel))
            if any(pads) and self.yes():
                value = float(self.pick(-1.0, 0.0, 1.0))
                if not self.zero_is_value and value == 0:
                    value = -1.0
                if self.has_zero_point:
                    value = 0.0
                amounts = self.out.const([0, 0, pads[0], pads[1], 0, 0, pads[2], pads[3]], np.int64)
                # the border's value is one of the integers' values; scales are powers of two around 1
                x = self.out.node("Pad", x, amounts, self.out.const(value * self.unit(x)), mode="constant")
            else:
                attributes["pads"] = list(pads)
        weights = self.weights((outputs, channels // groups, *kernel), 0)
        inputs = [x, weights]
        if self.number(0, 3) == 0:
            inputs.append(self.out.const(self.rng.integers(-20, 20, outputs) / 4))
        if self.yes():
            attributes["kernel_shape"] = list(kernel)
        y = self.out.node(
            "Conv", *inputs, strides=list(stride), dilations=list(dilation), group=groups, **attributes
        )
        size = [
            (n + pads[i] + pads[i + 2] - d * (k - 1) - 1) // s + 1
            for i, (n, k, s, d) in enumerate(zip((height, width), kernel, stride, dilation, strict=True))
        ]
        return y, (outputs, *size)

    def transposed(self, x: str, shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
        """Stride times as many pixels; a border and what is added to it follow from the kernel."""
        channels, *size = shape
        outputs, stride = self.number(1, 5), self.number(1, 3)
        kernel = int(self.pick(1, 3)) if stride == 1 else self.number(1, 4)
        pad = self.number(max(0, -(-(kernel - stride) // 2)), max(0, (kernel - 1) // 2))
        more = stride - kernel + 2 * pad
        y = self.out.node(
            "ConvTranspose", x, self.weights((channels, outputs, kernel, kernel), 1),
            strides=[stride] * 2, pads=[pad] * 4, output_padding=[more] * 2,
        )  # fmt: skip
        return y, (outputs, *(stride * n for n in size))

    def to_space(self, x: str, shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
        """Where the channels are not so many, there is nothing to make pixels of."""
        channels, height, width = shape
        if channels % 4:
            return x, shape
        y = self.out.node("DepthToSpace", x, blocksize=2, mode=str(self.pick("DCR", "CRD")))
        return y, (channels // 4, 2 * height, 2 * width)

    units: dict[str, float]

    def unit(self, name: str) -> float:
        """The value of the integer 1 in a tensor (1 where nothing scaled it)."""
        return self.__dict__.setdefault("_units", {}).get(name, 1.0)

    def weights(self, shape: tuple[int, ...], output_axis: int) -> str:
        """Weights as raw or scaled integers, BipolarQuant or Quant of floats, DequantizeLinear."""
        form = self.number(0, 5)
        per_channel = [1] * len(shape)
        per_channel[output_axis] = shape[output_axis]
        scale = 2.0 ** self.rng.integers(-3, 3, per_channel if self.yes() else ())
        floats = self.rng.standard_normal(shape)
        if form == 0:
            return self.out.const(np.where(floats >= 0, 1, -1))
        if form == 1:
            return self.out.const(self.rng.integers(-3, 4, shape) * scale)
        if form == 2:
            return self.out.node("BipolarQuant", self.out.const(floats), self.out.const(scale))
        if form == 5:
            integers = self.out.const(self.rng.integers(-7, 8, shape), np.int8)
            scales = scale.reshape(-1 if scale.size > 1 else ())
            return self.out.node("DequantizeLinear", integers, self.out.const(scales), axis=output_axis)
        bits = self.number(1, 4)
        return self.out.node(
            "Quant", self.out.const(floats * 2), self.out.const(scale), self.out.const(0.0),
            self.out.const(float(bits)), signed=1, narrow=int(self.yes() and bits > 1), rounding_mode="ROUND",
        )  # fmt: skip

    def dense(self, x: str, shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
        outputs = self.number(1, 12)
        form = self.number(0, 3)
        if form == 0:
            return self.out.node("MatMul", x, self.weights((shape[0], outputs), 1)), (outputs,)
        if form == 1:
            turned = self.out.node("Transpose", self.weights((outputs, shape[0]), 0), perm=[1, 0])
            return self.out.node("MatMul", x, turned), (outputs,)
        trans = self.yes()
        weights = self.weights((outputs, shape[0]), 0) if trans else self.weights((shape[0], outputs), 1)
        inputs = [x, weights]
        if self.yes():
            inputs.append(self.out.const(self.rng.integers(-20, 20, outputs) / 2))
        return self.out.node("Gemm", *inputs, transB=int(trans), alpha=float(self.pick(1.0, 0.5))), (outputs,)

    def max_pool(self, x: str, shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
        kernel = [self.number(1, min(3, n)) for n in shape[1:]]
        stride = [self.number(1, 3) for _ in kernel]
        pads = [self.number(0, k // 2) for k in (*kernel, *kernel)] if self.number(0, 3) == 0 else [0] * 4
        y = self.out.node("MaxPool", x, kernel_shape=kernel, strides=stride, pads=pads)
        size = [
            (n + pads[i] + pads[i + 2] - k) // s + 1
            for i, (n, k, s) in enumerate(zip(shape[1:], kernel, stride, strict=True))
        ]
        self.__dict__.setdefault("_units", {})[y] = self.unit(x)
        return y, (shape[0], *size)

    # ---- chains and quantizers

    def chain(self, x: str, shape: tuple[int, ...]) -> str:
        for _ in range(self.number(0, 2)):
            x = self.batch_norm(x, shape) if self.yes() else self.step(x, shape)
        return x

    def batch_norm(self, x: str, shape: tuple[int, ...]) -> str:
        c = shape[0]
        gamma = self.rng.standard_normal(c) * 10.0 ** self.number(-4, 4)
        if self.yes():
            gamma[self.rng.integers(c)] = 0
        if self.yes():
            gamma = np.abs(gamma)
        beta = self.rng.standard_normal(c) * 10.0 ** self.number(-4, 4)
        mean = self.rng.integers(-20, 20, c) / float(self.pick(1, 2, 3))
        var = 10.0 ** self.rng.uniform(-6, 6, c) if self.yes() else np.ones(c)
        parameters = [self.out.const(p) for p in (gamma, beta, mean, var)]
        return self.out.node("BatchNormalization", x, *parameters, epsilon=float(self.pick(1e-5, 0.0, 1e-3)))

    def step(self, x: str, shape: tuple[int, ...]) -> str:
        op = str(self.pick("Mul", "Add", "Sub", "Div", "Relu", "Neg", "Clip"))
        if op in ("Relu", "Neg"):
            return self.out.node(op, x)
        if op == "Clip":
            return self.out.node(op, x, self.out.const(-3.3), self.out.const(5.1))
        tail = (1,) * (len(shape) - 1)
        size = () if self.yes() else (shape[0], *tail) if self.yes() else (1, shape[0], *tail)
        values = self.rng.standard_normal(size) * 10.0 ** self.number(-2, 2)
        if op == "Div":
            values = np.where(np.abs(values) < 1e-3, 1.0, values)
        constant = self.out.const(values)
        first = op != "Div" and self.yes()
        return self.out.node(op, *((constant, x) if first else (x, constant)))

    def quantize_linear(self, x: str, scale: float) -> str:
        """The pair of standard ONNX, of few bits by a Clip in between."""
        kind = np.int8 if self.yes() else np.uint8
        low = self.number(-8, 0) if kind is np.int8 else 0
        high = low + self.number(1, 15)
        constants = self.out.const(scale), self.out.const(self.number(low, min(high, 7)), kind)
        levels = self.out.node("QuantizeLinear", x, *constants)
        clipped = self.out.node("Clip", levels, self.out.const(low, kind), self.out.const(high, kind))
        return self.out.node("DequantizeLinear", clipped, *constants)

    def quantizer(self, x: str, shape: tuple[int, ...], unit: bool = False, levels: bool = True) -> str:
        scale = 1.0 if unit else 2.0 ** self.number(-2, 2)
        form = self.number(0, 4 if levels else 1)
        self.has_zero_point = form == 4
        if form == 0:
            y = self.out.node("BipolarQuant", x, self.out.const(scale))
            self.zero_is_value = False
        elif form <= 2:
            bits, signed = self.number(1, 4), self.yes()
            y = self.out.node(
                "Quant", x, self.out.const(scale), self.out.const(0.0), self.out.const(float(bits)),
                signed=int(signed), narrow=int(self.yes() and bits > 1),
                rounding_mode=str(self.pick("ROUND", "FLOOR", "CEIL", "HALF_UP", "DOWN", "UP", "HALF_DOWN")),
            )  # fmt: skip
            self.zero_is_value = not (signed and bits == 1)
        elif form == 4:
            y = self.quantize_linear(x, scale)
            self.zero_is_value = True
        else:
            count = int(self.pick(1, 3, 5, 7))
            rows = shape[0] if self.yes() else 1
            table = np.sort(self.rng.standard_normal((rows, count)) * 10, axis=1)
            bipolar = count == 1 and self.yes()
            bits = count.bit_length()
            y = self.out.node(
                "MultiThreshold", x, self.out.const(table), out_scale=2 * scale if bipolar else scale,
                out_bias=-scale if bipolar else 0.0, out_dtype="BIPOLAR" if bipolar else f"UINT{bits}",
                data_layout="NCHW" if len(shape) == 3 else "NC",
            )  # fmt: skip
            self.zero_is_value = not bipolar
        self.__dict__.setdefault("_units", {})[y] = scale
        return y

    # ---- shapes

    def maybe_flatten(self, x: str, shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
        if len(shape) == 1 or self.number(0, 4):
            return x, shape
        return self.flatten(x, shape)

    def flatten(self, x: str, shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
        size = int(np.prod(shape))
        if self.number(0, 3) == 0:
            x = self.out.node("Transpose", x, perm=[0, 2, 3, 1])
        if self.yes():
            return self.out.node("Flatten", x, axis=1), (size,)
        return self.out.node("Reshape", x, self.out.const([1, -1], np.int64)), (size,)


def _dyadic(shape: tuple[int, ...]) -> bool:
    pixels = shape[1] * shape[2]
    return pixels & (pixels - 1) == 0
