"""Every kind of file in every object that may take it, judged from outside.

    python tests/matrix.py docs/matrix.md

writes the table. Objects and transfer syntaxes that dicom3tools does not know are judged by it in a copy
that says a known one instead, and the original is read by pydicom and, where it knows them, by DCMTK.
"""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pydicom

from gateway import formats
from gateway.config import Lossless, Reading
from gateway.convert.workshop import Workshop
from gateway.dicom import part10
from gateway.dicom.build import build
from gateway.dicom.encodings import Encoding
from gateway.dicom.identity import Identity
from gateway.dicom.iods import ENCAPSULATED_MTL, ENCAPSULATED_OBJ, ENCAPSULATED_STL, IODS, Frames, permits
from gateway.errors import GatewayError
from gateway.mapping.describe import describe
from gateway.mapping.description import Description, description
from gateway.mapping.select import select
from gateway.mapping.sheets import available
from gateway.mapping.templates import load_template
from gateway.model import Attributes, Instance, Kind, Pixels, Probe, Source
from gateway.stream import Stream
from matrix_inputs import INPUTS, Input
from support import dciodvfy, require

JPEG = "1.2.840.10008.1.2.4."
KNOWN = {
    **{f"{JPEG}{new}": JPEG + old for new, old in {
        "201": "90", "202": "90", "203": "91", "107": "102", "108": "102",
        "110": "80", "111": "50", "112": "80",
    }.items()},
    **{f"{JPEG}{number}.1": f"{JPEG}{number}" for number in range(100, 107)},
}  # fmt: skip
"""Transfer syntaxes that dicom3tools does not know, and one that it does for the same sort of pixels."""

STRANGE = {ENCAPSULATED_OBJ: "model/obj", ENCAPSULATED_MTL: "model/mtl"}
"""Objects that it does not know; as models they are like STL."""

IDENTITY = Identity("2.25.1", "2.25.2", "2.25.3", series_number=1, instance_number=1)
WHEN = ("ContentDate=20240531", "ContentTime=143005", "AcquisitionDateTime=20240531143005")
DEVICE = (
    "Manufacturer=Example",
    "ManufacturerModelName=M1",
    "DeviceSerialNumber=4711",
    "SoftwareVersions=1.0",
)
TYPED: Mapping[str, tuple[str, ...]] = {
    "ophthalmic-8-bit": ("ImageLaterality=R", *WHEN),
    "dermoscopic-photographic": DEVICE,
    **{
        f"encapsulated-{kind}": (*DEVICE, "MeasurementUnitsCodeSequence=UCUM:mm:mm")
        for kind in ("stl", "obj", "mtl")
    },
}
"""What somebody has to give, since files do not have it."""


# What comes out


@dataclass(frozen=True)
class Result:
    """An object that was made: what it is, whether a copy was judged in its place, and with what result."""

    template: str
    transfer_syntax: str
    photometric: str
    substituted: bool
    errors: tuple[str, ...]
    messages: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """What became of one kind of file: by default, and in every object that may take it."""

    input: Input
    default: Result | None
    results: Mapping[str, Result]
    refused: str | None = None


def rows(folder: Path, inputs: Sequence[Input] = INPUTS) -> Iterator[Row]:
    """What becomes of every kind of file; two at a time, in order."""
    with Workshop(folder) as shop, ThreadPoolExecutor(2) as pool:
        places = [folder / str(number) for number in range(len(inputs))]
        yield from pool.map(lambda each, place: row_of(each, place, shop), inputs, places)


def row_of(each: Input, folder: Path, shop: Workshop) -> Row:
    """What becomes of one kind of file, made in a new folder."""
    folder.mkdir()
    path = folder / each.file
    try:
        each.make(path)
        if path.suffix == ".obj":
            path.with_suffix(".mtl").write_text("newmtl skin\nKd 0.8 0.6 0.5\n")
        probe = formats.probe(Source(path, folder), each.reading)
        made: dict[int, Probe] = {}
        results = {}
        for template in (None, *available("templates")):
            result = _rendered(probe, template, each.reading, shop, made, folder)
            if result:
                results[template] = result
    except GatewayError as error:
        return Row(each, None, {}, str(error).replace(f"{folder}/", ""))
    default = results.pop(None, None)
    return Row(each, default, {name: result for name, result in results.items() if name})


