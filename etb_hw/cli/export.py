"""``etb-hw export``: the flow up to its step ``export``, or the QONNX file of a checkpoint."""

from __future__ import annotations

from pathlib import Path

import click

from etb_hw.cli.output import Output, output_options
from etb_hw.errors import BadInput


@click.command("export")
@click.argument("source", type=click.Path(path_type=Path), metavar="FLOW_FILE|CHECKPOINT")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Run folder (default: runs/<name of the flow file>); for a checkpoint the file to write "
    "(default: model.qonnx.onnx beside it).",
)
@click.option("--force", is_flag=True, help="Run the step again, or replace the file, whatever is there.")
@output_options
def command(source: Path, out: Path | None, force: bool, output: Output) -> None:
    """Write a slim network as QONNX.

    Of a flow file, the steps before are done where needed; a checkpoint.safetensors needs no data.
    """
    if source.suffix == ".safetensors":
        from etb_hw.artifacts.run_files import MODEL
        from etb_hw.flow.outputs import output_file
        from etb_hw.pruning import deployable, load_checkpoint
        from etb_hw.qonnx_io import export_model
        from etb_hw.training import own_checkpoint

        if source.is_file() and own_checkpoint.read(source) is not None:
            remedy = "export it by its flow file, where that code lies: etb-hw export FLOW_FILE"
            beside = MODEL.path(source.parent)
            if beside.is_file():
                remedy = f"{beside} is its QONNX file; to make another, {remedy}"
            raise BadInput(str(source), "holds a module of a user's, whose code is not in it", remedy)
        module = deployable(load_checkpoint(source)[0])
        path = out or MODEL.path(source.parent)
        with output_file(path, "export", force=force) as file:
            export_model(module, file, module.input_shape)
        output.say(str(path))
        output.document({"file": str(path)})
        return
    from etb_hw.cli.running import run_flow

    run_flow(source, out, output, start="export" if force else None, until="export")
