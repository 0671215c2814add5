"""From a flow file's [model] section, or a checkpoint, to the network that is trained, or was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from etb_hw.config import ModelConfig
from etb_hw.data import Dataset
from etb_hw.errors import BadInput
from etb_hw.evolution.network import Network
from etb_hw.models import OWN, specify
from etb_hw.models.own import own_network
from etb_hw.training import own_checkpoint
from etb_hw.training.inputs import Inputs
from etb_hw.training.own_checks import own_module
from etb_hw.training.own_module import OwnModule
from etb_hw.training.topology import Topology, load_topology
from etb_hw.training.trainee import Trained, Trainee


def trainee_of(config: ModelConfig, dataset: Dataset) -> Trainee:
    """What a flow file's [model] section asks for, for these data.

    Raises BadInput for unknown names, and functions of the user's that give no network.
    """
    return _trainee(config, Inputs(dataset.shape, len(dataset.classes), dataset.dtype))


def _trainee(config: ModelConfig, inputs: Inputs) -> Trainee:
    if config.name == OWN and inputs.classes > 1:
        made = own_network(config.function, inputs.shape, inputs.classes)
        if isinstance(made, nn.Module | Network):
            return own_module(config, inputs, made)
    return Topology(specify(config, inputs.shape, inputs.classes, inputs.dtype))


def load_trained(path: Path, config: ModelConfig) -> tuple[Trained, dict[str, Any]]:
    """The network in a checkpoint.safetensors, and its notes.

    Args:
        config: the [model] section by which it was trained. Code is run only where that names a function.

    Raises BadInput for damaged files, and where the function gives another network than the file holds.
    """
    found = own_checkpoint.read(path) if path.is_file() else None
    if found is None:
        return load_topology(path)
    about, notes, tensors = found
    trainee = _trainee(config, own_checkpoint.inputs_of(path, about))
    if not isinstance(trainee, OwnModule):
        remedy = "use the flow file that it was trained with"
        raise BadInput(str(path), "holds a module of model.function, which the flow does not name", remedy)
    return trainee.load(path, about, tensors), notes
