"""Where a ledger is opened, and where it is refused in words."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.errors import Fatal
from gateway.ledger import Ledger, LedgerUnavailable, Query, Ready, State, attributes_digest
from gateway.ledger.packing import packed_attributes
from gateway.ledger.statements import migrations, statements
from gateway.mounts import mount_of
from gateway.stream import FileStamp

MOUNTINFO = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 27 0:40 / /mnt/share rw,relatime shared:5 - cifs //server/share rw,vers=3.0
31 27 0:41 / /mnt/with\\040blank rw - nfs4 server:/export rw
32 30 0:42 / /mnt/share/local rw - xfs /dev/vdb rw
33 27 0:43 / /mnt/ssh rw - fuse.sshfs user@host:/ rw
34 27 0:44 / /mnt/merged rw - fuse.mergerfs a:b rw
35 27 0:45 / /mnt/twice rw - ext4 /dev/vdc rw
36 35 0:46 / /mnt/twice rw - smb3 //server/other rw
37 27 0:47 / /mnt/host rw - 9p host rw
38 27 0:48 / /mnt/ntfs rw - fuseblk /dev/vdd rw
a line that is none
"""


@pytest.fixture
def mountinfo(tmp_path: Path) -> Path:
    file = tmp_path / "mountinfo"
    file.write_text(MOUNTINFO)
    return file


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("/mnt/share/ledger.db", "cifs"),
        ("/mnt/share", "cifs"),
        ("/mnt/with blank/x/ledger.db", "nfs4"),
        ("/mnt/ssh/ledger.db", "fuse.sshfs"),
        ("/mnt/twice/ledger.db", "smb3"),
        ("/mnt/host/ledger.db", "9p"),
    ],
)
def test_network_file_systems_are_refused(mountinfo: Path, place: str, kind: str) -> None:
    with pytest.raises(Fatal, match=f"network file system \\({kind}") as caught:
        Ledger.open(Path(place), mountinfo=mountinfo)
    assert "name a file on a disk of this machine" in str(caught.value)


@pytest.mark.parametrize(
    "place", ["/home/x", "/mnt/share2/x", "/mnt/share/local/x", "/mnt/merged/x", "/mnt/ntfs/x", "/mnt/sharex"]
)
def test_local_file_systems_are_not(mountinfo: Path, place: str) -> None:
    mount = mount_of(Path(place), mountinfo)
    assert mount is not None
    assert not mount.remote


def test_link_onto_a_share_is_seen_through(tmp_path: Path) -> None:
    real = tmp_path / "share"
    real.mkdir()
    (tmp_path / "link").symlink_to(real)
    info = tmp_path / "mountinfo"
    info.write_text(f"1 0 0:1 / / rw - ext4 a rw\n2 1 0:2 / {real.resolve()} rw - nfs s:/ rw\n")
    with pytest.raises(Fatal, match="network file system"):
        Ledger.open(tmp_path / "link" / "ledger.db", mountinfo=info)


def test_system_that_does_not_tell_its_mounts_is_believed(tmp_path: Path) -> None:
    Ledger.open(tmp_path / "ledger.db", mountinfo=tmp_path / "no").close()


def test_this_machine_tells_its_mounts(tmp_path: Path) -> None:
    mount = mount_of(tmp_path)
    assert mount is None or tmp_path.resolve().is_relative_to(mount.point)


def test_ledger_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with Ledger.open(path) as ledger:
        ledger.files.see("in", [("a", FileStamp(1, 1, 1))], ["archive"])
        for file in tmp_path.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="the folder of the ledger"):
        Ledger.open(tmp_path / "no" / "ledger.db")


