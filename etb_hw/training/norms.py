"""Batch normalisation at the end of a run: means and variances of the network as it has become.

While signs still flip, running statistics lag behind the network that they belong to. Estimated again with
its last weights they fit ("precise batch normalisation": Wu and Johnson, Rethinking "Batch" in BatchNorm,
2021, arXiv:2105.07576).
"""

from __future__ import annotations

from dataclasses import replace

from torch import nn
from torch.optim.swa_utils import update_bn

from etb_hw.training.batches import Batches
from etb_hw.training.devices import exact


def estimate_norms(net: nn.Module, batches: Batches, begin: int, count: int) -> None:
    """Give every batch normalisation of ``net`` the mean statistics of training batches; weights stay.

    In the arithmetic of evaluation, also where training had another. Processes that share a run do the same
    work each, on whole batches, and get the same statistics.

    Args:
        begin: step whose batch is the first. count: of batches; those of an epoch are enough.
    """
    whole = replace(batches, rank=0, ranks=1)
    steps = range(begin, begin + min(count, whole.an_epoch))
    training = net.training
    with exact():
        update_bn((whole.batch(step) for step in steps), net)
    net.train(training)
