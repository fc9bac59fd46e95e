"""The store, search, retrieve and delete requests that people use today, made by the real curl."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pydicom
import pytest

import examples
from gateway.archive.server import running
from support import require

STUDY = "1.2.826.0.1.3680043.8.498.13230779778012324449356534479549187420"
SERIES = "1.2.826.0.1.3680043.8.498.45787841905473114233124723359129632652"
OTHER_SERIES = "1.2.826.0.1.3680043.8.498.77033797676425927098669402985243398207"
SQUARE = "1.2.826.0.1.3680043.8.498.12714725698140337137334606354172323212"
TRIANGLE = "1.2.826.0.1.3680043.8.498.47359123102728459884412887463296905395"
CIRCLE = "1.2.826.0.1.3680043.8.498.13273713909719068980354078852867170114"

JSON = '--header "Accept: application/dicom+json"'
FORM = '--form "file1=@{dicoms}/red-triangle.dcm;type=application/dicom"'


@dataclass(frozen=True)
class Answer:
    """What curl got."""

    status: int
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@pytest.fixture
def dicoms(tmp_path: Path) -> Path:
    """Three DICOM files with the UIDs that the requests name."""
    folder = tmp_path / "dicoms"
    folder.mkdir()
    files = {
        "green-square": (SERIES, SQUARE),
        "red-triangle": (SERIES, TRIANGLE),
        "blue-circle": (OTHER_SERIES, CIRCLE),
    }
    for name, (series, instance) in files.items():
        data = examples.dicom(StudyInstanceUID=STUDY, SeriesInstanceUID=series, SOPInstanceUID=instance)
        (folder / f"{name}.dcm").write_bytes(data)
    return folder


@pytest.fixture
def shell(tmp_path: Path, dicoms: Path) -> Callable[[str, str], bytes]:
    """Runs a line of shell at an archive: {url} and {dicoms} stand for what people put in."""
    require("curl")
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}

    def run(url: str, line: str) -> bytes:
        line = line.replace("{url}", url).replace("{dicoms}", str(dicoms))
        done = subprocess.run(
            [require("bash"), "-c", line], cwd=tmp_path, env=environment, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def curl(archive: str, shell: Callable[[str, str], bytes]) -> Callable[[str], Answer]:
    """Runs curl as it was typed, and asks it for the status besides."""

    def run(arguments: str) -> Answer:
        out = shell(archive, f"curl -sS -w '\\n%{{http_code}}' {arguments}")
        body, _, status = out.rpartition(b"\n")
        return Answer(int(status), body)

    return run


def _stored(answer: Any) -> list[str]:
    assert "00081198" not in answer
    return [item["00081155"]["Value"][0] for item in answer["00081199"]["Value"]]


@pytest.mark.parametrize(
    "content_type",
    [
        'multipart/related; type=\\"application/dicom\\"',
        'multipart/related; type=\\"application/dicom\\"; boundary=ABCD1234',
        "multipart/related; boundary=ABCD1234",
        "multipart/related",
    ],
)
def test_form_is_stored(content_type: str, curl: Callable[[str], Answer]) -> None:
    # curl puts its own boundary behind whatever Content-Type it is given, even behind another boundary
    answer = curl(
        f'--location --request POST "{{url}}/studies" {JSON} '
        f'--header "Content-Type: {content_type}" {FORM} --trace-ascii "trace.txt"'
    )
    assert answer.status == 200
    assert _stored(answer.json) == [TRIANGLE]


@pytest.mark.parametrize(
    "content_type",
    [
        'multipart/related; type=\\"application/dicom\\"; boundary=ABCD1234',
        "multipart/related; boundary=ABCD1234",
        "multipart/related",
    ],
)
def test_body_with_a_boundary_of_one_s_own_is_stored(
    content_type: str, curl: Callable[[str], Answer]
) -> None:
    answer = curl(
        '--request POST "{url}/studies" '
        f'--header "Content-Type: {content_type}" --data-binary @<('
        "printf -- '--ABCD1234\\r\\nContent-Type: application/dicom\\r\\n\\r\\n'; "
        "cat {dicoms}/red-triangle.dcm; printf -- '\\r\\n--ABCD1234--\\r\\n')"
    )
    assert answer.status == 200
    assert _stored(answer.json) == [TRIANGLE]


def test_form_is_stored_in_a_study(curl: Callable[[str], Answer]) -> None:
    form = FORM.replace("red-triangle", "blue-circle")
    header = '--header "Content-Type: multipart/related; type=\\"application/dicom\\""'
    answer = curl(f'--request POST "{{url}}/studies/{STUDY}" {JSON} {header} {form}')
    assert (answer.status, _stored(answer.json)) == (200, [CIRCLE])
    elsewhere = curl(f'--request POST "{{url}}/studies/1.2.3" {JSON} {header} {form}')
    assert elsewhere.status == 409
    assert elsewhere.json["00081198"]["Value"][0]["00081155"]["Value"] == [CIRCLE]


@pytest.fixture
def tutorial(curl: Callable[[str], Answer]) -> Callable[[str], Answer]:
    """curl at an archive that has the three files, each posted as a body of its own."""
    for name in ("green-square", "red-triangle", "blue-circle"):
        answer = curl(
            f'--location --request POST "{{url}}/studies" {JSON} --header "Content-Type: application/dicom" '
            f'--data-binary "@{{dicoms}}/{name}.dcm"'
        )
        assert (answer.status, len(_stored(answer.json))) == (200, 1)
    return curl


@pytest.mark.parametrize(
    ("path", "files"),
    [
        (f"studies/{STUDY}", ["green-square", "red-triangle", "blue-circle"]),
        (f"studies/{STUDY}/series/{SERIES}", ["green-square", "red-triangle"]),
    ],
)
def test_files_of_a_study_and_a_series_are_retrieved(
    path: str, files: list[str], tutorial: Callable[[str], Answer], dicoms: Path, tmp_path: Path
) -> None:
    accept = '--header "Accept: multipart/related; type=\\"application/dicom\\"; transfer-syntax=*"'
    answer = tutorial(f'--request GET "{{url}}/{path}" {accept} --output "suppressWarnings.txt"')
    body = (tmp_path / "suppressWarnings.txt").read_bytes()
    assert answer.status == 200
    assert body.count(b"DICM") == len(files)
    assert all((dicoms / f"{name}.dcm").read_bytes() in body for name in files)


def test_file_of_an_instance_is_retrieved_by_itself(
    tutorial: Callable[[str], Answer], dicoms: Path, tmp_path: Path
) -> None:
    answer = tutorial(
        f'--request GET "{{url}}/studies/{STUDY}/series/{SERIES}/instances/{TRIANGLE}" '
        '--header "Accept: application/dicom; transfer-syntax=*" --output "suppressWarnings.txt"'
    )
    assert answer.status == 200
    assert (tmp_path / "suppressWarnings.txt").read_bytes() == (dicoms / "red-triangle.dcm").read_bytes()


@pytest.mark.parametrize(
    ("path", "number"),
    [
        (f"studies/{STUDY}", 3),
        (f"studies/{STUDY}/series/{SERIES}", 2),
        (f"studies/{STUDY}/series/{SERIES}/instances/{TRIANGLE}", 1),
    ],
)
def test_metadata_are_retrieved(path: str, number: int, tutorial: Callable[[str], Answer]) -> None:
    answer = tutorial(f'--request GET "{{url}}/{path}/metadata" {JSON}')
    assert answer.status == 200
    assert [item["0020000D"]["Value"][0] for item in answer.json] == [STUDY] * number


@pytest.mark.parametrize("syntax", ["; transfer-syntax=1.2.840.10008.1.2.1", "; transfer-syntax=*", ";", ""])
def test_frame_is_retrieved(syntax: str, tutorial: Callable[[str], Answer], tmp_path: Path) -> None:
    answer = tutorial(
        f'--request GET "{{url}}/studies/{STUDY}/series/{SERIES}/instances/{TRIANGLE}/frames/1" '
        f'--header "Accept: multipart/related; type=\\"application/octet-stream\\"{syntax}" '
        '--output "suppressWarnings.txt"'
    )
    assert answer.status == 200
    assert bytes(range(256)) in (tmp_path / "suppressWarnings.txt").read_bytes()


@pytest.mark.parametrize(
    ("query", "key", "found"),
    [
        (f"studies?StudyInstanceUID={STUDY}", "0020000D", STUDY),
        (f"series?SeriesInstanceUID={SERIES}", "0020000E", SERIES),
        (f"studies/{STUDY}/series?SeriesInstanceUID={SERIES}", "0020000E", SERIES),
        (f"instances?SOPInstanceUID={TRIANGLE}", "00080018", TRIANGLE),
        (f"studies/{STUDY}/instances?SOPInstanceUID={TRIANGLE}", "00080018", TRIANGLE),
        (f"studies/{STUDY}/series/{SERIES}/instances?SOPInstanceUID={TRIANGLE}", "00080018", TRIANGLE),
    ],
)
def test_search(query: str, key: str, found: str, tutorial: Callable[[str], Answer]) -> None:
    answer = tutorial(f'--request GET "{{url}}/{query}" {JSON}')
    assert answer.status == 200
    assert {item[key]["Value"][0] for item in answer.json} == {found}


def test_delete_from_the_instance_up(tutorial: Callable[[str], Answer]) -> None:
    study = f"{{url}}/studies/{STUDY}"
    for path, left in (
        (f"{study}/series/{SERIES}/instances/{TRIANGLE}", 2),
        (f"{study}/series/{SERIES}", 1),
        (study, 0),
    ):
        assert tutorial(f'--request DELETE "{path}"').status == 204
        answer = tutorial(f'--request GET "{{url}}/instances" {JSON}')
        assert len(answer.json if left else []) == left
        assert tutorial(f'--request DELETE "{path}"').status == 404


# The dcm4chee wiki's recipes


@pytest.fixture
def dcm4chee(tmp_path: Path) -> Iterator[str]:
    with running(tmp_path / "archive", root="/dcm4chee-arc/aets/DCM4CHEE/rs") as url:
        yield url


def _wiki_metadata(instance: str, number: int, location: str) -> dict[str, Any]:
    """An object without a single attribute that describes its pixels."""
    return {
        "00080016": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.7"]},
        "00080018": {"vr": "UI", "Value": [instance]},
        "00080020": {"vr": "DA"},
        "00080030": {"vr": "TM"},
        "00080050": {"vr": "SH"},
        "00080060": {"vr": "CS", "Value": ["OT"]},
        "00080064": {"vr": "CS", "Value": ["WSD"]},
        "00080070": {"vr": "LO"},
        "00080090": {"vr": "PN"},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Patient^Name"}]},
        "00100020": {"vr": "LO", "Value": ["PatientID"]},
        "00100030": {"vr": "DA"},
        "00100040": {"vr": "CS"},
        "0020000D": {"vr": "UI", "Value": ["2.25.325835831109079562541560856033484422761"]},
        "0020000E": {"vr": "UI", "Value": ["2.25.152887376887097953030407776906882151652"]},
        "00200010": {"vr": "SH"},
        "00200011": {"vr": "IS", "Value": [1]},
        "00200013": {"vr": "IS", "Value": [number]},
        "7FE00010": {"vr": "OB", "BulkDataURI": location},
    }


def test_pictures_put_together_with_echo_and_cat(
    dcm4chee: str, shell: Callable[[str, str], bytes], tmp_path: Path
) -> None:
    instances = [
        "2.25.120844308671949461864937780667935865261",
        "2.25.30207206599873576648053269184806854221",
    ]
    models = [_wiki_metadata(uid, n, f"file{n}.jpg") for n, uid in enumerate(instances, 1)]
    (tmp_path / "metadata.json").write_text(json.dumps(models, indent=1))
    pictures = [examples.jpeg(size=(40 * n, 31)) for n in (1, 2)]
    for number, picture in enumerate(pictures, 1):
        (tmp_path / f"file{number}.jpg").write_bytes(picture)
    script = r"""
        part() { echo -ne "\r\n--myboundary\r\nContent-Type: $1\r\n${2:+Content-Location: $2\r\n}\r\n"; }
        part application/dicom+json > metadata.head
        part image/jpeg file1.jpg > jpeg1.head
        part image/jpeg file2.jpg > jpeg2.head
        echo -ne "\r\n--myboundary--" > tail
        cat metadata.head metadata.json jpeg1.head file1.jpg jpeg2.head file2.jpg tail > metadata+jpeg.mime
        curl -sS -X POST {url}/studies --data-binary @metadata+jpeg.mime \
            -H "Content-Type: multipart/related; type=\"application/dicom+json\"; boundary=myboundary"
    """
    answer = json.loads(shell(dcm4chee, script))
    assert _stored(answer) == instances
    for number, (picture, item) in enumerate(zip(pictures, answer["00081199"]["Value"], strict=True), 1):
        file = httpx.get(
            item["00081190"]["Value"][0], headers={"Accept": "application/dicom"}, trust_env=False
        ).content
        made = pydicom.dcmread(BytesIO(file))
        assert (made.Rows, made.Columns, made.SamplesPerPixel) == (31, 40 * number, 3)
        assert (made.PhotometricInterpretation, made.LossyImageCompression) == ("YBR_FULL_422", "01")
        assert made.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.50"
        assert next(pydicom.encaps.generate_frames(made.PixelData, number_of_frames=1)).startswith(picture)


def test_files_put_together_with_echo_and_cat(dcm4chee: str, shell: Callable[[str, str], bytes]) -> None:
    script = r"""
        echo -ne "\r\n--myboundary\r\nContent-Type: application/dicom\r\n\r\n" > head
        echo -ne "\r\n--myboundary--" > tail
        cat head {dicoms}/red-triangle.dcm head {dicoms}/blue-circle.dcm tail > dicom.mime
        curl -sS -X POST {url}/studies --data-binary @dicom.mime \
            -H "Content-Type: multipart/related; type=\"application/dicom\"; boundary=myboundary"
    """
    assert _stored(json.loads(shell(dcm4chee, script))) == [TRIANGLE, CIRCLE]


# The uploader script and the C# program


def test_upload_of_a_folder_by_a_script(tmp_path: Path, shell: Callable[[str, str], bytes]) -> None:
    script = r"""
        BOUNDARY="DICOM_BOUNDARY"; BODY="request.tmp"; > "$BODY"; FIRST=1
        for file in $(find {dicoms} -type f -name "*.dcm"); do
            if [ $FIRST ]; then printf -- "--%s\r\n" "$BOUNDARY" >> "$BODY"; FIRST=
            else printf -- "\r\n--%s\r\n" "$BOUNDARY" >> "$BODY"; fi
            printf -- "Content-Type: application/dicom\r\n\r\n" >> "$BODY"
            cat "$file" >> "$BODY"
        done
        printf -- "\r\n--%s--\r\n" "$BOUNDARY" >> "$BODY"
        curl -sS -X POST {url}/studies \
            -H "Content-Type: multipart/related; boundary=$BOUNDARY; type=application/dicom" \
            -H "Accept: application/json" \
            -H "x-tenant: 1234567890" \
            -H "Content-Length: $(wc -c < "$BODY" | tr -d ' ')" \
            --data-binary @"$BODY"
    """
    with running(tmp_path / "archive", root="/stow-rs/v1") as url:
        assert set(_stored(json.loads(shell(url, script)))) == {TRIANGLE, CIRCLE, SQUARE}


def test_body_of_the_csharp_program(archive: str, dicoms: Path) -> None:
    body = b""
    for path in sorted(dicoms.glob("*.dcm")):
        body += (b"\r\n" if body else b"") + b"--DICOM_BOUNDARY\r\nContent-Type: application/dicom\r\n\r\n"
        body += path.read_bytes()
    answer = httpx.post(
        f"{archive}/studies",
        content=body + b"\r\n--DICOM_BOUNDARY--\r\n",
        headers={
            "Content-Type": "multipart/related; boundary=DICOM_BOUNDARY; type=application/dicom",
            "Accept": "application/json",
            "x-tenant": "1234567890",
        },
        trust_env=False,
    )
    assert answer.status_code == 200
    assert set(_stored(answer.json())) == {TRIANGLE, CIRCLE, SQUARE}
