"""STL, OBJ and MTL models: what they say of themselves, and what is not whole."""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import examples
from gateway.config import Reading
from gateway.errors import GatewayError, Reject
from gateway.formats import mtl, obj, probe, stl
from gateway.model import Probe, Source


def look(folder: Path, data: bytes, name: str = "model") -> Probe:
    path = examples.write(folder / name, data)
    return probe(Source(path, folder), Reading())


def refusal(folder: Path, data: bytes) -> str:
    with pytest.raises(Reject) as caught:
        look(folder, data)
    return str(caught.value)


# --- STL ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("facets", [1, 2, 81, 5000])
def test_binary_and_ascii_say_the_same(tmp_path: Path, facets: int) -> None:
    for data, title in (
        (examples.stl(facets), "Exported by a test"),
        (examples.stl(facets, b"solid Exported"), "Exported"),
        (examples.ascii_stl(facets), "part"),
        (examples.ascii_stl(facets, end="\r\n"), "part"),
        (examples.ascii_stl(facets).upper(), "PART"),
        (b"\xef\xbb\xbf\n" + examples.ascii_stl(facets), "part"),
    ):
        found = look(tmp_path, data)
        assert (found.format, found.media_type, found.captured) == ("stl", "model/stl", None)
        assert found.content.read() == data
        assert found.facts["model"] == {
            "title": title,
            "triangles": facets,
            "vertices": 3 * facets,
            "bounds": (0.0, 0.0, 0.0, float(facets), 1.5, 0.25),
        }


@pytest.mark.parametrize(
    ("header", "title"),
    [
        (b"", None),
        (b"solid", None),
        (b"VCG COLOR=\x80\x80\x80\xff,MATERIAL=\1\2", "VCG"),
        (b"a\x01b\xffc", "a b c"),
        (b"solid facet normal\n facet normal 0 0 1\n", "facet normal facet normal 0 0 1"),
    ],
)
def test_binary_headers_may_hold_anything(tmp_path: Path, header: bytes, title: str | None) -> None:
    assert look(tmp_path, examples.stl(header=header)).facts["model"]["title"] == title


def test_binary_models_are_as_long_as_they_say(tmp_path: Path) -> None:
    for facets in (3, 500):
        data = examples.stl(facets)
        assert f"{len(data):,} bytes, and this one" in refusal(tmp_path, data[:-1])
        assert "is not whole" in refusal(tmp_path, data[:-1])
        assert "is damaged" in refusal(tmp_path, data + b"\0")


def test_binary_corners_are_places(tmp_path: Path) -> None:
    data = bytearray(examples.stl(500))
    struct.pack_into("<f", data, 84 + 50 * 400 + 12, float("nan"))
    assert "no place in space" in refusal(tmp_path, bytes(data))


def test_normals_may_be_left_out(tmp_path: Path) -> None:
    data = bytearray(examples.stl(10))
    for number in range(10):
        struct.pack_into("<3f", data, 84 + 50 * number, 0, 0, 0)
    assert look(tmp_path, bytes(data)).facts["model"]["triangles"] == 10


def test_other_bytes_are_no_facets(tmp_path: Path) -> None:
    header = bytes(80) + struct.pack("<I", 100)
    for filler in (bytes(5000), b"\x01" * 5000, b" " * 5000, b"\xff" * 5000, bytes(range(256)) * 20):
        assert not stl.sniff((header + filler)[:4096])


def test_several_solids_count_together(tmp_path: Path) -> None:
    found = look(tmp_path, examples.ascii_stl(3, "one") + examples.ascii_stl(4, "two"))
    assert (found.facts["model"]["title"], found.facts["model"]["triangles"]) == ("one", 7)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data[: data.rindex(b"endsolid")], "does not end with 'endsolid'"),
        (lambda data: data.replace(b"vertex", b"vortex"), "lines that an STL model has not"),
        (lambda data: data.replace(b"vertex 1.0", b"vertex x.0"), "no place in space"),
        (lambda data: data.replace(b"vertex 1.000000e+00", b"vertex 1e999"), "no place in space"),
        (lambda data: data.replace(b"endloop", b"end\0oop"), "has no byte 00"),
        (lambda data: b"solid x\n endsolid x\n", "without a single facet"),
        (lambda data: data + b"x" * (3 << 20), "a line of more than"),
    ],
)
def test_damaged_text(tmp_path: Path, change, words: str) -> None:
    assert words in refusal(tmp_path, change(examples.ascii_stl()))


# --- OBJ and MTL --------------------------------------------------------------------------------------


