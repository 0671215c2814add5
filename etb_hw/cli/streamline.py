"""``etb-hw streamline``: any QONNX file to the integer graph."""

from __future__ import annotations

from pathlib import Path

import click

from etb_hw.cli.options import force_option, input_options, model_argument, proof_option
from etb_hw.cli.output import Output, output_options

FOR_HLS4ML = "model.hls4ml.onnx"


@click.command("streamline")
@model_argument
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help=f"Default: streamlined.onnx, or {FOR_HLS4ML}, beside the model.",
)
@click.option(
    "--for",
    "reader",
    type=click.Choice(["qonnx", "hls4ml"]),
    default="qonnx",
    show_default=True,
    help="Multi-thresholds, in qonnx's ops, or the Quant nodes that hls4ml reads.",
)
@input_options
@proof_option
@force_option
@output_options
def command(
    model_file: Path,
    out: Path | None,
    reader: str,
    force: bool,
    proof_samples: int,
    output: Output,
    **mapping: str | None,
) -> None:
    """Fold the BatchNorms and scales of MODEL_FILE (QONNX) into exact integer thresholds.

    The result is compared with qonnx's execution of MODEL_FILE; where they differ, nothing is written.
    With --for hls4ml the written file is too.
    """
    from dataclasses import asdict

    from etb_hw.artifacts.run_files import STREAMLINED
    from etb_hw.cli.from_options import import_options
    from etb_hw.cli.proof_line import proof_line
    from etb_hw.flow.outputs import output_file
    from etb_hw.flow.proofs import prove_hls4ml, prove_import, random_inputs
    from etb_hw.qonnx_io import export_hls4ml, import_model, write_streamlined

    graph = import_model(model_file, import_options(mapping))
    x = random_inputs(graph, proof_samples)
    proof = prove_import(graph, model_file, x) if proof_samples else None
    out = out or model_file.parent / (FOR_HLS4ML if reader == "hls4ml" else STREAMLINED.name)
    with output_file(out, "streamline", force=force) as path:
        if reader == "hls4ml":
            export_hls4ml(graph, path)
            if proof_samples:
                prove_hls4ml(graph, path, x)
        else:
            write_streamlined(graph, path)
    output.say(f"{out}: {len(graph.nodes)} nodes over integers", *graph.notes, proof_line(proof))
    output.document(
        {
            "file": str(out),
            "nodes": len(graph.nodes),
            "notes": graph.notes,
            "proof": None if proof is None else asdict(proof),
        }
    )
