"""ZIP archives: what is in them, and what must not come out of them."""

from __future__ import annotations

import io
import stat
import struct
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import examples
from gateway.convert import unpack
from gateway.convert.workshop import Workshop
from gateway.errors import GatewayError, Reject
from gateway.model import Source


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workshop]:
    with Workshop(tmp_path / "shop") as made:
        yield made


def packed(
    path: Path, *members: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED
) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for member in members:
            archive.writestr(*member)
    return path


def taken(path: Path, shop: Workshop, only: str | None = None) -> tuple[dict[str, Source], list[str]]:
    complaints: list[str] = []
    source = Source(path, path.parent)
    found = list(unpack.members(source, shop, lambda _path, reason: complaints.append(reason), only))
    return {each.relative: each for each in found}, complaints


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_members_come_in_natural_order_under_their_own_names(
    tmp_path: Path, shop: Workshop, method: int
) -> None:
    names = ("img10.dcm", "img2.dcm", "a/b/c.dcm", "win\\dows.dcm", "./d.dcm")
    path = packed(tmp_path / "x.zip", *((name, name.encode() * 1000) for name in names), method=method)
    found, complaints = taken(path, shop)
    assert complaints == []
    assert list(found) == [
        f"x.zip!/{name}" for name in ("a/b/c.dcm", "d.dcm", "img2.dcm", "img10.dcm", "win/dows.dcm")
    ]
    source = found["x.zip!/a/b/c.dcm"]
    assert (source.name, source.folder, source.root) == ("c.dcm", "x.zip!/a/b", tmp_path)
    assert source.shown == tmp_path / "x.zip!" / "a/b/c.dcm"
    assert source.path.parent == shop.folder
    assert source.path.read_bytes() == b"a/b/c.dcm" * 1000
    assert source.as_shown(f"{source.path} is bad") == f"{tmp_path}/x.zip!/a/b/c.dcm is bad"


def test_litter_and_folders_are_passed_over(tmp_path: Path, shop: Workshop) -> None:
    names = ("__MACOSX/a.dcm", ".DS_Store", "b/", "b/Thumbs.db", "b/c.dcm")
    assert list(taken(packed(tmp_path / "x.zip", *((each, b"x") for each in names)), shop)[0]) == [
        "x.zip!/b/c.dcm"
    ]


def test_one_member_is_taken_by_its_name(tmp_path: Path, shop: Workshop) -> None:
    path = packed(tmp_path / "x.zip", ("a/b.dcm", b"1"), ("c.dcm", b"2"))
    assert unpack.split(tmp_path / "x.zip!" / "a" / "b.dcm") == (path, "a/b.dcm")
    assert unpack.split(tmp_path / "x.zip!") is None
    assert unpack.split(tmp_path / "y.zip!" / "a") is None
    assert list(taken(path, shop, "a/b.dcm")[0]) == ["x.zip!/a/b.dcm"]
    with pytest.raises(Reject, match=r"x\.zip has no member d\.dcm"):
        taken(path, shop, "d.dcm")


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/etc/evil", "C:/evil", "C:\\evil", "..\\evil"])
def test_names_that_lead_out_are_refused(tmp_path: Path, shop: Workshop, name: str) -> None:
    found, complaints = taken(packed(tmp_path / "x.zip", (name, b"x"), ("good", b"x")), shop)
    assert list(found) == ["x.zip!/good"]
    assert "leads out of its archive" in complaints[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shop", "x.zip"]


def test_links_and_encrypted_members_are_refused(tmp_path: Path, shop: Workshop) -> None:
    link = zipfile.ZipInfo("link")
    link.create_system = 3
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    path = packed(tmp_path / "x.zip", (link, b"/etc/passwd"), ("secret", b"x" * 20))
    data = bytearray(path.read_bytes())
    for magic, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.rindex(magic) + offset] |= 1
    found, complaints = taken(examples.write(path, bytes(data)), shop)
    assert found == {}
    assert "link or device" in complaints[0]
    assert "is encrypted" in complaints[1]


def test_unknown_compression_is_named(tmp_path: Path, shop: Workshop) -> None:
    data = bytearray(packed(tmp_path / "x.zip", ("a", b"x" * 100)).read_bytes())
    for magic, offset in ((b"PK\3\4", 8), (b"PK\1\2", 10)):
        struct.pack_into("<H", data, data.index(magic) + offset, 98)
    assert "not known here (98)" in taken(examples.write(tmp_path / "x.zip", bytes(data)), shop)[1][0]


