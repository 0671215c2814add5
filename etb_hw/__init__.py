"""etb_hw: from training a binarized neural network to a proven FPGA dataflow accelerator.

Data flows one way through the sub-packages, and imports follow it::

    data, quantizers, models -> training -> pruning -> qonnx_io -> integer -> dataflow -> rtl -> report
"""

__version__ = "0.2.0"
