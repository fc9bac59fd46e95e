"""Searching the embedded archive (PS3.18 10.6)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pydicom
import pytest

import examples
from gateway.archive import qido
from gateway.archive.server import running
from gateway.dicom import xml
from gateway.stow.multipart import PartData, Reader, parse_content_type

Search = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of an archive with two patients, three studies, four series, six instances."""
    with (
        running(tmp_path_factory.mktemp("archive")) as url,
        httpx.Client(base_url=url.removesuffix("/dicom-web"), trust_env=False) as client,
    ):
        for number, (patient, study, series, modality) in enumerate(
            [
                ("A", "2.25.1", "2.25.11", "XC"),
                ("A", "2.25.1", "2.25.11", "XC"),
                ("A", "2.25.1", "2.25.12", "DOC"),
                ("A", "2.25.2", "2.25.21", "XC"),
                ("B", "2.25.3", "2.25.31", "CT"),
                ("B", "2.25.3", "2.25.31", "CT"),
            ],
            1,
        ):
            data = examples.dicom(
                SpecificCharacterSet="ISO_IR 100",
                PatientID=patient,
                PatientName={"A": "Müller^Anna", "B": "Berg^Bo"}[patient],
                PatientBirthDate=None,
                AccessionNumber="",
                StudyInstanceUID=study,
                SeriesInstanceUID=series,
                SOPInstanceUID=f"2.25.100{number}",
                StudyDate=f"2026010{study[-1]}",
                StudyTime="101500",
                StudyDescription=f"Study {study}",
                Modality=modality,
                SeriesNumber=int(series[-1]),
                InstanceNumber=number,
                InstitutionName="General",
            )
            answer = client.post(
                "/dicom-web/studies", content=data, headers={"Content-Type": "application/dicom"}
            )
            assert answer.status_code == 200
        yield client


@pytest.fixture(scope="module")
def search(client: httpx.Client) -> Search:
    """The results of a search; keys and other parameters are given by name."""

    def run(path: str, **parameters: Any) -> list[dict[str, Any]]:
        answer = client.get(f"/dicom-web/{path}", params=parameters)
        if answer.status_code == 204:
            assert answer.content == b""
            return []
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"] == "application/dicom+json"
        results: list[dict[str, Any]] = answer.json()
        for result in results:
            assert list(result) == sorted(result)
        return results

    return run


def _uids(results: list[dict[str, Any]], tag: str) -> list[str]:
    return [result[tag]["Value"][0] for result in results]


def test_study_has_what_the_standard_lists(search: Search, client: httpx.Client) -> None:
    first = search("studies")[0]
    assert {tag: element.get("Value") for tag, element in first.items()} == {
        "00080005": ["ISO_IR 192"],
        "00080020": ["20260101"],
        "00080030": ["101500"],
        "00080050": None,
        "00080056": ["ONLINE"],
        "00080061": ["DOC", "XC"],
        "00081030": ["Study 2.25.1"],
        "00081190": [f"{client.base_url}/dicom-web/studies/2.25.1"],
        "00100010": [{"Alphabetic": "Müller^Anna"}],
        "00100020": ["A"],
        "0020000D": ["2.25.1"],
        "00201206": [2],
        "00201208": [3],
    }


def test_series_has_what_the_standard_lists(search: Search, client: httpx.Client) -> None:
    first = search("studies/2.25.1/series")[0]
    assert {tag: element.get("Value") for tag, element in first.items()} == {
        "00080005": ["ISO_IR 192"],
        "00080056": ["ONLINE"],
        "00080060": ["XC"],
        "00081190": [f"{client.base_url}/dicom-web/studies/2.25.1/series/2.25.11"],
        "0020000D": ["2.25.1"],
        "0020000E": ["2.25.11"],
        "00200011": [1],
        "00201209": [2],
    }


