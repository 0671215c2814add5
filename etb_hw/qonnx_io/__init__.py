"""QONNX files in and out: export of torch models, import into the integer graph, proof by qonnx itself.

Export needs torch and Brevitas, execution needs qonnx: both are loaded when first used, so that importing
a file takes neither their time nor their memory.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from etb_hw.qonnx_io.finn import export_finn
from etb_hw.qonnx_io.hls4ml import export_hls4ml
from etb_hw.qonnx_io.importer import import_model
from etb_hw.qonnx_io.options import ImportOptions
from etb_hw.qonnx_io.rounding import without_rounding
from etb_hw.qonnx_io.streamlined import write_streamlined

if TYPE_CHECKING:
    from etb_hw.qonnx_io.execution import execute
    from etb_hw.qonnx_io.export import export_model
    from etb_hw.qonnx_io.settled import settled

__all__ = [
    "ImportOptions",
    "execute",
    "export_finn",
    "export_hls4ml",
    "export_model",
    "import_model",
    "settled",
    "without_rounding",
    "write_streamlined",
]

_LATER = {
    "execute": "etb_hw.qonnx_io.execution",
    "export_model": "etb_hw.qonnx_io.export",
    "settled": "etb_hw.qonnx_io.settled",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(_LATER[name]), name)
    globals()[name] = found
    return found
