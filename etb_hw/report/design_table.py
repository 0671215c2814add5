"""The table that ``build`` prints: a row a block."""

from __future__ import annotations

from dataclasses import dataclass

from rich.table import Table

from etb_hw.dataflow.block import Block
from etb_hw.dataflow.devices import Device
from etb_hw.dataflow.graph import DataflowGraph
from etb_hw.dataflow.resource_model import ResourceModel, finn_model
from etb_hw.dataflow.resources import Resources


@dataclass(frozen=True)
class BlockRow:
    """One block. ``shape`` is its output, NHWC; ``share`` its cycles over those of the bottleneck."""

    name: str
    layer: str
    shape: tuple[int, ...]
    pe: int | None
    simd: int | None
    cycles: int
    resources: Resources
    share: float


def block_rows(graph: DataflowGraph, model: ResourceModel = finn_model) -> tuple[BlockRow, ...]:
    """A row a block, in order."""
    slowest = graph.bottleneck.cycles
    return tuple(
        BlockRow(
            block.name,
            block.layer,
            block.outputs[0].shape,
            _parameter(block, "pe"),
            _parameter(block, "simd"),
            block.cycles,
            model(block),
            block.cycles / slowest,
        )
        for block in graph.blocks
    )


def design_table(
    graph: DataflowGraph, device: Device | None = None, model: ResourceModel = finn_model
) -> Table:
    """The rows for a terminal, with totals and, for a device, what part of it they are."""
    performance = f"{graph.fps:,.0f} frames/s at {graph.clk_ns:g} ns"
    made = Table(title=f"Dataflow design: {performance} (resources: {model.name})")
    made.add_column("block")
    made.add_column("layer")
    for column in ("shape", "PE", "SIMD", "cycles", "LUT", "BRAM18", "URAM", "DSP", "of slowest"):
        made.add_column(column, justify="right")
    for row in block_rows(graph, model):
        made.add_row(
            row.name,
            row.layer,
            "x".join(map(str, row.shape)),
            _text(row.pe),
            _text(row.simd),
            f"{row.cycles:,}",
            *_amounts(row.resources),
            f"{row.share:.0%}",
        )
    if graph.fifos:
        made.add_section()
        made.add_row(f"{len(graph.fifos)} FIFOs", "", "", "", "", "", *_amounts(graph.fifo_cost(model)), "")
    total = graph.cost(model)
    made.add_section()
    made.add_row("total", "", "", "", "", f"{graph.bottleneck.cycles:,}", *_amounts(total), "")
    if device is not None:
        parts = (
            f"{used / available:.0%}" if available else ("0%" if not used else "none")
            for used, available in (
                (total.lut, device.resources.lut),
                (total.bram_18k, device.resources.bram_18k),
                (total.uram, device.resources.uram),
                (total.dsp, device.resources.dsp),
            )
        )
        made.add_row(f"of {device.part}", "", "", "", "", "", *parts, "")
    return made


def _parameter(block: Block, name: str) -> int | None:
    value = getattr(block, name, None)
    return int(value) if value is not None else None


def _text(value: int | None) -> str:
    return "" if value is None else str(value)


def _amounts(resources: Resources) -> tuple[str, ...]:
    return tuple(
        f"{value:,.0f}" if value else ""
        for value in (resources.lut, resources.bram_18k, resources.uram, resources.dsp)
    )
