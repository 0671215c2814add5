"""Several processes that train one network together, started by ``torchrun`` (DistributedDataParallel).

Every process holds the whole network and works on its share of each batch. Gradients, those of the thresholds
included, are averaged, so all processes take the same decisions. Only the first one reads and writes the
run's folder; what it goes on from it hands to the others.
"""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from types import FrameType

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from etb_hw.errors import BadInput, EtbError
from etb_hw.evolution.team import Team
from etb_hw.training.compiled import compiled

AGAIN = "the same command goes on from the state that was saved last"
_SAID = "etb_hw/said"  # a count in torchrun's store: how many processes had something to say
_WAIT = timedelta(seconds=10)


class ProcessLost(EtbError):
    """Another process of a run that several processes share has ended, so this one cannot go on."""

    exit_code = 1


@contextmanager
def joined(device: str) -> Iterator[Team]:
    """Join the processes that torchrun started with this one; alone without torchrun.

    Raises ProcessLost where one of the others ends before this one is done.
    """
    if not dist.is_torchelastic_launched():
        yield Team()
        return
    if dist.is_initialized():
        yield Team(dist.get_rank(), dist.get_world_size())
        return
    gpu = device != "cpu" and torch.cuda.is_available()
    if gpu:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))  # torchrun's way to say which GPU is ours
    try:
        with _ended_by_torchrun():
            dist.init_process_group("nccl" if gpu else "gloo")
            yield Team(dist.get_rank(), dist.get_world_size())
    except RuntimeError as error:
        if not _is_of_the_network(error):
            raise
        raise ProcessLost("this run", "another of its processes ended, or cannot be reached", AGAIN) from None
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()
            gc.collect()  # a wrapped network is a cycle that holds threads; they end before the interpreter


@contextmanager
def _ended_by_torchrun() -> Iterator[None]:
    """torchrun ends all processes where one of them fails: that is an error like others, with a message.

    Behind any error torchrun is not heard any more: it would end this process before it has said why. What
    does not end by itself is killed half a minute later.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(_: int, frame: FrameType | None) -> None:
        raise ProcessLost("this run", "torchrun ended it, as it does where one of its processes ends", AGAIN)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    except BaseException:
        before = signal.SIG_IGN
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def _is_of_the_network(error: RuntimeError) -> bool:
    """Whether an error came from what joins processes; gloo has no type of its own for that."""
    return isinstance(error, dist.DistError) or "gloo" in str(error) or "onnection" in str(error)


def leads() -> bool:
    """Whether this process writes files and reports: the first of those that torchrun started."""
    return not dist.is_torchelastic_launched() or os.environ.get("RANK", "0") == "0"


def first_to_speak() -> bool:
    """Whether no other process that torchrun started has said yet why the run ends: one message is enough."""
    if not dist.is_torchelastic_launched():
        return True
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":  # the store may have gone with a process
        return leads()
    try:
        store, _, _ = next(rendezvous("env://", timeout=_WAIT))
        return bool(store.add(_SAID, 1) == 1)
    except (RuntimeError, ValueError):
        return leads()


def check_batch(team: Team, batch: int) -> None:
    """Raise BadInput unless a batch can be dealt out evenly."""
    if batch % team.ranks:
        raise BadInput(
            "training.batch",
            f"{batch} images cannot be dealt out to {team.ranks} processes",
            f"use a multiple of {team.ranks}",
        )


def wrapped(net: nn.Module, team: Team, compile_it: bool) -> nn.Module:
    """The module to call for training: averages gradients over the processes; compiled if asked for."""
    module = DistributedDataParallel(net) if team.ranks > 1 else net
    return compiled(module) if compile_it else module


@torch.no_grad()
def share_buffers(net: nn.Module, team: Team) -> None:
    """Take over the first process's running statistics, before anything is evaluated."""
    if team.ranks > 1:
        for buffer in net.buffers():
            dist.broadcast(buffer, 0)


def told(team: Team, values: Sequence[int]) -> list[int]:
    """The first process's numbers, in all processes; the others give as many of any value."""
    if team.ranks == 1:
        return list(values)
    numbers = torch.tensor(values, dtype=torch.int64, device=_reach())
    dist.broadcast(numbers, 0)
    return [int(number) for number in numbers.tolist()]


def handed_out(team: Team, content: bytes | None) -> bytes | None:
    """The first process's bytes, or None, in all processes."""
    if team.ranks == 1:
        return content
    [size] = told(team, [-1 if content is None else len(content)])
    if size < 0:
        return None
    given = bytearray(content) if team.leads and content else bytearray(size)
    sent = torch.frombuffer(given, dtype=torch.uint8).to(_reach())
    dist.broadcast(sent, 0)
    return sent.cpu().numpy().tobytes()


def check_alike(team: Team, key: str) -> None:
    """Raise BadInput in all processes unless all of them train the same: ``key`` is of settings and data."""
    if team.ranks == 1:
        return
    mine = torch.frombuffer(bytearray(bytes.fromhex(key)), dtype=torch.uint8).to(_reach())
    keys = [torch.empty_like(mine) for _ in range(team.ranks)]
    dist.all_gather(keys, mine)
    others = [str(rank) for rank, found in enumerate(keys) if not torch.equal(found, keys[0])]
    if others:
        raise BadInput(
            f"process {', '.join(others)} of the run",
            "has other settings, data or versions than process 0",
            "give every machine the same flow file, data and installation",
        )


def _reach() -> torch.device:
    """Where tensors must lie to be sent."""
    gpu = dist.get_backend() == "nccl"
    return torch.device("cuda", torch.cuda.current_device()) if gpu else torch.device("cpu")
