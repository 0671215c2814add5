"""etb_hw: from training a binarized neural network to a proven FPGA dataflow accelerator.

Data flows one way through the sub-packages, and imports follow it::

    data, quantizers -> models -> pruning -> evolution -> training
        -> integer -> qonnx_io -> dataflow -> rtl -> report

What a training loop of your own needs stands here: ``import etb_hw as etb``, then ``etb.prepare``,
``etb.Evolution``, ``etb.slim`` and ``etb.export`` (docs/how-to/own-loop.md). It is imported at its first use.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from etb_hw.extras import missing_extra

if TYPE_CHECKING:
    from etb_hw.evolution import Evolution as Evolution
    from etb_hw.evolution import Rule as Rule
    from etb_hw.evolution import groups as groups
    from etb_hw.evolution import prepare as prepare
    from etb_hw.evolution import slim as slim
    from etb_hw.evolution.lightning import EvolutionCallback as EvolutionCallback
    from etb_hw.evolution.network import Network as Network
    from etb_hw.flow.budgets import budget as budget
    from etb_hw.flow.hardware_cost import luts as luts
    from etb_hw.flow.rehearsal import check as check
    from etb_hw.qonnx_io.export_slim import export as export

__version__ = "0.2.0"

# Unless told otherwise, onnxruntime (1.32) reports to its maker from each process that loads it, by a thread
# that may still run when the interpreter ends, which aborts the process. It looks here when it is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

_HOMES = {
    "Evolution": "etb_hw.evolution",
    "EvolutionCallback": "etb_hw.evolution.lightning",
    "Network": "etb_hw.evolution.network",
    "Rule": "etb_hw.evolution",
    "budget": "etb_hw.flow.budgets",
    "check": "etb_hw.flow.rehearsal",
    "export": "etb_hw.qonnx_io.export_slim",
    "groups": "etb_hw.evolution",
    "luts": "etb_hw.flow.hardware_cost",
    "prepare": "etb_hw.evolution",
    "slim": "etb_hw.evolution",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(_HOMES[name]), name)
    except ModuleNotFoundError as error:
        extra = missing_extra(error)
        if extra is not None:
            error.add_note(str(extra))
        raise


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
