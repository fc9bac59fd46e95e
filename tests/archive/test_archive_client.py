"""The embedded archive as dicomweb-client, somebody else's client, sees it."""

from __future__ import annotations

import io
from pathlib import Path

import httpx
import numpy as np
import pydicom
import pytest
from dicomweb_client.api import DICOMwebClient

import examples
from archive_requests import bulk, location, model, post


def _dataset(**attributes: object) -> pydicom.Dataset:
    return pydicom.dcmread(io.BytesIO(examples.dicom(**attributes)))


@pytest.fixture
def client(archive: str) -> DICOMwebClient:
    return DICOMwebClient(archive)


@pytest.fixture
def stored(client: DICOMwebClient) -> list[pydicom.Dataset]:
    """Three instances in two series of a study."""
    datasets = [
        _dataset(SOPInstanceUID=f"2.25.{n}", SeriesInstanceUID=f"2.25.9{n // 2}", PatientName=f"Doe^{n}")
        for n in range(3)
    ]
    answer = client.store_instances(datasets)
    assert [item.ReferencedSOPInstanceUID for item in answer.ReferencedSOPSequence] == [
        "2.25.0",
        "2.25.1",
        "2.25.2",
    ]
    assert "FailedSOPSequence" not in answer
    return datasets


def test_store_into_a_study(client: DICOMwebClient) -> None:
    answer = client.store_instances([_dataset()], study_instance_uid="2.25.1002")
    assert answer.RetrieveURL.endswith("/studies/2.25.1002")
    partly = client.store_instances(
        [_dataset(SOPInstanceUID="2.25.1"), _dataset(SOPInstanceUID="2.25.2", StudyInstanceUID="2.25.3")],
        study_instance_uid="2.25.1002",
    )
    assert [item.ReferencedSOPInstanceUID for item in partly.ReferencedSOPSequence] == ["2.25.1"]
    assert [item.ReferencedSOPInstanceUID for item in partly.FailedSOPSequence] == ["2.25.2"]


def test_search(client: DICOMwebClient, stored: list[pydicom.Dataset]) -> None:
    [study] = client.search_for_studies(search_filters={"PatientID": "P1"}, fields=["PatientName"])
    assert pydicom.Dataset.from_json(study).NumberOfStudyRelatedInstances == 3
    assert len(client.search_for_series("2.25.1002")) == 2
    assert len(client.search_for_series(search_filters={"Modality": "OT"})) == 2
    assert len(client.search_for_instances("2.25.1002", "2.25.90")) == 2
    assert len(client.search_for_instances("2.25.1002")) == 3
    assert len(client.search_for_instances(limit=2, get_remaining=True)) == 3
    assert client.search_for_instances(search_filters={"SOPInstanceUID": "9.9"}) == []


def test_retrieve(client: DICOMwebClient, stored: list[pydicom.Dataset]) -> None:
    assert client.retrieve_study("2.25.1002") == stored
    assert client.retrieve_series("2.25.1002", "2.25.90") == stored[:2]
    assert client.retrieve_instance("2.25.1002", "2.25.91", "2.25.2") == stored[2]
    explicit = (("application/dicom", "1.2.840.10008.1.2.1"),)
    assert client.retrieve_instance("2.25.1002", "2.25.91", "2.25.2", media_types=explicit) == stored[2]
    assert list(client.iter_study("2.25.1002")) == stored


def test_metadata_and_bulk_data(client: DICOMwebClient, stored: list[pydicom.Dataset]) -> None:
    assert len(client.retrieve_study_metadata("2.25.1002")) == 3
    assert len(client.retrieve_series_metadata("2.25.1002", "2.25.90")) == 2
    metadata = client.retrieve_instance_metadata("2.25.1002", "2.25.91", "2.25.2")
    assert metadata["00100010"]["Value"] == [{"Alphabetic": "Doe^2"}]
    assert client.retrieve_bulkdata(metadata["7FE00010"]["BulkDataURI"]) == [bytes(range(256))]
    octets = (("application/octet-stream", "1.2.840.10008.1.2.1"),)
    assert client.retrieve_bulkdata(metadata["7FE00010"]["BulkDataURI"], media_types=octets) == [
        bytes(range(256))
    ]


def test_frames_and_pictures(client: DICOMwebClient, stored: list[pydicom.Dataset]) -> None:
    uids = ("2.25.1002", "2.25.91", "2.25.2")
    assert client.retrieve_instance_frames(*uids, frame_numbers=[1]) == [bytes(range(256))]
    assert client.retrieve_instance_rendered(*uids)[:2] == b"\xff\xd8"
    assert client.retrieve_instance_rendered(*uids, media_types=("image/png",))[:4] == b"\x89PNG"
    assert (
        client.retrieve_instance_frames_rendered(*uids, frame_numbers=[1], media_types=("image/jpeg",))[:2]
        == b"\xff\xd8"
    )


def test_frames_of_a_picture(archive: str, client: DICOMwebClient) -> None:
    picture = examples.jpeg()
    with httpx.Client(trust_env=False) as http:
        answer = post(http, archive, [model()], bulk(picture, "image/jpeg"))
    uids = location(answer).split("/")[-5::2]
    as_stored = client.retrieve_instance_frames(
        *uids, frame_numbers=[1], media_types=(("image/jpeg", "1.2.840.10008.1.2.4.50"),)
    )
    assert as_stored[0] in (picture, picture + b"\0")
    [decoded] = client.retrieve_instance_frames(
        *uids, frame_numbers=[1], media_types=(("application/octet-stream", "1.2.840.10008.1.2.1"),)
    )
    assert np.frombuffer(decoded, np.uint8).size == 23 * 37 * 3


def test_delete(client: DICOMwebClient, stored: list[pydicom.Dataset], tmp_path: Path) -> None:
    client.delete_instance("2.25.1002", "2.25.90", "2.25.0")
    client.delete_series("2.25.1002", "2.25.90")
    assert len(client.search_for_instances()) == 1
    client.delete_study("2.25.1002")
    assert client.search_for_studies() == []
    assert not list(tmp_path.rglob("*.dcm"))
