"""What file system a path is on, as the kernel says (proc(5), mountinfo)."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

TABLE = Path("/proc/self/mountinfo")

REMOTE = frozenset(
    {
        "nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre",
        "fuse.sshfs", "fuse.s3fs", "fuse.rclone", "fuse.glusterfs", "fuse.davfs", "davfs", "ncpfs",
        "virtiofs", "vboxsf", "prl_fs", "fuse.vmhgfs-fuse", "vmhgfs",
    }
)  # fmt: skip
"""File systems that other machines write to: no events come from them, and locks may not hold."""

_ESCAPE = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """A mounted file system: where, of which type, and what is mounted."""

    point: str
    type: str
    source: str

    @property
    def remote(self) -> bool:
        """Whether it is on another machine, or shared with one."""
        return self.type in REMOTE


def mount_of(path: Path, table: str | None = None) -> Mount | None:
    """The mount that a path is on, the last one where several cover each other; None where nobody knows.

    `table` is the text of a mountinfo file in place of the kernel's.
    """
    if table is None:
        try:
            table = TABLE.read_text("utf-8", "surrogateescape")
        except OSError:  # another system than Linux
            return None
    where = os.path.realpath(path)
    found: Mount | None = None
    for mount in _mounts(table):
        inside = where == mount.point or where.startswith(mount.point.rstrip("/") + "/")
        if inside and (found is None or len(mount.point) >= len(found.point)):
            found = mount
    return found


@lru_cache(maxsize=4)
def _mounts(table: str) -> tuple[Mount, ...]:
    """All mounts in the order in which they were made."""
    mounts = []
    for line in table.splitlines():
        front, _, back = line.partition(" - ")
        fields, rest = front.split(" "), back.split(" ")
        if len(fields) > 4 and len(rest) > 1:
            mounts.append(Mount(_unescaped(fields[4]), rest[0], _unescaped(rest[1])))
    return tuple(mounts)


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)), text)
