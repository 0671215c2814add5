"""What FPGA fabrics are made of, and what memories and common parts take of them."""

from etb_hw.dataflow.fabric.family import FABRICS, Fabric, find_fabric

__all__ = ["FABRICS", "Fabric", "find_fabric"]
