"""Package the design for the board that the flow names; real images go through the simulated board."""

from __future__ import annotations

from typing import Any

import numpy as np

from etb_hw import qonnx_io
from etb_hw.artifacts.hardware import BoardResult
from etb_hw.artifacts.run_files import BOARD_RESULT, DATAFLOW, PACKAGE, STREAMLINED
from etb_hw.board import Trial, find_board, package
from etb_hw.config import Flow
from etb_hw.dataflow.finn.onnx_reader import read
from etb_hw.errors import MissingTool
from etb_hw.flow.origins import data_origin
from etb_hw.flow.proofs import frames
from etb_hw.flow.step import Context, Step
from etb_hw.integer.packed import PackedExecutor
from etb_hw.verification import Proof


def _run(context: Context) -> list[Proof]:
    wanted = context.flow.board
    if wanted.name is None:
        context.write(BOARD_RESULT, BoardResult())
        return []
    board, design = find_board(wanted.name), read(context.path(DATAFLOW))
    images = context.dataset.test_x[: wanted.frames]
    expected = PackedExecutor(qonnx_io.import_model(context.path(STREAMLINED))).run(images)
    trial = Trial(
        frames(design, images),
        np.moveaxis(expected, 1, -1).reshape(len(images), *design.output_stream.shape),
        "packed simulator",
        "images of the test set",
    )
    mhz = wanted.clock_mhz or board.default_mhz
    try:
        made = package(
            design, board, clock_mhz=mhz, place=wanted.place, trial=trial,
            tools=context.flow.verification.tools,
        )  # fmt: skip
    except MissingTool as missing:  # it needs more than Python packages: say so instead of failing the run
        context.write(BOARD_RESULT, BoardResult(board.title, skipped=f"{missing.where}: {missing.reason}"))
        return []
    made.write(context.path(PACKAGE))
    fmax = None if made.placement is None else made.placement.fmax_mhz
    context.write(BOARD_RESULT, BoardResult(board.title, None, len(images), mhz, fmax))
    return [] if made.proof is None else [made.proof]


def _settings(flow: Flow) -> Any:
    """With what the board's file says, which may be the user's and change."""
    board = None if flow.board.name is None else find_board(flow.board.name).model_dump(mode="json")
    return [data_origin(flow.data), flow.board.model_dump(), board, flow.verification.tools]


STEP = Step(
    "board", "Package it for the board", _settings, (DATAFLOW, STREAMLINED), (BOARD_RESULT, PACKAGE), _run
)
