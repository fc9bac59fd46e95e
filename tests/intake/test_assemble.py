"""Documents made of single pages: joined without loss, held while a page is missing, one object for all."""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
from PIL import Image
from pydicom import dcmread
from pypdf import PdfReader

import examples
import sites
from doors import Done, gateway
from gateway.archive.server import running
from imports import in_archive, report
from support import dciodvfy, require

MAPPING = r"""
    extends: common
    sources:
      path: {{name: '(?P<mrn>\d{{7}})_(?P<paper>[^_]+)_(?P<page>\d+)\..+'}}
    assemble:
      by: '{{{{ path.mrn }}}}/{{{{ path.paper }}}}'
      order: '{{{{ path.page }}}}'
      into: {into}
    identity:
      study: '{{{{ path.paper }}}}'
    attributes:
      PatientID: '{{{{ path.mrn }}}}'
      SeriesDescription: '{{{{ path.paper }}}}'
"""


class Site:
    """A folder of pages, an archive, and a mapping."""

    def __init__(self, place: Path, url: str, into: str = "multipage-pdf") -> None:
        self.place = place
        self.tree = place / "tree"
        self.tree.mkdir()
        self.url = url
        self.mapping = examples.write(place / "pages.yaml", sites._plain(MAPPING.format(into=into)).encode())

    def page(self, name: str, data: bytes) -> None:
        examples.write(self.tree / name, data)

    def run(self, *words: object) -> Done:
        ledger, report = self.place / "i.db", self.place / "report"
        common = (self.tree, "--mapping", self.mapping, "--ledger", ledger, "--json")
        if words:
            return gateway("import", words[0], *common, *words[1:], "-u", self.url)
        return gateway("import", *common, "-u", self.url, "--report", report)

    def lines(self) -> dict[str, dict[str, Any]]:
        return report(self.place / "report")

    def objects(self) -> list[Path]:
        return sorted((self.place / "archive").rglob("*.dcm"))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with running(tmp_path / "archive") as url:
        yield Site(tmp_path, url)


@pytest.fixture
def frames(tmp_path: Path) -> Iterator[Site]:
    with running(tmp_path / "archive") as url:
        yield Site(tmp_path, url, "multiframe")


def fax(text: int, size: tuple[int, int] = (160, 120)) -> bytes:
    """A page as a fax machine scans it: one bit a pixel, Group 4."""
    file = io.BytesIO()
    picture = Image.new("1", size, 1)
    picture.paste(0, (text, text, text + 40, text + 30))
    picture.save(file, "TIFF", compression="group4", dpi=(200, 200))
    return file.getvalue()


def test_scans_become_one_document_without_loss(site: Site, tmp_path: Path) -> None:
    """Pages of four kinds: a JPEG that must stay as it is, a fax, a colour PNG, and a PDF."""
    jpeg = examples.jpeg(size=(150, 100), quality=60, dpi=(100, 100))
    png = examples.raster("PNG", size=(61, 43))
    for number, (extension, data) in enumerate(
        (("jpg", jpeg), ("tif", fax(20)), ("png", png), ("pdf", examples.pdf(1))), 1
    ):
        site.page(f"4711001_letter_{number}.{extension}", data)
    done = site.run()
    assert done.status == 0, done.err
    assert done.summary["stored"] == 4
    [path] = site.objects()
    lines = site.lines()
    assert {line["sop_instance_uid"] for line in lines.values()} == {path.stem}
    assert len({line["digest"] for line in lines.values()}) == 4
    assert not dciodvfy(path)
    found = dcmread(path)
    assert found.SOPClassUID.name == "Encapsulated PDF Storage"
    assert (found.PatientID, found.SeriesDescription) == ("4711001", "letter")
    document = found.EncapsulatedDocument[: found.EncapsulatedDocumentLength]
    assert jpeg in document
    pages = PdfReader(io.BytesIO(document)).pages
    assert len(pages) == 4
    assert [float(each) for each in pages[0].mediabox[2:]] == pytest.approx([150 * 0.72, 100 * 0.72])
    scan = examples.write(tmp_path / "scan.pdf", document)
    for number, wanted in ((2, fax(20)), (3, png)):
        out = tmp_path / f"page{number}"
        subprocess.run(
            [require("pdfimages"), "-png", "-f", str(number), "-l", str(number), scan, out], check=True
        )
        [picture] = tmp_path.glob(f"page{number}-*.png")
        with Image.open(picture) as one, Image.open(io.BytesIO(wanted)) as other:
            assert numpy.array_equal(numpy.asarray(one.convert("RGB")), numpy.asarray(other.convert("RGB")))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pages_lie_as_the_camera_says(orientation: int, tmp_path: Path) -> None:
    """Rendered by Poppler, which knows nothing of EXIF, a page looks as a viewer shows the photo."""
    from PIL import ImageOps

    from gateway.convert.pages import Sheet, to_pdf

    picture = Image.new("RGB", (120, 80), "white")
    picture.paste("red", (0, 0, 60, 40))
    picture.paste("blue", (60, 40, 120, 80))
    exif = Image.Exif()
    exif[274] = orientation
    path = tmp_path / "page.jpg"
    picture.save(path, exif=exif, quality=95, dpi=(72, 72))
    made = tmp_path / "made.pdf"
    assert to_pdf([Sheet(path, path, False)], made) == 1
    subprocess.run([require("pdftoppm"), "-r", "72", "-png", made, tmp_path / "out"], check=True)
    with Image.open(next(tmp_path.glob("out*.png"))) as one, Image.open(path) as other:
        upright = ImageOps.exif_transpose(other)
        assert one.size == upright.size
        difference = numpy.abs(numpy.asarray(one.convert("RGB"), int) - numpy.asarray(upright, int))
        assert numpy.median(difference) < 8
        assert (difference > 60).mean() < 0.06


