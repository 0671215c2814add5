"""The packed executor: integer graphs on XNOR-popcount kernels, as exact as the reference and far faster."""

from etb_hw.integer.packed.executor import PackedExecutor
from etb_hw.integer.packed.kernel import host_features

__all__ = ["PackedExecutor", "host_features"]
