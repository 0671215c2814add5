"""Simulate some frames in RTL, cycle by cycle, with and without stalls, against the integer graph."""

from __future__ import annotations

from etb_hw import qonnx_io, rtl
from etb_hw.artifacts.hardware import RtlResult
from etb_hw.artifacts.run_files import DATAFLOW, RTL, RTL_RESULT, STREAMLINED
from etb_hw.dataflow.finn.onnx_reader import read
from etb_hw.errors import MissingTool
from etb_hw.flow.frames import telling
from etb_hw.flow.origins import data_origin
from etb_hw.flow.proofs import prove_rtl
from etb_hw.flow.samples import samples
from etb_hw.flow.step import Context, Step
from etb_hw.verification import Proof

STALLS = (0.0, 0.3)


def _run(context: Context) -> list[Proof]:
    count = context.flow.verification.rtl_frames
    if not count:
        context.write(RTL_RESULT, RtlResult(0))
        return []
    design = read(context.path(DATAFLOW))
    graph = qonnx_io.import_model(context.path(STREAMLINED))
    candidates = samples(context.dataset, context.flow.verification)
    x = candidates[telling(graph, candidates, count)]
    try:
        proofs, runs = zip(
            *(prove_rtl(design, graph, x, stalls, context.flow.verification.tools) for stalls in STALLS),
            strict=True,
        )
    except MissingTool as missing:
        # the only step that needs more than Python packages: say so instead of failing the run
        context.write(RTL_RESULT, RtlResult(0, skipped=f"{missing.where}: {missing.reason}"))
        return []
    rtl.write(rtl.generate(design), context.path(RTL))
    free = runs[0]
    context.write(
        RTL_RESULT,
        RtlResult(
            frames=len(x),
            simulator=free.version,
            initiation_interval=free.ii,
            estimated_interval=design.bottleneck.cycles,
            latency=free.latency,
            fps=None if free.ii is None else 1e9 / (design.clk_ns * free.ii),
        ),
    )
    return list(proofs)


STEP = Step(
    "rtl", "Simulate the RTL", lambda flow: [data_origin(flow.data), flow.verification.model_dump()],
    (DATAFLOW, STREAMLINED), (RTL_RESULT, RTL), _run,
)  # fmt: skip