def _rendered(
    probe: Probe,
    template: str | None,
    reading: Reading,
    shop: Workshop,
    made: dict[int, Probe],
    folder: Path,
) -> Result | None:
    """The object in which a file is put, judged; None where another object would have to take it."""
    typed = list(TYPED.get(template or "", ()))
    if template is None and probe.kind is Kind.DOCUMENT:
        typed = list(TYPED.get(f"encapsulated-{probe.format}", ()))
    wanted = description(template=template, typed=typed)
    iod = IODS[load_template(template).sop_class_uid] if template else None
    if iod and iod.kind is not probe.kind:
        return None
    subject = select(probe, wanted)
    form = subject.probe
    if template and permits(load_template(template).sop_class_uid, form):
        return None
    attributes = describe(subject, wanted)
    if form.convert:
        lossless = reading.lossless or attributes.lossless or Lossless.NATIVE
        if id(form) not in made:
            made[id(form)] = form.convert(shop, lossless)
        form = made[id(form)]
    instance = build(form, attributes, IDENTITY)
    errors = judged(instance, folder / "object.dcm")
    pixels = form.pixels
    return Result(
        template=attributes.template,
        transfer_syntax=instance.transfer_syntax,
        photometric=pixels.photometric_interpretation if pixels else "",
        substituted=_substitute(instance) is not None,
        errors=errors,
        messages=instance.messages,
    )


def judged(instance: Instance, path: Path) -> tuple[str, ...]:
    """What the judges have against an object, which is written to a path."""
    with path.open("wb") as file:
        file.writelines(part10.write(instance))
    substitute = _substitute(instance)
    if substitute is None:
        return tuple(dciodvfy(path))
    copy = path.with_name("copy.dcm")
    with copy.open("wb") as file:
        file.writelines(part10.write(substitute))
    return (*dciodvfy(copy), *_second_judge(instance, path))


def _substitute(instance: Instance) -> Instance | None:
    """The object with a class, transfer syntax and depth that dicom3tools knows; None if it does already."""
    syntax = KNOWN.get(instance.transfer_syntax)
    if syntax is None and instance.sop_class_uid not in STRANGE:
        return None
    dataset = pydicom.Dataset(instance.dataset)
    if syntax and instance.transfer_syntax == f"{JPEG}108":
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    if dataset.get("PhotometricInterpretation") == "XYB":  # what JPEG XL makes of RGB
        dataset.PhotometricInterpretation = "RGB"
    if instance.sop_class_uid in STRANGE:
        dataset.SOPClassUID = ENCAPSULATED_STL
        dataset.MIMETypeOfEncapsulatedDocument = "model/stl"
        dataset.FrameOfReferenceUID = dataset.get("FrameOfReferenceUID", "2.25.4")
        dataset.PositionReferenceIndicator = ""
    return dataclasses.replace(
        instance,
        sop_class_uid=str(dataset.SOPClassUID),
        transfer_syntax=syntax or instance.transfer_syntax,
        dataset=dataset,
    )


def _second_judge(instance: Instance, path: Path) -> Iterator[str]:
    """What others have against the original: pydicom, which must find its class and content, and DCMTK."""
    read = pydicom.dcmread(path)
    bulk = instance.bulks[0]
    if read.SOPClassUID != instance.sop_class_uid:
        yield f"pydicom reads an object of the class {read.SOPClassUID}"
    if read.file_meta.TransferSyntaxUID != instance.transfer_syntax:
        yield f"pydicom reads an object in {read.file_meta.TransferSyntaxUID}"
    if b"".join(bulk.value) not in read[bulk.tag].value:
        yield "pydicom does not find the content"
    done = subprocess.run([require("dcmdump"), "-q", str(path)], capture_output=True, text=True, check=False)
    if done.returncode or done.stderr:
        yield f"dcmdump: {done.stderr}"


