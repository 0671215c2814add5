"""Data as 8-bit integers: the same pixels in training, simulation and hardware.

- ``load(config) -> Dataset``: what a flow file's [data] section names.
- ``from_arrays(...)``, ``from_torch(train, test)``: of arrays of any rank, of torch data sets and loaders.
"""

from etb_hw.data.arrays import from_arrays
from etb_hw.data.dataset import Dataset
from etb_hw.data.loading import load
from etb_hw.data.python import from_torch

__all__ = ["Dataset", "from_arrays", "from_torch", "load"]
