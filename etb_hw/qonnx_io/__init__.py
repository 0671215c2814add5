"""QONNX files in and out: export of torch models, import into the integer graph, proof by qonnx itself."""

from etb_hw.qonnx_io.execute import execute
from etb_hw.qonnx_io.export import export_model
from etb_hw.qonnx_io.finn import export_finn
from etb_hw.qonnx_io.importer import import_model
from etb_hw.qonnx_io.options import ImportOptions
from etb_hw.qonnx_io.streamlined import write_streamlined

__all__ = ["ImportOptions", "execute", "export_finn", "export_model", "import_model", "write_streamlined"]
