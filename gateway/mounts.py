"""What file system a path is on, as the kernel says (proc(5), mountinfo)."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")

_REMOTE = frozenset(
    {
        "9p", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "fhgfs", "glusterfs", "gpfs", "lustre",
        "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "prl_fs", "pvfs2", "smb2", "smb3", "smbfs", "vboxsf",
        "virtiofs", "vmhgfs",
    }
)  # fmt: skip
_LOCAL_FUSE = frozenset({"bindfs", "ext4", "exfat", "mergerfs", "ntfs", "ntfs-3g", "overlayfs", "zfs"})
"""What of FUSE is known to be of this machine; all else of it (sshfs, s3fs, rclone) is taken as remote."""

_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """A mounted file system: where, of which type (`ext4`, `cifs`, `fuse.sshfs`), and from what."""

    point: str
    type: str
    source: str

    @property
    def remote(self) -> bool:
        """Whether other machines write to it: no events come from them, and locks may not hold."""
        if self.type.startswith("fuse."):
            return self.type.removeprefix("fuse.") not in _LOCAL_FUSE
        return self.type in _REMOTE


def mount_of(path: Path, mountinfo: Path = MOUNTS) -> Mount | None:
    """The mount that a path is on, the last one where several cover each other; None where nobody knows.

    `mountinfo` has the form of proc(5), `/proc/pid/mountinfo`; there is none on other systems than Linux.
    """
    where = os.path.realpath(path)
    found: Mount | None = None
    for mount in all_mounts(mountinfo):
        if _is_inside(where, mount.point) and (found is None or len(mount.point) >= len(found.point)):
            found = mount
    return found


def mounts_at(path: Path, mountinfo: Path = MOUNTS) -> frozenset[Mount]:
    """The mount that a path is on, and those below it; none where nobody knows."""
    on, where = mount_of(path, mountinfo), os.path.realpath(path)
    below = (each for each in all_mounts(mountinfo) if each.point != where and _is_inside(each.point, where))
    return frozenset((on, *below)) if on else frozenset()


def all_mounts(mountinfo: Path = MOUNTS) -> tuple[Mount, ...]:
    """All mounts in the order in which they were made; none where nobody knows."""
    try:
        return _mounts(mountinfo.read_text("utf-8", "surrogateescape"))
    except OSError:
        return ()


def _is_inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


@lru_cache(maxsize=4)
def _mounts(table: str) -> tuple[Mount, ...]:
    mounts = []
    for line in table.splitlines():
        front, _, back = line.partition(" - ")
        fields, rest = front.split(" "), back.split(" ")
        if len(fields) > 4 and len(rest) > 1:
            mounts.append(Mount(_plain(fields[4]), rest[0], _plain(rest[1])))
    return tuple(mounts)


def _plain(text: str) -> str:
    """The text without the escapes of blanks and backslashes."""
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), text)
