"""Training by evolution from ternary to binary or zero.

``train(model, training, evolution, dataset, out_dir, progress) -> TrainResult`` is one run; the dense
baseline is the same call with ``evolution.ratio = 0``. ``teach()`` trains the float network that may teach
both.
"""

from etb_hw.training.evaluate import accuracy, logits
from etb_hw.training.loop import TrainResult, train
from etb_hw.training.metrics import Callback, Progress
from etb_hw.training.pixels import tensor_of
from etb_hw.training.teacher import teach
from etb_hw.training.trainees import load_trained

__all__ = [
    "Callback",
    "Progress",
    "TrainResult",
    "accuracy",
    "load_trained",
    "logits",
    "teach",
    "tensor_of",
    "train",
]