def test_a_damaged_member_in_bzip2_is_its_own_fault(tmp_path: Path, shop: Workshop) -> None:
    path = packed(tmp_path / "x.zip", ("a", bytes(range(256)) * 50), method=zipfile.ZIP_BZIP2)
    data = bytearray(path.read_bytes())
    data[60:64] = b"\xff\0\xff\0"
    found, complaints = taken(examples.write(path, bytes(data)), shop)
    assert found == {}
    assert "x.zip!/a is damaged" in complaints[0]


def test_a_member_that_is_damaged_leaves_the_others(tmp_path: Path, shop: Workshop) -> None:
    path = packed(tmp_path / "x.zip", ("a", b"first" * 50), ("b", b"second"), method=zipfile.ZIP_STORED)
    examples.write(path, path.read_bytes().replace(b"firstfirst", b"FIRSTfirst", 1))
    found, complaints = taken(path, shop)
    assert list(found) == ["x.zip!/b"]
    assert "x.zip!/a is damaged" in complaints[0]


def test_bombs_are_refused_by_what_they_say_and_by_what_they_are(
    tmp_path: Path, shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = packed(tmp_path / "x.zip", *((f"{number}", bytes(4 << 20)) for number in range(3)))
    monkeypatch.setattr(unpack, "_SMALL", 1 << 20)
    with pytest.raises(Reject, match="would have 12,582,912 bytes unpacked"):
        taken(path, shop)
    data = path.read_bytes().replace(struct.pack("<L", 4 << 20), struct.pack("<L", 4096))
    found, complaints = taken(examples.write(path, data), shop)
    assert found == {}
    assert len(complaints) == 3
    assert sum(each.stat().st_size for each in shop.folder.iterdir()) == 0
    monkeypatch.setattr(unpack, "MOST_MEMBERS", 2)
    with pytest.raises(Reject, match="has 3 members, and at most 2"):
        taken(path, shop)


def test_the_directory_is_bounded_before_it_is_read(tmp_path: Path, shop: Workshop) -> None:
    data = bytearray(packed(tmp_path / "x.zip", ("a", b"x")).read_bytes())
    end = data.rindex(b"PK\5\6")
    struct.pack_into("<L", data, end + 12, 0x7FFFFFFF)
    with pytest.raises(Reject, match="cannot be that large"):
        taken(examples.write(tmp_path / "x.zip", bytes(data)), shop)
    for part in (data[:end], data[: end + 10], b"PK\3\4"):
        with pytest.raises(Reject, match="has no directory"):
            taken(examples.write(tmp_path / "x.zip", bytes(part)), shop)
    with pytest.raises(Reject, match="without files in it"):
        taken(packed(tmp_path / "x.zip"), shop)


def test_an_archive_of_the_large_kind_is_read(tmp_path: Path, shop: Workshop) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive, archive.open("a", "w", force_zip64=True) as member:
        member.write(b"large")
    data = path.read_bytes()
    end = data.rindex(b"PK\5\6")
    length, start = struct.unpack_from("<LL", data, end + 12)
    large = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, length, start)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, end, 1)
    record = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    examples.write(path, data[:end] + large + locator + record)
    assert list(taken(path, shop)[0]) == ["x.zip!/a"]
    wrong = large[:40] + struct.pack("<Q", 1 << 40) + large[48:]
    with pytest.raises(Reject, match="cannot be that large"):
        taken(examples.write(path, data[:end] + wrong + locator + record), shop)


def _small() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/b.dcm", b"one" * 50)
        archive.writestr("c.dcm", b"two" * 50)
    return file.getvalue()


SMALL = _small()


@settings(deadline=None)
@given(st.data())
def test_no_change_of_an_archive_breaks_the_unpacking(data: st.DataObject) -> None:
    changed = bytearray(SMALL)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(SMALL) - 1))] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as folder:
        path = examples.write(Path(folder) / "x.zip", bytes(changed))
        with Workshop(Path(folder) / "shop") as shop:
            try:
                found, _ = taken(path, shop)
            except GatewayError:
                return
            assert all(each.path.parent == shop.folder for each in found.values())
