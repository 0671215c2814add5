"""Runs a file through the real FINN front end (finn-plus, no Vivado), executing every stage it can.

    python drive_finn.py front    model.finn.onnx --samples samples.npz --out DIR [--folding FOLDING.json]
    python drive_finn.py dataflow dataflow.onnx   --samples samples.npz --out DIR [--folding FOLDING.json]

``front`` starts at the QONNX file, ``dataflow`` at FINN's step_specialize_layers. ``samples.npz`` holds x
(N, C, H, W) or (N, C), and y, the network's outputs. DIR/result.json lists the stages, the differences from
y, the nodes outside of the partition and seconds. Runs in the environment that ``setup.sh`` makes, and needs
nothing of etb_hw.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import sys
import tempfile
import time
import types
import warnings
from pathlib import Path
from unittest.mock import MagicMock


def import_finn() -> None:
    """Make FINN importable without Vivado, torch and the simulators that these steps never use."""
    warnings.filterwarnings("ignore")
    os.environ.setdefault("FINN_BUILD_DIR", tempfile.mkdtemp(prefix="finn_build_"))
    os.environ.setdefault("NUM_DEFAULT_WORKERS", "1")
    os.environ.setdefault("XILINX_VIVADO", "/nonexistent/Vivado/2022.2")  # only parsed for its version
    torch = types.ModuleType("torch")
    torch.__getattr__ = lambda name: MagicMock()  # type: ignore[method-assign]
    nn = types.ModuleType("torch.nn")
    nn.Module = object  # type: ignore[attr-defined]
    nn.__getattr__ = lambda name: MagicMock()  # type: ignore[method-assign]
    nn.functional = types.ModuleType("torch.nn.functional")  # type: ignore[attr-defined]
    torch.nn = nn  # type: ignore[attr-defined]
    torch.Tensor = type("Tensor", (), {})  # type: ignore[attr-defined]
    for name, module in (("torch", torch), ("torch.nn", nn), ("torch.nn.functional", nn.functional)):
        sys.modules.setdefault(name, module)
    for name in ("torchvision", "brevitas_examples"):
        sys.modules.setdefault(name, MagicMock())
    import finn.xsi

    for name in getattr(finn.xsi, "_LAZY_NAMES", ()):  # bindings of Vivado's simulator
        finn.xsi.__dict__.setdefault(name, MagicMock())


import_finn()

import numpy as np  # noqa: E402
from finn.builder import build_dataflow_config as config  # noqa: E402
from finn.builder import build_dataflow_steps as steps  # noqa: E402
from finn.core.onnx_exec import execute_onnx  # noqa: E402
from onnx import helper  # noqa: E402
from qonnx.core.datatype import DataType  # noqa: E402
from qonnx.core.modelwrapper import ModelWrapper  # noqa: E402
from qonnx.custom_op.registry import getCustomOp  # noqa: E402
from qonnx.transformation.general import GiveUniqueNodeNames, SortGraph  # noqa: E402
from qonnx.util.cleanup import cleanup_model  # noqa: E402

HARDWARE = "finn.custom_op.fpgadataflow"


class Run:
    """Stages one after another, each executed on the samples and compared."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.out = Path(args.out)
        self.models = self.out / "intermediate_models"
        (self.models / "supported_op_partitions").mkdir(parents=True, exist_ok=True)
        (self.out / "report").mkdir(exist_ok=True)
        data = np.load(args.samples)
        self.x, self.y = data["x"].astype(np.float32), data["y"]
        self.cfg = config.DataflowBuildConfig(
            output_dir=str(self.out),
            synth_clk_period_ns=10.0,
            generate_outputs=[config.DataflowOutputType.ESTIMATE_REPORTS],
            board="Pynq-Z1",
            shell_flow_type=config.ShellFlowType.VIVADO_ZYNQ,
            folding_config_file=args.folding,
            save_intermediate_models=True,
        )
        self.execute = not args.no_execution
        self.result: dict[str, object] = {"stages": []}

    def stage(self, name, transform, model, executable=lambda m: m, check=True):  # type: ignore[no-untyped-def]
        started, cpu = time.perf_counter(), time.process_time()
        model = transform(model)
        row = {
            "stage": name,
            "seconds": round(time.perf_counter() - started, 3),
            "cpu_seconds": round(time.process_time() - cpu, 3),
        }
        if check and self.execute:
            row["max_abs_diff"] = self.difference(executable(model))
        self.result["stages"].append(row)  # type: ignore[attr-defined]
        model.save(str(self.models / f"{name}.onnx"))
        return model

    def difference(self, model: ModelWrapper) -> float:
        source, sink = model.graph.input[0].name, model.graph.output[0].name
        shape = model.get_tensor_shape(source)
        worst = 0.0
        for x, y in zip(self.x, self.y, strict=True):
            if len(shape) == 4 and x.ndim == 3 and shape[1:] != list(x.shape):
                x = x.transpose(1, 2, 0)
            out = execute_onnx(model, {source: x.reshape(shape)})[sink]
            worst = max(worst, float(np.abs(out.reshape(-1) - y.reshape(-1)).max()))
        return worst

    def finish(self) -> None:
        (self.out / "result.json").write_text(json.dumps(self.result, indent=1))