def test_an_obj_model_and_what_it_names(tmp_path: Path) -> None:
    examples.write(tmp_path / "skull.mtl", examples.mtl("-s 1 1 1 -bm 0.5 bone scan.jpg"))
    data = examples.obj(40)
    found = look(tmp_path, data, "skull.obj")
    assert (found.format, found.media_type, found.captured, found.messages) == ("obj", "model/obj", None, ())
    assert found.content.read() == data
    assert found.facts["model"] == {
        "title": "Skull",
        "triangles": 40,
        "vertices": 120,
        "bounds": (0.0, 0.0, 0.0, 40.0, 1.5, 0.25),
        "mtllib": ("skull.mtl",),
        "textures": ("bone scan.jpg",),
    }


def test_polygons_and_continued_lines(tmp_path: Path) -> None:
    for end in ("\n", "\r\n", "\r"):
        text = (
            "v 0 0 0\nv 1 0 0\nv 1 1 0 1 0.5 0.5\nv 0 1 -1e-3 # corner\nf 1 2 \\\n 3 4\nf -4//1 -3//1 -1//1"
        )
        found = look(tmp_path, text.replace("\n", end).encode())
        assert (found.facts["model"]["vertices"], found.facts["model"]["triangles"]) == (4, 3)


@pytest.mark.parametrize(
    ("named", "libraries"),
    [
        ("a.mtl b.MTL", ("a.mtl", "b.MTL")),
        ("my skull.mtl", ("my skull.mtl",)),
        ("materials", ("materials",)),
        ("../../etc/passwd", ("../../etc/passwd",)),
        ("/etc/passwd", ("/etc/passwd",)),
        ("C:\\x\\y.mtl", ("C:\\x\\y.mtl",)),
    ],
)
def test_material_libraries_that_are_not_there(
    tmp_path: Path, named: str, libraries: tuple[str, ...]
) -> None:
    found = look(tmp_path, examples.obj(library=named))
    assert found.facts["model"]["mtllib"] == libraries
    assert found.messages == tuple(
        f"names the material library {each}, which is not beside it" for each in libraries
    )


def test_a_model_looks_into_nothing_outside_its_folder(tmp_path: Path) -> None:
    examples.write(tmp_path / "x.mtl", examples.mtl("secret.png"))
    (tmp_path / "models").mkdir()
    for named in ("../x.mtl", str(tmp_path / "x.mtl")):
        assert look(tmp_path / "models", examples.obj(library=named)).facts["model"]["textures"] == ()


def test_a_material_library(tmp_path: Path) -> None:
    data = (
        examples.mtl() + b"newmtl skin\nmap_Kd -blendu on -o 0 0 0 skin.png\nbump -bm 0.2 skin.png\nTr 0.5\n"
    )
    found = look(tmp_path, data)
    assert (found.format, found.media_type, found.messages) == ("mtl", "model/mtl", ())
    assert found.facts["model"] == {"materials": 2, "textures": ("bone.jpg", "skin.png")}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"v 0 0 0\nv 1 0 0\nv 1 1 0\n", "without a single face"),
        (b"v 0 0 0\nv 1 0 0\nv 1 1 0\nf 1 2 3\nf 1", "not whole"),
        (b"v 0 0 0\nv 1 0 0\nf 1 2 3\n" + b"v 1 2 1e999\n", "no place in space"),
        (b"newmtl a\nKd 1 1 1\nKd 0.", None),
        (b"newmtl a\nKd 1 1 1\nK", "not whole"),
    ],
)
def test_models_that_are_not_whole(tmp_path: Path, data: bytes, words: str | None) -> None:
    if words is None:
        assert look(tmp_path, data).facts["model"]["materials"] == 1
    else:
        assert words in refusal(tmp_path, data)


FILES = {
    "stl": (stl, examples.stl(9)),
    "ascii": (stl, examples.ascii_stl(9)),
    "obj": (obj, examples.obj(9)),
    "mtl": (mtl, examples.mtl()),
}


@pytest.mark.parametrize("name", FILES)
@settings(deadline=None)
@given(data=st.data())
def test_no_change_of_a_model_breaks_the_reading(name: str, data: st.DataObject) -> None:
    module, original = FILES[name]
    changed = bytearray(original)
    for _ in range(data.draw(st.integers(1, 8))):
        changed[data.draw(st.integers(0, len(original) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.sampled_from([len(changed), len(changed) // 2]))
    module.sniff(bytes(changed[:end]))
    with tempfile.TemporaryDirectory() as folder:
        path = examples.write(Path(folder) / "x", bytes(changed[:end]))
        try:
            assert module.probe(Source(path, path.parent), Reading()).content.length == end
        except GatewayError:
            return
