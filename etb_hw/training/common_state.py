"""Where a run goes on from, when several processes train it: all of them begin with the first one's state."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from etb_hw.evolution.team import Team
from etb_hw.files import write_bytes
from etb_hw.training.distributed import check_alike, handed_out
from etb_hw.training.state import Snapshot, load_snapshot, save_snapshot


def common_snapshot(path: Path | None, keys: Sequence[str], team: Team) -> Snapshot | None:
    """The snapshot at ``path`` as the first process sees it; None where it finds none of this run.

    Args:
        path: read by the first process only, so that others need not see its folder. None: nothing is kept.
        keys: see ``state.key_of``, each good to go on from; they must be the same in all processes.

    Raises BadInput where they are not, or where there are only damaged snapshots.
    """
    check_alike(team, " ".join(keys))
    snapshot = load_snapshot(path, keys) if path is not None and team.leads else None
    if team.ranks == 1:
        return snapshot
    with TemporaryDirectory(prefix="etb-hw-") as folder:
        copy = Path(folder) / "state"
        if snapshot is not None:
            save_snapshot(copy, snapshot)
        content = handed_out(team, copy.read_bytes() if snapshot is not None else None)
        if content is None or team.leads:
            return snapshot
        write_bytes(copy, content)
        return load_snapshot(copy, keys)
