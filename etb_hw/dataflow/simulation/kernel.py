"""The inner loop: all machines and FIFOs, cycle by cycle.

Every signal between blocks passes a FIFO whose ready and valid come from registers, so blocks may be
evaluated in any order within a cycle; pushes and pops take effect at its end. Most machines and FIFOs wait in
most cycles: to pass one over is one look.

What moves one machine or settles one FIFO is handed records of the two tables, not the tables: a record costs
no reference count. All compiled code stands in this one file, as numba's cache follows changes of a
function's own file only.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from etb_hw.dataflow.machine import DUPLICATE, SEND, TAKE, TAKE_SECOND, WINDOW

I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]
Table = Any  # of MACHINE or FIFO
Record = Any  # of one of them, by reference

# A machine, as Machine describes it.
#   first, length: its pattern in the table of steps. latency: cycles from a step to its beat.
#   read, read_too: FIFOs that it reads; where there is no second, any. send: the first that it writes.
#   position: where it stands in its pattern; a duplicator: a bit for each output that has this beat.
#   pipe: the beats on their way to its output, a bit a cycle.
#   busy, starved, blocked: cycles of each kind so far.
#   asleep: STARVED or BLOCKED while it waits, since the cycle ``since``: one of its FIFOs wakes it.
#   n0 to words: a sliding window's form. i0 to level: where it stands.
STARVED, BLOCKED = 1, 2
WINDOW_FORM = (
    *("n0", "n1", "n2", "wide", "high"),
    *("stride0", "stride1", "stride2", "jump0", "jump1", "jump2", "words"),
)
MACHINE = np.dtype(
    [
        (name, np.int64)
        for name in (
            *("kind", "first", "length", "latency", "read", "read_too", "send"),
            *("position", "pipe", "busy", "starved", "blocked", "asleep", "since"),
            *WINDOW_FORM,
            *("i0", "i1", "i2", "x", "y", "offset", "level"),
        )
    ]
)
# A FIFO of ``depth`` beats (at least 2) between two machines, -1 for the world.
#   stored: beats behind its output register. shown: whether that holds one. most: the most that it held.
#   moves: what this cycle does to it, as bits; a beat behind an empty output register moves there by itself.
PUSH, POP, RIPPLE = 1, 2, 4
FIFO = np.dtype(
    [(name, np.int64) for name in ("depth", "writer", "reader", "stored", "shown", "most", "moves")]
)


@numba.njit(cache=True, nogil=True)
def run(
    machines: Table,
    fifos: Table,
    steps: U8,
    sends: I64,
    source: int,
    sink: int,
    in_beats: int,
    out_beats: int,
    interval: int,
    frames: int,
    goal: int,
    max_cycles: int,
) -> tuple[int, I64, int]:
    """Simulate ``frames`` frames; the tables hold the state, before and after.

    Args:
        sends: (machines, k) FIFOs written, -1 for none.
        source, sink: FIFOs that the world writes and reads. in_beats, out_beats: of a frame.
        interval: cycles over which the source spreads a frame; 0 sends whenever it can.
        goal: stop when a frame after the second takes longer than this; 0 never stops.

    Returns:
        The cycle in which the first beat was taken, the cycle in which each frame was complete (-1: not
        reached), and the cycle in which nothing moved any more (-1: none).
    """
    ends = np.full(frames, -1, dtype=np.int64)
    start, sent, received, stuck, cycle = -1, 0, 0, -1, 0
    while cycle < max_cycles:
        moved = interval != 0 and sent * interval > cycle * in_beats  # the source waits for its time
        if not moved and _room(fifos[source]):
            fifos[source].moves |= PUSH
            sent += 1
        if fifos[sink].shown == 1:
            fifos[sink].moves |= POP
            received += 1
            if received % out_beats == 0:
                done = received // out_beats - 1
                ends[done] = cycle
                late = goal > 0 and done >= 2 and ends[done] - ends[done - 1] > goal
                if late or received == frames * out_beats:
                    break
        for m in range(machines.shape[0]):
            machine = machines[m]
            if machine.asleep:
                continue
            read = fifos[machine.read]
            if machine.kind == DUPLICATE:
                moved |= _duplicate(machine, read, fifos, sends[m], cycle)
                continue
            enabled = _hand_over(machine, fifos[machine.send])
            if machine.kind == WINDOW:
                moved |= _slide(machine, read, enabled, cycle)
            else:
                step = steps[machine.first + machine.position]
                moved |= _follow(machine, read, fifos[machine.read_too], step, enabled, cycle)
        if start < 0 and fifos[source].moves & POP:
            start = cycle
        for f in range(fifos.shape[0]):
            fifo = fifos[f]
            if fifo.moves == 0:
                continue
            moved = True
            if fifo.writer >= 0:
                _wake(machines[fifo.writer], cycle + 1)
            if fifo.reader >= 0:
                _wake(machines[fifo.reader], cycle + 1)
            _settle(fifo)
        cycle += 1
        if not moved:
            stuck = cycle - 1
            break
    for m in range(machines.shape[0]):
        _wake(machines[m], cycle)
    return start, ends, stuck


@numba.njit(cache=True, nogil=True)
def _room(fifo: Record) -> bool:
    """Whether a FIFO takes a beat."""
    room: bool = fifo.stored < fifo.depth - 1
    return room


@numba.njit(cache=True, nogil=True)
def _sleep(machine: Record, why: int, cycle: int) -> None:
    """Wait from the next cycle on; this one is counted already."""
    machine.asleep = why
    machine.since = cycle + 1


@numba.njit(cache=True, nogil=True)
def _wake(machine: Record, cycle: int) -> None:
    """Take part again from a cycle on; those slept through are counted."""
    if machine.asleep == STARVED:
        machine.starved += cycle - machine.since
    elif machine.asleep == BLOCKED:
        machine.blocked += cycle - machine.since
    machine.asleep = 0


@numba.njit(cache=True, nogil=True)
def _hand_over(machine: Record, send: Record) -> bool:
    """Send a finished beat on where there is room. Whether the machine may go on."""
    if (machine.pipe >> (machine.latency - 1)) & 1 == 0:
        return True
    if _room(send):
        send.moves |= PUSH
        return True
    return False


@numba.njit(cache=True, nogil=True)
def _duplicate(machine: Record, read: Record, fifos: Table, sends: I64, cycle: int) -> bool:
    """Hand a beat to each output as it has room. Whether anything moved."""
    if read.shown == 0:
        machine.starved += 1
        _sleep(machine, STARVED, cycle)
        return False
    taken, moved, complete = machine.position, False, True
    for k in range(sends.shape[0]):
        if sends[k] < 0 or (taken >> k) & 1:
            continue
        if _room(fifos[sends[k]]):
            fifos[sends[k]].moves |= PUSH
            taken |= 1 << k
            moved = True
        else:
            complete = False
    if complete:
        read.moves |= POP
        machine.busy += 1
    else:
        machine.blocked += 1
    machine.position = 0 if complete else taken
    return moved


@numba.njit(cache=True, nogil=True)
def _slide(machine: Record, read: Record, enabled: bool, cycle: int) -> bool:
    """Write to and read from a sliding window's buffer, each as it can. Whether anything moved."""
    level = machine.level
    writes = read.shown == 1 and level < machine.words
    reads = enabled and machine.offset < level
    if writes:
        read.moves |= POP
        level += 1
    if reads:
        machine.busy += 1
        level -= _advance(machine)
    elif enabled:
        machine.starved += 1
    else:
        machine.blocked += 1
    machine.level = level
    moved = writes or reads
    if not moved:
        if not enabled:
            _sleep(machine, BLOCKED, cycle)
        elif machine.pipe == 0:
            _sleep(machine, STARVED, cycle)
    if enabled:
        moved |= machine.pipe != 0
        machine.pipe = (machine.pipe << 1) & ((1 << machine.latency) - 1)
        if reads:
            machine.pipe |= 1
    return moved


