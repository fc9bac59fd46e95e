"""Where a ledger may be: on a disk of this machine.

SQLite's locks and its shared memory do not work between machines; on a network file system a ledger
would be damaged sooner or later, and silently.
"""

from __future__ import annotations

from pathlib import Path

from gateway.errors import Fatal
from gateway.mounts import MOUNTS, mount_of


def refuse_network(path: Path, mountinfo: Path = MOUNTS) -> None:
    """Raises `Fatal` when the path is on a network file system."""
    mount = mount_of(path, mountinfo)
    if mount and mount.remote:
        raise Fatal(
            f"the ledger {path} would be on a network file system ({mount.type}, {mount.source} at "
            f"{mount.point}), where it cannot be kept safely: name a file on a disk of this machine"
        )
