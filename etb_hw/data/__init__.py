"""Image data as unsigned 8-bit integers: the same pixels in training, simulation and hardware."""

from etb_hw.data.dataset import Dataset
from etb_hw.data.loading import load

__all__ = ["Dataset", "load"]