def test_instance_has_what_the_standard_lists(search: Search, client: httpx.Client) -> None:
    first = search("studies/2.25.1/series/2.25.11/instances")[0]
    assert {tag: element.get("Value") for tag, element in first.items()} == {
        "00080005": ["ISO_IR 192"],
        "00080016": ["1.2.840.10008.5.1.4.1.1.7"],
        "00080018": ["2.25.1001"],
        "00080056": ["ONLINE"],
        "00081190": [f"{client.base_url}/dicom-web/studies/2.25.1/series/2.25.11/instances/2.25.1001"],
        "00083002": ["1.2.840.10008.1.2.1"],
        "0020000D": ["2.25.1"],
        "0020000E": ["2.25.11"],
        "00200013": [1],
        "00280010": [16],
        "00280011": [16],
        "00280100": [8],
    }


def test_results_have_the_levels_above_that_the_address_does_not_name(search: Search) -> None:
    everywhere = search("instances")[0]
    assert everywhere["00100020"]["Value"] == ["A"]
    assert everywhere["00080060"]["Value"] == ["XC"]
    assert everywhere["00201208"]["Value"] == [3]
    in_study = search("studies/2.25.1/instances")[0]
    assert "00100020" not in in_study
    assert in_study["00080060"]["Value"] == ["XC"]
    assert search("series")[0]["00100020"]["Value"] == ["A"]


