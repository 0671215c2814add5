"""Boards with a Zynq."""