# Every object in every transfer syntax that it permits, whatever file it may come from


@dataclass(frozen=True)
class Permitted:
    """Pixels that an object may carry."""

    template: str
    transfer_syntax: str
    photometric: str
    bits: int
    signed: bool


def permitted() -> Iterator[Permitted]:
    """All that the tables permit; of the depths between, some."""
    for name in available("templates"):
        iod = IODS[load_template(name).sop_class_uid]
        found = {
            Permitted(name, syntax, photometric, bits, signed)
            for each in iod.encodings
            for syntax in each.transfer_syntaxes
            for photometric in each.photometric
            for bits in each.bits
            if bits in (8, 10, 12, 16)
            for signed in {False, each.signed}
        }
        yield from sorted(found, key=dataclasses.astuple)


def synthetic(each: Permitted, source: Source) -> Instance:
    """An object with such pixels, which are none: validators look at what is said of them."""
    iod = IODS[load_template(each.template).sop_class_uid]
    samples = 1 if each.photometric == "MONOCHROME2" else 3
    allocated = 8 if each.bits <= 8 else 16
    frames = 1 if iod.frames is Frames.ONE else 2
    pixels = Pixels(
        rows=4,
        columns=4,
        samples_per_pixel=samples,
        photometric_interpretation=each.photometric,
        bits_allocated=allocated,
        bits_stored=each.bits,
        pixel_representation=int(each.signed),
        planar_configuration=0 if samples > 1 else None,
        frames=None if iod.frames is Frames.ONE else frames,
        frame_times=(40.0,) if frames > 1 else (),
    )
    content = Stream.of(bytes(16 * samples * allocated // 8 * frames))
    taken = datetime(2024, 5, 31, 14, 30, 5)  # noqa: DTZ001 - local time, as cameras say it
    probe = Probe(source, "any", iod.kind, "any", each.transfer_syntax, content, pixels, captured=taken)
    attributes = _attributes(probe, each.template)
    if attributes.template != each.template:
        raise AssertionError(f"{each} became {attributes.template}")
    return build(probe, attributes, IDENTITY)


def _attributes(probe: Probe, template: str) -> Attributes:
    wanted: Description = description(template=template, typed=list(TYPED.get(template, ())))
    return describe(select(probe, wanted), wanted)


# The tables


def markdown(found: Sequence[Row], tried: Sequence[tuple[Permitted, tuple[str, ...]]]) -> str:
    """The page."""
    templates = available("templates")
    kinds = {name: IODS[load_template(name).sop_class_uid].kind for name in templates}
    parts = [HEADER.format(errors=sum(len(error) for error in _all_errors(found, tried)))]
    parts.append(_defaults(found))
    for kind, title in ((Kind.IMAGE, "Pictures"), (Kind.VIDEO, "Videos"), (Kind.DOCUMENT, "Documents")):
        columns = [name for name in templates if kinds[name] is kind]
        parts.append(f"## {title}\n\n" + _table(found, columns))
    parts.append(_syntaxes(tried))
    return "\n".join(parts)


HEADER = """# What becomes of what

Made by `make matrix`: small files of every kind were put into every object that may take them, and judged by
dicom3tools' `dciodvfy`. Errors found: **{errors}**.

A cell names the transfer syntax (`.50` is 1.2.840.10008.1.2.4.50) and the photometric interpretation. `*`
marks objects and transfer syntaxes that dciodvfy does not know: it judged a copy that says a known one
instead (OBJ and MTL as STL; .107 and .108 as .102, for .108 with 8 bits; .110 and .112 as .80, XYB as RGB;
.111 as .50; .201 and .202 as .90; .203 as .91; fragmentable video as the one that is not), and the original
was read by pydicom and by DCMTK's `dcmdump`, which had to find its class, its transfer syntax and its
content. `-` is a file that another object would have to take; the gateway takes that one, and says so.
"""


def _all_errors(
    found: Sequence[Row], tried: Sequence[tuple[Permitted, tuple[str, ...]]]
) -> Iterator[tuple[str, ...]]:
    for row in found:
        for result in (row.default, *row.results.values()):
            if result:
                yield result.errors
    for _, errors in tried:
        yield errors


def _short(transfer_syntax: str) -> str:
    names = {"1.2.840.10008.1.2.1": "native", "1.2.840.10008.1.2.5": "RLE"}
    return names.get(transfer_syntax) or "." + transfer_syntax.removeprefix(JPEG)


def _cell(result: Result | None) -> str:
    if result is None:
        return "-"
    mark = "*" if result.substituted else ""
    wrong = f" **{len(result.errors)} errors**" if result.errors else ""
    return " ".join(filter(None, (_short(result.transfer_syntax) + mark, result.photometric))) + wrong


def _defaults(found: Sequence[Row]) -> str:
    lines = ["## Without a template", "", "| file | becomes | as | and says |", "|---|---|---|---|"]
    for row in found:
        if row.default:
            told = "; ".join(
                text
                for text in row.default.messages
                if not any(word in text for word in ("date", "made", "patient"))
            )
            lines.append(f"| {row.input.name} | {row.default.template} | {_cell(row.default)} | {told} |")
        else:
            lines.append(f"| {row.input.name} | rejected | | {row.refused} |")
    return "\n".join(lines) + "\n"


def _table(found: Sequence[Row], columns: Sequence[str]) -> str:
    lines = [f"| file | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for row in found:
        if any(name in row.results for name in columns):
            cells = " | ".join(_cell(row.results.get(name)) for name in columns)
            lines.append(f"| {row.input.name} | {cells} |")
    return "\n".join(lines) + "\n"


def _syntaxes(tried: Sequence[tuple[Permitted, tuple[str, ...]]]) -> str:
    """What each object may carry, all of it judged with pixels that are none."""
    lines = [
        "## Pixels that an object may carry",
        "",
        f"All {len(tried)} combinations of these were made and judged; of a range of bits 8, 10, 12 and 16.",
        "",
        "| object | transfer syntaxes | photometric interpretation | bits |",
        "|---|---|---|---|",
    ]
    for name in dict.fromkeys(each.template for each, _ in tried):
        takes = IODS[load_template(name).sop_class_uid].encodings
        lines += [f"| {'' if number else name} | {_encoding(each)} |" for number, each in enumerate(takes)]
    return "\n".join(lines) + "\n"


def _encoding(encoding: Encoding) -> str:
    bits = (
        f"{min(encoding.bits)}-{max(encoding.bits)}"
        if len(encoding.bits) > 2
        else " ".join(map(str, encoding.bits))
    )
    signed = ", signed too" if encoding.signed else ""
    syntaxes = " ".join(map(_short, encoding.transfer_syntaxes))
    return f"{syntaxes} | {' '.join(encoding.photometric)} | {bits}{signed}"


def tried(folder: Path) -> Iterator[tuple[Permitted, tuple[str, ...]]]:
    """All that the tables permit, and what the judges have against it."""
    path = folder / "nothing"
    path.write_bytes(b"")
    source = Source(path, folder)

    def one(each: Permitted, number: int) -> tuple[Permitted, tuple[str, ...]]:
        place = folder / f"permitted-{number}"
        place.mkdir()
        errors = judged(synthetic(each, source), place / "object.dcm")
        shutil.rmtree(place)
        return each, errors

    everything = list(permitted())
    with ThreadPoolExecutor(2) as pool:
        yield from pool.map(one, everything, range(len(everything)))


def main() -> int:
    """Writes the page; 1 if anything has errors."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found, combinations = list(rows(folder)), list(tried(folder))
    Path(sys.argv[1]).write_text(markdown(found, combinations), "utf-8")
    wrong = sum(map(len, _all_errors(found, combinations)))
    refused = [row for row in found if row.refused]
    for row in refused:
        sys.stderr.write(f"{row.input.name}: {row.refused}\n")
    sys.stderr.write(f"{len(found)} kinds of files, {len(combinations)} combinations, {wrong} errors\n")
    return 1 if wrong or refused else 0


if __name__ == "__main__":
    sys.exit(main())
