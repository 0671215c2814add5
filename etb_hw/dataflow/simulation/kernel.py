"""The inner loop: all machines and FIFOs, cycle by cycle.

Every signal between blocks passes a FIFO whose ready and valid come from registers, so blocks may be
evaluated in any order within a cycle; pushes and pops take effect at its end.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

I64 = NDArray[np.int64]


@numba.njit(cache=True, nogil=True)
def run(
    kind: I64,
    steps: NDArray[np.uint8],
    first: I64,
    length: I64,
    latency: I64,
    window: I64,
    reads: I64,
    sends: I64,
    depth: I64,
    source: int,
    sink: int,
    in_beats: int,
    out_beats: int,
    interval: int,
    frames: int,
    goal: int,
    max_cycles: int,
) -> tuple[int, I64, I64, I64, I64, I64, int]:
    """Simulate ``frames`` frames.

    Args:
        kind, first, length, latency, window: of each machine; its pattern is steps[first:first+length].
        reads: (machines, 2) FIFOs read, -1 for none. sends: (machines, k) FIFOs written.
        depth: beats of each FIFO, at least 2.
        source, sink: FIFOs that the world writes and reads.
        in_beats, out_beats: of a frame.
        interval: cycles over which the source spreads a frame; 0 sends whenever it can.
        goal: stop when a frame after the second takes longer than this; 0 never stops.

    Returns:
        The cycle in which the first beat was taken, the cycle in which each frame was complete (-1: not
        reached), the busy, starved and blocked cycles of each machine, the most beats that each FIFO held,
        and the cycle in which nothing moved any more (-1: none).
    """
    machines, fifos = kind.shape[0], depth.shape[0]
    position = np.zeros(machines, dtype=np.int64)
    pipe = np.zeros(machines, dtype=np.int64)
    state = np.zeros((machines, 7), dtype=np.int64)  # window: i0, i1, i2, ox, oy, offset, level
    busy = np.zeros(machines, dtype=np.int64)
    starved = np.zeros(machines, dtype=np.int64)
    blocked = np.zeros(machines, dtype=np.int64)
    stored = np.zeros(fifos, dtype=np.int64)  # beats behind the output register
    shown = np.zeros(fifos, dtype=np.int64)  # whether the output register holds one
    most = np.zeros(fifos, dtype=np.int64)
    # a machine that waits is looked at again when one of its FIFOs changes: 1 starved, 2 blocked
    asleep = np.zeros(machines, dtype=np.int64)
    writer = np.full(fifos, -1, dtype=np.int64)
    reader = np.full(fifos, -1, dtype=np.int64)
    for m in range(machines):
        for k in range(2):
            if reads[m, k] >= 0:
                reader[reads[m, k]] = m
        for k in range(sends.shape[1]):
            if sends[m, k] >= 0:
                writer[sends[m, k]] = m
    push = np.zeros(fifos, dtype=np.int64)
    pop = np.zeros(fifos, dtype=np.int64)
    ends = np.full(frames, -1, dtype=np.int64)
    sent = 0
    start = -1
    received = 0
    for cycle in range(max_cycles):
        moved = False
        # the world
        allowed = interval == 0 or sent * interval <= cycle * in_beats
        if not allowed:
            moved = True
        elif stored[source] < depth[source] - 1:
            push[source] = 1
            sent += 1
        if shown[sink] == 1:
            pop[sink] = 1
            received += 1
            if received % out_beats == 0:
                ends[received // out_beats - 1] = cycle
                done = received // out_beats - 1
                if goal > 0 and done >= 2 and ends[done] - ends[done - 1] > goal:
                    return start, ends, busy, starved, blocked, most, -1
                if received == frames * out_beats:
                    return start, ends, busy, starved, blocked, most, -1
        for m in range(machines):
            if asleep[m] != 0:
                if asleep[m] == 1:
                    starved[m] += 1
                else:
                    blocked[m] += 1
                continue
            a = reads[m, 0]
            if kind[m] == 2:
                if shown[a] == 0:
                    starved[m] += 1
                    asleep[m] = 1
                    continue
                # position holds a bit for each output that has this beat already
                taken = position[m]
                complete = True
                for k in range(sends.shape[1]):
                    f = sends[m, k]
                    if f < 0 or (taken >> k) & 1:
                        continue
                    if stored[f] < depth[f] - 1:
                        push[f] = 1
                        taken |= 1 << k
                        moved = True
                    else:
                        complete = False
                if complete:
                    pop[a] = 1
                    position[m] = 0
                    busy[m] += 1
                else:
                    position[m] = taken
                    blocked[m] += 1
                continue
            out = sends[m, 0]
            waiting = (pipe[m] >> (latency[m] - 1)) & 1
            if waiting == 1 and stored[out] < depth[out] - 1:
                push[out] = 1
                waiting = 0
            enabled = waiting == 0
            if kind[m] == 1:
                level = state[m, 6]
                write = shown[a] == 1 and level < window[m, 11]
                read = enabled and state[m, 5] < level
                if write:
                    pop[a] = 1
                    level += 1
                if read:
                    busy[m] += 1
                    n0, n1, n2 = window[m, 0], window[m, 1], window[m, 2]
                    end0 = state[m, 0] == n0 - 1
                    end1 = state[m, 1] == n1 - 1
                    end2 = state[m, 2] == n2 - 1
                    state[m, 0] = 0 if end0 else state[m, 0] + 1
                    if end0:
                        state[m, 1] = 0 if end1 else state[m, 1] + 1
                        if end1:
                            state[m, 2] = 0 if end2 else state[m, 2] + 1
                    if end0 and end1 and end2:
                        end_x = state[m, 3] == window[m, 3] - 1
                        end_y = state[m, 4] == window[m, 4] - 1
                        ahead = window[m, 8]
                        if end_x:
                            ahead = window[m, 10] if end_y else window[m, 9]
                            state[m, 4] = 0 if end_y else state[m, 4] + 1
                        state[m, 3] = 0 if end_x else state[m, 3] + 1
                        state[m, 5] = 0
                        level -= ahead
                    else:
                        state[m, 5] += (
                            window[m, 7] if end0 and end1 else window[m, 6] if end0 else window[m, 5]
                        )
                elif not enabled:
                    blocked[m] += 1
                else:
                    starved[m] += 1
                state[m, 6] = level
                if write or read:
                    moved = True
                elif not enabled:
                    asleep[m] = 2
                elif pipe[m] == 0:
                    asleep[m] = 1
                if enabled:
                    if pipe[m] != 0:
                        moved = True
                    pipe[m] = 1 if read else 0
                continue
            if not enabled:
                blocked[m] += 1
                asleep[m] = 2
                continue
            action = steps[first[m] + position[m]]
            ready = True
            if action & 1:
                ready = shown[a] == 1 and (reads[m, 1] < 0 or shown[reads[m, 1]] == 1)
            travelling = pipe[m] != 0
            if travelling:
                moved = True
            pipe[m] = (pipe[m] << 1) & ((1 << latency[m]) - 1)
            if ready:
                moved = True
                busy[m] += 1
                if action & 1:
                    pop[a] = 1
                    if reads[m, 1] >= 0:
                        pop[reads[m, 1]] = 1
                if action & 2:
                    pipe[m] |= 1
                position[m] = 0 if position[m] == length[m] - 1 else position[m] + 1
            else:
                starved[m] += 1
                if not travelling:
                    asleep[m] = 1
        if start < 0 and pop[source] == 1:
            start = cycle
        for f in range(fifos):
            if push[f] == 0 and pop[f] == 0 and (stored[f] == 0 or shown[f] == 1):
                continue
            if writer[f] >= 0:
                asleep[writer[f]] = 0
            if reader[f] >= 0:
                asleep[reader[f]] = 0
            load = shown[f] == 0 or pop[f] == 1
            if depth[f] <= 2:
                # two registers: a beat goes straight to the output one
                if load:
                    shown[f] = 1 if stored[f] == 1 or push[f] == 1 else 0
                    stored[f] = 0
                elif push[f] == 1:
                    stored[f] = 1
            else:
                read_word = load and stored[f] > 0
                stored[f] += push[f] - (1 if read_word else 0)
                if load:
                    shown[f] = 1 if read_word else 0
            if push[f] or pop[f]:
                moved = True
            push[f] = 0
            pop[f] = 0
            if stored[f] + shown[f] > most[f]:
                most[f] = stored[f] + shown[f]
        if not moved:
            # a beat on its way through a deep FIFO still moves by itself
            quiet = True
            for f in range(fifos):
                if stored[f] > 0 and shown[f] == 0:
                    quiet = False
            if quiet:
                return start, ends, busy, starved, blocked, most, cycle
    return start, ends, busy, starved, blocked, most, -1