def test_missing_ledger_is_not_made_to_be_read(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="no ledger at"):
        Ledger.open(tmp_path / "ledger.db", read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_file_that_is_no_ledger_is_left_alone(tmp_path: Path) -> None:
    text = tmp_path / "text.db"
    text.write_bytes(b"This is a text of some length that is certainly not a database." * 100)
    with pytest.raises(Fatal, match="not a ledger"):
        Ledger.open(text)
    assert text.read_bytes().startswith(b"This")
    other = tmp_path / "other.db"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    with pytest.raises(Fatal, match="not a ledger"):
        Ledger.open(other)
    connection = sqlite3.connect(other)
    assert [row[0] for row in connection.execute("SELECT name FROM sqlite_master")] == ["theirs"]
    assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "delete"
    connection.close()


def test_damaged_ledger_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    Ledger.open(path).close()
    data = bytearray(path.read_bytes())
    data[4096:] = os.urandom(len(data) - 4096)
    path.write_bytes(data)
    with pytest.raises(Fatal, match="damaged"), Ledger.open(path) as ledger:
        ledger.files.see("in", [("a", FileStamp(1, 1, 1))], ["archive"])


def test_ledger_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    Ledger.open(path).close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {len(migrations()) + 1}")
    connection.close()
    for read_only in (False, True):
        with pytest.raises(Fatal, match="use the newer program"):
            Ledger.open(path, read_only=read_only)


def test_ledger_of_an_older_version_is_not_read_as_if_it_were_new(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    Ledger.open(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 0")
    connection.close()
    with pytest.raises(Fatal, match="open it once for writing"):
        Ledger.open(path, read_only=True)


def test_ledger_of_version_1_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    Ledger.open(path).close()
    fresh = schema(path)
    path.unlink()
    stored, wanted = {"StudyDescription": "Foot"}, {"StudyDescription": "Hand"}
    connection = sqlite3.connect(path)
    for statement in migrations()[0]:
        connection.execute(statement)
    connection.execute("PRAGMA application_id = 0x53544F57")
    connection.execute("PRAGMA user_version = 1")
    connection.execute("INSERT INTO folders VALUES (1, 'in')")
    connection.execute("INSERT INTO destinations VALUES (1, 'archive')")
    connection.execute(
        "INSERT INTO files (folder, path, destination, state, back, since, size, modified_ns, inode, seen_at,"
        " attributes_digest) VALUES (1, CAST('a.jpg' AS BLOB), 1, 'changed', 'stored', 1, 1, 1, 1, 1, ?)",
        [attributes_digest(stored)],
    )
    connection.execute(
        "INSERT INTO details (file, attributes, wanted) VALUES (1, ?, ?)",
        [packed_attributes(stored), packed_attributes(wanted)],
    )
    connection.commit()
    connection.close()

    with pytest.raises(Fatal, match="has version 1, and 2 is wanted: open it once for writing"):
        Ledger.open(path, read_only=True)
    with Ledger.open(path) as ledger:
        assert ledger.decisions.dismiss(Query(), "anna", "no") == 1  # it became changed before the migration
        assert ledger.outcomes.compare(1, wanted, "x") == ()
        assert [each.state for each in ledger.reports.page()] == [State.STORED]
        assert ledger.reports.events()[-1].text == "no (StudyDescription)"
    assert schema(path) == fresh


def schema(path: Path) -> list[tuple[str, ...]]:
    """The version and all tables, indexes and triggers."""
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY name").fetchall()
    found += connection.execute("PRAGMA user_version").fetchall()
    connection.close()
    return found


def test_reader_sees_what_is_there_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with Ledger.open(path) as writer, Ledger.open(path, read_only=True) as reader:
        writer.files.see("in", [("a", FileStamp(1, 1, 1))], ["archive"])
        assert [each.path for each in reader.reports.page()] == ["a"]
        assert reader.uid_namespace == writer.uid_namespace
        with pytest.raises(LedgerUnavailable, match="cannot be written"):
            reader.decisions.retry(Query(), "me") or reader.files.ready([Ready(1)])


@pytest.fixture
def foreign_folder() -> Iterator[Path]:
    """A folder that can be read and not written, also when the tests run as root."""
    folder = Path(tempfile.mkdtemp())
    statements()  # read while everything may be read
    migrations()
    root = os.geteuid() == 0
    yield folder
    if root:
        os.seteuid(0)
    folder.chmod(0o700)
    shutil.rmtree(folder)


def _lock(folder: Path) -> None:
    for file in folder.iterdir():
        file.chmod(0o644)
    folder.chmod(0o555)
    if os.geteuid() == 0:
        os.seteuid(65534)


def test_folder_that_cannot_be_written_is_refused(foreign_folder: Path) -> None:
    _lock(foreign_folder)
    with pytest.raises(Fatal, match="its folder cannot"):
        Ledger.open(foreign_folder / "ledger.db")


def test_ledger_in_such_a_folder_can_be_read(foreign_folder: Path) -> None:
    path = foreign_folder / "ledger.db"
    with Ledger.open(path) as ledger:
        ledger.files.see("in", [("a", FileStamp(1, 1, 1))], ["archive"])
    _lock(foreign_folder)
    with Ledger.open(path, read_only=True) as ledger:
        assert [each.path for each in ledger.reports.page()] == ["a"]


def test_namespace_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with Ledger.open(path) as ledger:
        made = ledger.uid_namespace
    with Ledger.open(path) as ledger:
        assert ledger.uid_namespace == made
    with Ledger.open(path, uid_namespace=made) as ledger:
        assert ledger.uid_namespace == made
    with Ledger.open(tmp_path / "other.db") as ledger:
        assert ledger.uid_namespace != made


def test_namespace_given_is_kept_and_no_other_taken(tmp_path: Path) -> None:
    mine, other = uuid.uuid4(), uuid.uuid4()
    path = tmp_path / "ledger.db"
    with Ledger.open(path, uid_namespace=mine) as ledger:
        assert ledger.uid_namespace == mine
    with pytest.raises(Fatal, match=str(mine)):
        Ledger.open(path, uid_namespace=other)


def test_names_with_odd_characters_are_files(tmp_path: Path) -> None:
    path = tmp_path / "led?ger%20#1 ä.db"
    Ledger.open(path).close()
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