def front(run: Run, path: str) -> None:
    model = ModelWrapper(path)
    # before streamlining FINN executes a bipolar border as 0, like ONNX: those stages only have to run
    padded = any(
        node.op_type == "Conv" and any(any(a.ints) for a in node.attribute if a.name == "pads")
        for node in model.graph.node[1:]
    )
    model = run.stage("qonnx_cleanup", cleanup_model, model, check=not padded)
    model = run.stage(
        "step_qonnx_to_finn", lambda m: steps.step_qonnx_to_finn(m, run.cfg), model, check=not padded
    )
    left = sorted({n.op_type for n in model.graph.node} & {"Quant", "BipolarQuant"})
    run.result["quantizers_left"] = left
    model = run.stage("step_tidy_up", lambda m: steps.step_tidy_up(m, run.cfg), model, check=not padded)
    model = run.stage("step_streamline", lambda m: steps.step_streamline(m, run.cfg), model)
    model = run.stage("step_convert_to_hw", lambda m: steps.step_convert_to_hw(m, run.cfg), model)
    if hasattr(steps, "step_minimize_bit_width_initial"):
        model = run.stage(
            "step_minimize_bit_width_initial",
            lambda m: steps.step_minimize_bit_width_initial(m, run.cfg),
            model,
        )
    run.result["outside"] = [n.op_type for n in model.graph.node if not n.domain.startswith(HARDWARE)]
    parent = run.models / "dataflow_parent.onnx"

    def in_parent(child: ModelWrapper) -> ModelWrapper:
        file = run.models / "executable_child.onnx"
        executable(child).save(str(file))
        whole = ModelWrapper(str(parent))
        for node in whole.get_nodes_by_op_type("StreamingDataflowPartition"):
            getCustomOp(node).set_nodeattr("model", str(file))
        return whole

    model = run.stage(
        "step_create_dataflow_partition",
        lambda m: steps.step_create_dataflow_partition(m, run.cfg),
        model,
        in_parent,
    )
    back(run, model, in_parent)


def back(run: Run, model: ModelWrapper, wrap) -> None:  # type: ignore[no-untyped-def]
    model = run.stage(
        "step_specialize_layers", lambda m: steps.step_specialize_layers(m, run.cfg), model, wrap
    )
    run.result["nodes"] = [n.name for n in model.graph.node]
    model = run.stage(
        "step_apply_folding_config", lambda m: steps.step_apply_folding_config(m, run.cfg), model, wrap
    )
    run.result["folding"] = {
        n.name: {a.name: a.i for a in n.attribute if a.name in ("PE", "SIMD")} for n in model.graph.node
    }
    model = run.stage(
        "step_minimize_bit_width", lambda m: steps.step_minimize_bit_width(m, run.cfg), model, wrap
    )
    model = model.transform(GiveUniqueNodeNames())
    model = run.stage(
        "step_generate_estimate_reports",
        lambda m: steps.step_generate_estimate_reports(m, run.cfg),
        model,
        check=False,
    )
    for name in ("estimate_layer_cycles", "estimate_layer_resources", "estimate_network_performance"):
        run.result[name] = json.loads((run.out / "report" / f"{name}.json").read_text())


def elementwise(
    model: ModelWrapper, op: str, source: str, constant: np.ndarray, sink: str, dtype: str
) -> None:
    """Append finn-plus' node for ``sink = source op constant`` (finn-plus has no ChannelwiseOp)."""
    shape = [int(d) for d in model.get_tensor_shape(source)]
    name = f"{sink}_{op}_constant"
    model.set_initializer(name, constant.reshape(-1).astype(np.float32))
    kind = "INT16" if (constant < 0).any() else "UINT16"
    model.set_tensor_datatype(name, DataType[kind])
    node = helper.make_node(
        f"Elementwise{op}_hls", [source, name], [sink], domain=f"{HARDWARE}.hls", backend="fpgadataflow",
        lhs_dtype=model.get_tensor_datatype(source).name, lhs_shape=shape, lhs_style="input", rhs_dtype=kind,
        rhs_shape=[constant.size], rhs_style="const", out_dtype=dtype, out_shape=shape,
    )  # fmt: skip
    model.set_tensor_shape(sink, shape)
    model.set_tensor_datatype(sink, DataType[dtype])
    model.graph.node.append(node)