@numba.njit(cache=True, nogil=True)
def _advance(machine: Record) -> int:
    """Step to the next beat of a window. How many words of the buffer are needed no more."""
    machine.i0 = _next(machine.i0, machine.n0)
    if machine.i0:
        machine.offset += machine.stride0
        return 0
    machine.i1 = _next(machine.i1, machine.n1)
    if machine.i1:
        machine.offset += machine.stride1
        return 0
    machine.i2 = _next(machine.i2, machine.n2)
    if machine.i2:
        machine.offset += machine.stride2
        return 0
    machine.offset = 0
    ahead: int = machine.jump0
    machine.x = _next(machine.x, machine.wide)
    if machine.x == 0:
        machine.y = _next(machine.y, machine.high)
        ahead = machine.jump1 if machine.y else machine.jump2
    return ahead


@numba.njit(cache=True, nogil=True)
def _next(counter: int, extent: int) -> int:
    """One more, or 0 behind the last."""
    return 0 if counter == extent - 1 else counter + 1


@numba.njit(cache=True, nogil=True)
def _follow(machine: Record, read: Record, read_too: Record, step: int, enabled: bool, cycle: int) -> bool:
    """Take the next step of a pattern if its beats are there. Whether anything moved."""
    if not enabled:
        machine.blocked += 1
        _sleep(machine, BLOCKED, cycle)
        return False
    ready = (not step & TAKE or read.shown == 1) and (not step & TAKE_SECOND or read_too.shown == 1)
    travelling = machine.pipe != 0
    machine.pipe = (machine.pipe << 1) & ((1 << machine.latency) - 1)
    if ready:
        machine.busy += 1
        if step & TAKE:
            read.moves |= POP
        if step & TAKE_SECOND:
            read_too.moves |= POP
        if step & SEND:
            machine.pipe |= 1
        machine.position = _next(machine.position, machine.length)
    else:
        machine.starved += 1
        if not travelling:
            _sleep(machine, STARVED, cycle)
    return ready or travelling


@numba.njit(cache=True, nogil=True)
def _settle(fifo: Record) -> None:
    """The end of a cycle in which something moved: pushes and pops take effect."""
    push, load = fifo.moves & PUSH, fifo.shown == 0 or fifo.moves & POP != 0
    if fifo.depth <= 2:
        # two registers: a beat goes straight to the output one
        if load:
            fifo.shown = 1 if fifo.stored == 1 or push else 0
            fifo.stored = 0
        elif push:
            fifo.stored = 1
    else:
        read_word = load and fifo.stored > 0
        fifo.stored += push - (1 if read_word else 0)
        if load:
            fifo.shown = 1 if read_word else 0
    fifo.moves = RIPPLE if fifo.stored > 0 and fifo.shown == 0 else 0
    fifo.most = max(fifo.most, fifo.stored + fifo.shown)
