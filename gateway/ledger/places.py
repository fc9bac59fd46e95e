"""Where a ledger may be: on a disk of this machine.

SQLite's locks and its shared memory do not work between machines; on a network file system a ledger
would be damaged sooner or later, and silently.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import Fatal

MOUNTS = Path("/proc/self/mountinfo")

_NETWORK = frozenset({
    "9p", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "fhgfs", "glusterfs", "gpfs", "lustre", "ncpfs",
    "nfs", "nfs4", "ocfs2", "orangefs", "pvfs2", "smb2", "smb3", "smbfs", "vboxsf", "vmhgfs",
})  # fmt: skip
_LOCAL_FUSE = frozenset({"bindfs", "ext4", "exfat", "mergerfs", "ntfs", "ntfs-3g", "overlayfs", "zfs"})
"""What of FUSE is known to be of this machine; all else of it (sshfs, s3fs, rclone) is taken as remote."""
_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """A mounted file system: where, of which type (`ext4`, `cifs`, `fuse.sshfs`), and from what."""

    point: Path
    type: str
    source: str

    @property
    def is_network(self) -> bool:
        """Whether other machines may change what is in it."""
        if self.type.startswith("fuse."):
            return self.type.removeprefix("fuse.") not in _LOCAL_FUSE
        return self.type in _NETWORK


def mount_of(path: Path, mountinfo: Path = MOUNTS) -> Mount | None:
    """The file system that a path is in; None where the system does not tell (it is not Linux).

    `mountinfo` has the form of proc(5), `/proc/pid/mountinfo`.
    """
    try:
        text = mountinfo.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None
    place = Path(os.path.realpath(path))
    found = None
    for mount in map(_mount, text.splitlines()):  # of several at one point the last one is on top
        inside = mount and place.is_relative_to(mount.point)
        if mount and inside and (found is None or len(mount.point.parts) >= len(found.point.parts)):
            found = mount
    return found


def refuse_network(path: Path, mountinfo: Path = MOUNTS) -> None:
    """Raises `Fatal` when the path is on a network file system."""
    mount = mount_of(path, mountinfo)
    if mount and mount.is_network:
        raise Fatal(
            f"the ledger {path} would be on a network file system ({mount.type}, {mount.source} at "
            f"{mount.point}), where it cannot be kept safely: name a file on a disk of this machine"
        )


def _mount(line: str) -> Mount | None:
    left, separator, right = line.partition(" - ")
    fields, rest = left.split(" "), right.split(" ")
    if not separator or len(fields) < 5 or len(rest) < 2:
        return None
    return Mount(Path(_plain(fields[4])), rest[0], _plain(rest[1]))


def _plain(text: str) -> str:
    """The text without the escapes of blanks and backslashes."""
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), text)