@pytest.mark.parametrize(
    ("path", "parameters", "number"),
    [
        ("studies", {}, 3),
        ("series", {}, 4),
        ("instances", {}, 6),
        ("studies", {"PatientID": "A"}, 2),
        ("studies", {"00100020": "B"}, 1),
        ("studies", {"PatientName": "m?ller*"}, 2),
        ("studies", {"StudyDate": "20260102-"}, 2),
        ("studies", {"ModalitiesInStudy": "DOC"}, 1),
        ("studies", {"ModalitiesInStudy": "XC"}, 2),
        ("studies", {"StudyInstanceUID": "2.25.1,2.25.3,9.9"}, 2),
        ("studies", {"StudyInstanceUID": "2.25.1\\2.25.3"}, 2),
        ("studies", {"PatientID": "A", "StudyDate": "20260101"}, 1),
        ("studies", {"PatientID": "*", "AccessionNumber": ""}, 3),
        ("series", {"Modality": "XC"}, 2),
        ("series", {"Modality": "XC", "PatientID": "A", "SeriesNumber": "1"}, 2),
        ("series", {"InstitutionName": "Gen*"}, 4),
        ("studies/2.25.1/series", {"Modality": "DOC"}, 1),
        ("studies/2.25.9/series", {}, 0),
        ("instances", {"InstanceNumber": "2"}, 1),
        ("instances", {"PatientID": "A"}, 4),
        ("instances", {"Modality": "CT", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, 2),
        ("instances", {"SOPInstanceUID": "2.25.1004"}, 1),
        ("studies/2.25.1/instances", {}, 3),
        ("studies/2.25.1/instances", {"SOPInstanceUID": "2.25.1004"}, 0),
        ("studies/2.25.1/series/2.25.12/instances", {}, 1),
        ("studies/2.25.2/series/2.25.12/instances", {}, 0),
    ],
)
def test_keys_at_every_level(path: str, parameters: dict[str, str], number: int, search: Search) -> None:
    assert len(search(path, **parameters)) == number


def test_keys_and_fields_are_returned(search: Search) -> None:
    assert search("series", InstitutionName="General")[0]["00080080"]["Value"] == ["General"]
    assert "00080080" not in search("series")[0]
    included = search("series", includefield=["InstitutionName", "00280010,SeriesDate"])[0]
    assert included["00080080"]["Value"] == ["General"]
    assert "00280010" not in included
    assert search("instances", includefield="all")[0]["00280101"]["Value"] == [8]
    assert "00280101" not in search("instances")[0]


def test_pages(client: httpx.Client) -> None:
    seen = []
    for offset in (0, 4):
        answer = client.get("/dicom-web/instances", params={"limit": 4, "offset": offset})
        seen += _uids(answer.json(), "00080018")
        warnings = answer.headers.get("Warning", "")
        assert ("There are 2 additional results" in warnings) == (offset == 0)
        assert warnings == "" or warnings.startswith("299 ")
    assert seen == [f"2.25.100{number}" for number in range(1, 7)]
    filtered = client.get("/dicom-web/instances", params={"limit": 1, "offset": 1, "PatientID": "A"})
    assert _uids(filtered.json(), "00080018") == ["2.25.1002"]
    assert "There are 2 additional results" in filtered.headers["Warning"]
    assert client.get("/dicom-web/instances", params={"offset": 6}).status_code == 204


def test_no_answer_is_longer_than_the_archive_likes(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qido, "MAX_RESULTS", 5)
    answer = client.get("/dicom-web/instances", params={"limit": 100})
    assert len(answer.json()) == 5
    assert "1 additional" in answer.headers["Warning"]


def test_fuzzy_matching_is_literal_and_says_so(client: httpx.Client) -> None:
    answer = client.get("/dicom-web/studies", params={"PatientName": "Berg^Bo", "fuzzymatching": "true"})
    assert len(answer.json()) == 1
    assert "fuzzymatching" in answer.headers["Warning"]
    assert "Warning" not in client.get("/dicom-web/studies", params={"fuzzymatching": "false"}).headers


@pytest.mark.parametrize(
    "query",
    [
        "PatientNam=x",
        "includefield=Nothing",
        "limit=-1",
        "limit=ten",
        "limit=1&limit=2",
        "offset=1.5",
        "limit=99999999999999999999",
        "fuzzymatching=perhaps",
        "StudyDate=yesterday",
        "PatientID=A&00100020=B",
        "Modality=XC",
        "NumberOfStudyRelatedInstances=3",
        "PixelData=1",
    ],
)
def test_searches_that_cannot_be_understood_are_refused_in_words(query: str, client: httpx.Client) -> None:
    answer = client.get(f"/dicom-web/studies?{query}")
    assert answer.status_code == 400
    assert len(answer.json()["message"]) > 20


def test_addresses_without_uids_are_refused(client: httpx.Client) -> None:
    assert client.get("/dicom-web/studies/x/series").status_code == 400
    assert client.get("/dicom-web/studies/2.25.1/series/..%2f..%2fx/instances").status_code in {400, 404}


def test_results_in_xml_are_parts(client: httpx.Client) -> None:
    answer = client.get(
        "/dicom-web/studies", headers={"Accept": 'multipart/related; type="application/dicom+xml"'}
    )
    content_type = parse_content_type(answer.headers["Content-Type"])
    assert content_type.parameters["type"] == "application/dicom+xml"
    events = Reader(content_type.parameters["boundary"]).feed(answer.content)
    models = [xml.load(event.data) for event in events if isinstance(event, PartData)]
    assert [model["0020000D"]["Value"][0] for model in models] == ["2.25.1", "2.25.2", "2.25.3"]
    one = client.get(
        "/dicom-web/studies?StudyInstanceUID=2.25.2", headers={"Accept": "application/dicom+xml"}
    )
    assert xml.load(one.content)["0020000D"]["Value"] == ["2.25.2"]
    assert client.get("/dicom-web/studies", headers={"Accept": "application/dicom+xml"}).status_code == 406
    assert client.get("/dicom-web/studies", headers={"Accept": "text/html"}).status_code == 406


def test_sequences_are_searched_into(
    archive: str, http: httpx.Client, stored: Callable[[bytes], str]
) -> None:
    item = pydicom.Dataset()
    item.ScheduledProcedureStepID = "STEP7"
    stored(examples.dicom(RequestAttributesSequence=[item]))
    key = "RequestAttributesSequence.ScheduledProcedureStepID"
    [found] = http.get(f"{archive}/series", params={key: "STEP7"}).json()
    assert found["00400275"]["Value"][0]["00400009"]["Value"] == ["STEP7"]
    assert http.get(f"{archive}/series", params={"00400275.00400009": "STEP8"}).status_code == 204