def test_a_missing_page_holds_all_of_the_document(site: Site) -> None:
    for number in (1, 2, 4):
        site.page(f"4711001_letter_{number}.tif", fax(number))
    for number in (0, 1):
        site.page(f"4711002_note_{number}.tif", fax(10 + number))
    site.page("4711003_late_2.tif", fax(30))
    done = site.run()
    assert done.status == 3
    assert (done.summary["held"], done.summary["stored"]) == (4, 2)
    held = [line for line in site.lines().values() if line["status"] == "held"]
    assert {line["reason"] for line in held} == {"missing-page"}
    for said, files in (("page 3 is missing", 3), ("page 1 is missing", 1)):
        assert sum(said in line["text"] for line in held) == files
    site.page("4711001_letter_3.tif", fax(3))
    done = site.run()
    assert (done.summary["held"], done.summary["stored"]) == (1, 6)
    assert len(site.objects()) == 2
    assert len(in_archive(site.url)) == 2


def test_a_page_that_is_there_twice_holds_the_document(site: Site) -> None:
    for name in ("4711001_letter_1.tif", "4711001_letter_01.tif", "4711001_letter_2.tif"):
        site.page(name, fax(len(name)))
    assert site.run().summary["held"] == 3
    assert all("is there twice" in line["text"] for line in site.lines().values())


def test_the_same_pages_are_the_same_object(site: Site, tmp_path: Path) -> None:
    for number in (1, 2, 3):
        site.page(f"4711001_letter_{number}.tif", fax(number))
    site.run()
    [first] = site.objects()
    with running(tmp_path / "other") as url:
        gateway("import", site.tree, "--mapping", site.mapping, "--ledger", tmp_path / "o.db", "-u", url)
    [again] = (tmp_path / "other").rglob("*.dcm")
    assert again.read_bytes() == first.read_bytes()
    site.page("4711001_letter_4.tif", fax(4))
    site.run()
    assert len(in_archive(site.url)) <= 2


def test_pictures_become_frames(frames: Site) -> None:
    for number, colour in enumerate(("red", "green", "blue"), 1):
        file = io.BytesIO()
        Image.new("RGB", (40, 30), colour).save(file, "PNG" if number < 3 else "TIFF")
        frames.page(f"4711001_series_{number:03}.img", file.getvalue())
    assert frames.run().status == 0
    [path] = frames.objects()
    assert not dciodvfy(path)
    found = dcmread(path)
    assert found.NumberOfFrames == 3
    assert [tuple(int(each) for each in frame[0, 0]) for frame in found.pixel_array] == [
        (255, 0, 0), (0, 128, 0), (0, 0, 255),
    ]  # fmt: skip
    assert "LossyImageCompression" not in found or found.LossyImageCompression == "00"


def test_frames_of_photos_say_that_they_lost_something(frames: Site) -> None:
    for number in (1, 2):
        frames.page(f"4711001_series_{number}.jpg", examples.jpeg(size=(64, 48), quality=50 + number))
    assert frames.run().status == 0
    [path] = frames.objects()
    assert not dciodvfy(path)
    assert dcmread(path, stop_before_pixels=True).LossyImageCompression == "01"


def test_pages_of_different_sizes_are_no_frames(frames: Site) -> None:
    frames.page("4711001_series_1.png", examples.raster("PNG", size=(40, 30)))
    frames.page("4711001_series_2.png", examples.raster("PNG", size=(41, 30)))
    assert frames.run().summary["rejected"] == 2
    assert all("cannot be frames" in line["text"] for line in frames.lines().values())


def test_documents_are_not_parted(site: Site) -> None:
    site.page("4711001_letter_1.tif", fax(1))
    assert "would part" in site.run("run", "--limit", "1").err
    stowed = gateway("stow", "--mapping", site.mapping, "--url", site.url, site.tree)
    assert (stowed.status, "use 'gateway import'" in stowed.err) == (2, True)


def test_a_plan_counts_documents_and_a_reading_back_compares_them(site: Site) -> None:
    for number in (1, 2, 3):
        site.page(f"4711001_letter_{number}.tif", fax(number))
    site.page("4711002_note_2.tif", fax(9))
    planned = json.loads(site.run("plan").out.splitlines()[-1])["plan"]
    assert planned["documents"] == 1
    assert planned["would_be_sent"]["files"] == 3
    assert [each["reason"] for each in planned["problems"]] == ["missing-page"]
    assert site.run().summary["stored"] == 3
    verified = json.loads(site.run("verify").out.splitlines()[-1])["verify"]
    assert (verified["checked"], verified["same"], verified["compared_with_ledger_only"]) == (1, 1, 0)