def with_elementwise_ops(model: ModelWrapper) -> None:
    """finn-plus has no ChannelwiseOp (FINN main has): its elementwise operations do the work."""
    for node in model.get_nodes_by_op_type("ChannelwiseOp_hls"):
        op = {"add": "Add", "mul": "Mul"}[next(a.s.decode() for a in node.attribute if a.name == "Func")]
        model.graph.node.remove(node)
        elementwise(model, op, node.input[0], model.get_initializer(node.input[1]), node.output[0], "INT32")


def in_vocabulary_of_finn_plus(model: ModelWrapper, run: Run) -> ModelWrapper:
    """finn-plus has no StreamingMaxPool (FINN main has): a window generator and a Pool do its work."""
    for node in model.get_nodes_by_op_type("StreamingMaxPool_hls"):
        pool = {a.name: a for a in node.attribute}
        image, window = list(pool["ImgDim"].ints), list(pool["PoolDim"].ints)
        channels, pe, dtype = pool["NumChannels"].i, pool["PE"].i, pool["dataType"].s.decode()
        reduced = [(i - w) // w + 1 for i, w in zip(image, window, strict=True)]
        windows = f"{node.name}_windows"
        generator = helper.make_node(
            "ConvolutionInputGenerator_rtl", list(node.input), [windows], domain=f"{HARDWARE}.rtl",
            backend="fpgadataflow", ConvKernelDim=window, IFMChannels=channels, IFMDim=image, OFMDim=reduced,
            SIMD=pe, Stride=window, Dilation=[1, 1], inputDataType=dtype, outputDataType=dtype, depthwise=1,
            is1D=0, parallel_window=0, ram_style="distributed",
        )  # fmt: skip
        pooled = helper.make_node(
            "Pool_hls", [windows], list(node.output), domain=f"{HARDWARE}.hls", backend="fpgadataflow",
            Channels=channels, PE=pe, KernelSize=window, Function="MaxPool", OutImgDims=reduced,
            InputDataType=dtype, OutputDataType=dtype, BatchSize=1,
        )  # fmt: skip
        model.set_tensor_shape(windows, [1, *reduced, window[0] * window[1] * channels])
        model.set_tensor_datatype(windows, DataType[dtype])
        position = list(model.graph.node).index(node)
        model.graph.node.remove(node)
        for new in (pooled, generator):
            model.graph.node.insert(position, new)
    if run.cfg.folding_config_file is not None:
        run.cfg.folding_config_file = renamed_folding(model, Path(run.cfg.folding_config_file), run.out)
    return model.transform(GiveUniqueNodeNames())


def renamed_folding(model: ModelWrapper, path: Path, out: Path) -> str:
    """The folding under the names that the nodes get when FINN numbers them again."""
    folding = json.loads(path.read_text())
    count: dict[str, int] = {}
    names = {}
    for node in model.graph.node:
        names[node.name] = f"{node.op_type}_{count.setdefault(node.op_type, 0)}"
        count[node.op_type] += 1
    target = out / "renamed_folding.json"
    kept = {names[k]: v for k, v in folding.items() if k in names}
    target.write_text(json.dumps({"Defaults": folding.get("Defaults", {}), **kept}))
    return str(target)


def peak_mb() -> float:
    """Peak memory of this process; unlike getrusage it leaves out what its parent held at the fork."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def executable(model: ModelWrapper) -> ModelWrapper:
    """A copy with the hardware-neutral ops: FINN runs *_hls and *_rtl only through compilers."""
    model = copy.deepcopy(model)
    for node in model.graph.node:
        if node.op_type.endswith(("_hls", "_rtl")):
            node.op_type, node.domain = node.op_type[:-4], HARDWARE
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("kind", choices=["front", "dataflow"])
    parser.add_argument("model")
    parser.add_argument("--samples", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--folding")
    parser.add_argument("--no-execution", action="store_true", help="only run the steps, for timings")
    args = parser.parse_args()
    run = Run(args)
    try:
        if args.kind == "front":
            front(run, args.model)
        else:
            model = ModelWrapper(args.model)
            with_elementwise_ops(model)
            model = model.transform(SortGraph())
            back(run, in_vocabulary_of_finn_plus(model, run), executable)
    except Exception as error:
        run.result["error"] = f"{type(error).__name__}: {error}"
        raise
    finally:
        run.result["peak_mb"] = peak_mb()
        run.finish()


if __name__ == "__main__":
    main()
