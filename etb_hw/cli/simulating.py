"""What ``etb-hw simulate`` prints."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from etb_hw.cli.data import examples
from etb_hw.cli.from_options import build_config, import_options
from etb_hw.cli.output import Output
from etb_hw.cli.proof_line import proof_line
from etb_hw.errors import BadInput
from etb_hw.files import write_bytes
from etb_hw.flow.outputs import output_file
from etb_hw.flow.simulating import Fitted, QonnxReference, fit, prove_fitted, simulate_rtl
from etb_hw.integer import IntegerGraph
from etb_hw.integer.packed import PackedExecutor
from etb_hw.qonnx_io import import_model
from etb_hw.simulate import SimulationReport, simulate, trace_layer
from etb_hw.verification import Proof


def run_simulation(model: Path, options: Mapping[str, Any], output: Output) -> int:
    """Simulate, print, and return the exit code. Raises EtbError."""
    _check(options)
    graph = import_model(model, import_options(options))
    given = examples(options["data_text"])
    limit = min(options["limit"] or len(given.x), len(given.x))
    fitted = fit(graph, given.x[:limit], None if given.y is None else given.y[:limit])
    if options["layer"] is not None:
        tensor = trace_layer(graph, options["layer"], fitted.images)
        content = io.BytesIO()
        np.save(content, tensor)
        out = options["out"] or Path("trace.npy")
        with output_file(out, "simulate", force=options["force"]) as path:
            write_bytes(path, content.getvalue())
        output.say(f"{out}: {options['layer']}, {tensor.dtype} {tensor.shape}")
        output.document({"file": str(out), "layer": options["layer"], "shape": tensor.shape})
        return 0
    with output.progress("comparing with qonnx"):
        proof = prove_fitted(fitted, model, options["proof_samples"])
    if options["engine"] == "rtl":
        return _rtl(output, fitted, options, proof)
    against = QonnxReference(model, PackedExecutor(graph)) if options["against"] == "qonnx" else None
    outputs: list[NDArray[np.int64]] = []
    with output.progress("simulating") as bar:
        report = simulate(
            graph,
            fitted.images,
            labels=fitted.labels,
            expected=against,
            engine=options["engine"],
            threads=options["threads"] or os.cpu_count() or 1,
            progress=lambda done, _: bar.update(done, limit),
            on_result=None if options["out"] is None else lambda _, result: outputs.append(result),
        )
    if options["out"] is not None:
        with output_file(options["out"], "simulate", force=options["force"]) as path:
            write_bytes(path, written(path, report, graph, outputs, fitted.labels))
    output.document(report.to_json() | {"proof": None if proof is None else asdict(proof)})
    output.say(_table(report, model), *graph.notes, proof_line(proof))
    if against is not None and against.ties:
        output.say(f"{against.ties} images are ties that qonnx's float32 rounds")
    if report.confusion is not None:
        output.say(_confusion(report, given.classes))
    return _code(report)


def _check(options: Mapping[str, Any]) -> None:
    """Raise BadInput, before anything is simulated, where options contradict one another."""
    if options["layer"] is not None and options["engine"] == "rtl":
        reason = "writes values of the integer graph, which the rtl engine does not show"
        raise BadInput(f"--trace {options['layer']}", reason, "leave --engine rtl away")
    if options["out"] is None:
        return
    where, ending = f"--out {options['out']}", options["out"].suffix
    if options["layer"] is not None:
        if ending != ".npy":
            raise BadInput(where, "is no .npy file, as which --trace writes a tensor", "choose this ending")
    elif options["engine"] == "rtl":
        reason = "has nothing to hold: the rtl engine compares outputs, and writes none"
        raise BadInput(where, reason, "leave --out away, or choose another --engine")
    elif ending not in (".json", ".npy", ".csv"):
        raise BadInput(where, "is no .json, .npy or .csv file", "choose one of these endings")


def _code(report: SimulationReport) -> int:
    if report.interrupted:
        return 130
    return int(report.agreement is not None and not report.agreement.exact)


def written(
    path: Path,
    report: SimulationReport,
    graph: IntegerGraph,
    outputs: Sequence[NDArray[np.int64]],
    labels: NDArray[np.int64] | None,
) -> bytes:
    """Results by the path's ending: .json the figures, .npy the network's outputs, .csv the classes."""
    values = graph.original(np.concatenate(outputs)) if outputs else np.zeros(0)
    match path.suffix:
        case ".json":
            return (json.dumps(report.to_json(), indent=1) + "\n").encode()
        case ".npy":
            content = io.BytesIO()
            np.save(content, values)
            return content.getvalue()
        case _:
            classes = values.reshape(len(values), -1)
            found = classes[:, 0] if graph.top else classes.argmax(axis=1)
            columns = [
                np.arange(len(found)),
                found.reshape(len(found)),
                *([] if labels is None else [labels]),
            ]
            head = "image,class" + ("" if labels is None else ",label")
            rows = (",".join(str(int(value)) for value in row) for row in zip(*columns, strict=False))
            return ("\n".join([head, *rows]) + "\n").encode()


def _rtl(output: Output, fitted: Fitted, options: Mapping[str, Any], imported: Proof | None) -> int:
    build = build_config(options)
    with output.progress("simulating the RTL (built by Verilator first, which takes a minute)"):
        proof, result, estimate = simulate_rtl(fitted, build, options["stalls"], options["tools"])
    interval = "not measured (it takes three frames)" if result.ii is None else f"{result.ii} cycles"
    output.say(
        f"{proof.samples} images through the RTL ({result.version}): every logit equals the integer graph's",
        f"initiation interval {interval}, estimated {estimate}; latency {result.latency} cycles",
    )
    output.document(
        {
            "engine": "rtl",
            "tool": result.version,
            "images": proof.samples,
            "interval_cycles": result.ii,
            "estimated_interval_cycles": estimate,
            "latency_cycles": result.latency,
            "proof": None if imported is None else asdict(imported),
            "rtl_proof": asdict(proof),
        }
    )
    return 0


def _table(report: SimulationReport, model: Path) -> Table:
    table = Table(title=str(model), show_header=False, title_justify="left")
    table.add_row("engine", f"{report.engine} ({report.kernel}), {report.threads} threads")
    state = " (stopped early)" if report.interrupted else ""
    table.add_row("images", f"{report.images:,}{state}")
    if report.seconds:
        speed = f"{report.images / report.seconds:,.0f} images/s"
        table.add_row("speed", f"{speed}, after {report.compile_seconds:.1f} s to compile or load kernels")
    if report.confusion is not None and report.images:
        table.add_row("accuracy", f"{np.trace(report.confusion) / report.images:.2%}")
    if report.agreement is not None:
        agreement = report.agreement
        equal = f"{agreement.samples - agreement.mismatches:,} of {agreement.samples:,} images equal"
        table.add_row("against qonnx", equal if agreement.exact else f"{equal}; first: {agreement.first}")
    return table


def _confusion(report: SimulationReport, classes: tuple[str, ...]) -> Table:
    assert report.confusion is not None
    table = Table("label \\ predicted", *classes, title="confusion", title_justify="left")
    for name, row in zip(classes, report.confusion, strict=False):
        table.add_row(name, *(str(count) if count else "" for count in row))
    return table
