"""The client on real connections: sockets that behave badly, TLS, proxies, and Orthanc."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file

from gateway.config import Credentials, Destination, Form, Tls
from gateway.errors import Refused, Unreachable
from gateway.model import Bulk, Instance, Outcome, Source, Status
from gateway.stow.client import Client
from gateway.stream import FileSlice, Stream
from instances import document, photo
from support import free_port, require

Script = Callable[["Visitor"], None]


class Visitor:
    """One connection to a server, from its side."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._file = connection.makefile("rb")
        self.bodies: list[bytes] = []

    def request(self) -> tuple[str, dict[str, str]] | None:
        """The next request's first line and headers, its body read to the end; None when there is none."""
        first = self._file.readline().decode()
        if not first:
            return None
        headers: dict[str, str] = {}
        while (line := self._file.readline().decode().strip()) != "":
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        self.bodies.append(self._file.read(int(headers.get("content-length", 0))))
        return first, headers

    def reply(self, status: str, body: bytes = b"", *headers: str) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
        self.connection.sendall("\r\n".join(lines).encode() + body)


@contextmanager
def server(*scripts: Script, context: ssl.SSLContext | None = None) -> Iterator[tuple[str, list[str]]]:
    """A server whose n-th connection follows the n-th script, and further ones the last.

    Yields its address and the list of the first lines of the requests that it got.
    """
    seen: list[str] = []
    threads: list[threading.Thread] = []
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.05)
    ended = threading.Event()

    class Recording(Visitor):
        def request(self) -> tuple[str, dict[str, str]] | None:
            request = super().request()
            if request:
                seen.append(" ".join(request[0].split()[:2]))
            return request

    def visit(connection: socket.socket, script: Script) -> None:
        with connection:
            connection.settimeout(10)
            try:
                if context:
                    connection = context.wrap_socket(connection, server_side=True)
                script(Recording(connection))
            except OSError:
                pass
            finally:
                connection.close()

    def listen() -> None:
        count = 0
        while not ended.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            script = scripts[min(count, len(scripts) - 1)]
            count += 1
            threads.append(threading.Thread(target=visit, args=(connection, script), daemon=True))
            threads[-1].start()

    listening = threading.Thread(target=listen, daemon=True)
    listening.start()
    try:
        scheme = "https" if context else "http"
        yield f"{scheme}://127.0.0.1:{listener.getsockname()[1]}/rs", seen
    finally:
        ended.set()
        listening.join()
        listener.close()


def answer(uid: str) -> bytes:
    return json.dumps(
        {"00081199": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": [uid]}}]}}
    ).encode()


def good(visitor: Visitor) -> None:
    """Takes photo 3, knows nothing, and keeps the connection."""
    while request := visitor.request():
        if request[0].startswith("POST"):
            visitor.reply("200 OK", answer("2.25.3"))
        else:
            visitor.reply("200 OK", b"[]")


def store(url: str, instance: Instance, **changes: object) -> Outcome:
    with Client(Destination(url, **changes)) as client:  # type: ignore[arg-type]
        (outcome,) = client.store([instance])
    return outcome


def test_connections_are_kept(tmp_path: Path) -> None:
    with server(good, lambda visitor: None) as (url, seen), Client(Destination(url)) as client:
        for _ in range(3):
            assert client.store([photo(tmp_path)])[0].status is Status.STORED
    assert seen == ["POST /rs/studies"] * 3


def test_a_connection_that_went_stale_is_replaced(tmp_path: Path) -> None:
    def once(visitor: Visitor) -> None:
        visitor.request()
        visitor.reply("200 OK", answer("2.25.3"))
        visitor.request()  # takes the second request, and hangs up without a word

    with server(once, good) as (url, seen), Client(Destination(url, retry_for=0)) as client:
        outcomes = [client.store([photo(tmp_path)])[0] for _ in range(2)]
    assert [(outcome.status, outcome.attempts) for outcome in outcomes] == [
        (Status.STORED, 1),
        (Status.STORED, 2),
    ]
    search = "GET /rs/studies/2.25.1/instances?SOPInstanceUID=2.25.3"
    assert seen == ["POST /rs/studies", "POST /rs/studies", search, "POST /rs/studies"]


@pytest.mark.parametrize(
    "half",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
        b"HTTP/1.1 200",
        b"",
    ],
)
def test_half_an_answer_is_none(tmp_path: Path, half: bytes) -> None:
    def breaks_off(visitor: Visitor) -> None:
        visitor.request()
        visitor.connection.sendall(half)

    with server(breaks_off, good) as (url, seen):
        outcome = store(url, photo(tmp_path))
    assert (outcome.status, outcome.attempts) == (Status.STORED, 2)
    assert seen[1].startswith("GET /rs/studies/2.25.1/instances?")


def test_a_server_that_hangs_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    released = threading.Event()

    def hangs(visitor: Visitor) -> None:
        visitor.request()
        released.wait(10)

    with server(hangs) as (url, seen):
        outcome = store(url, photo(tmp_path), timeout=0.05, retry_for=0)
        released.set()
    assert outcome.status is Status.UNKNOWN
    assert "The archive was silent for 0.05 seconds" in str(outcome.text)
    assert [line.split()[0] for line in seen] == ["POST", "GET"]


def test_a_server_that_answers_before_it_has_everything(tmp_path: Path) -> None:
    def impatient(visitor: Visitor) -> None:
        visitor.connection.recv(1000)
        visitor.reply("413 Too Large", b"", "Connection: close")
        while visitor.connection.recv(1_000_000):
            pass

    with server(impatient) as (url, _):
        outcome = store(url, photo(tmp_path, content=bytes(20_000_000)), retry_for=0)
    assert outcome.status is Status.FAILED
    assert "(HTTP 413)" in str(outcome.text)


def test_what_does_not_speak_http(tmp_path: Path) -> None:
    def greets(visitor: Visitor) -> None:
        visitor.connection.sendall(b"220 mail.example ready\r\n\r\n")
        visitor.request()

    with (
        server(greets) as (url, _),
        pytest.raises(Refused, match=r"does not speak HTTP\. Check host and port"),
    ):
        store(url, photo(tmp_path))


def test_a_closed_port(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match=r"cannot be reached: connection refused\. Check the address"):
        store(f"http://127.0.0.1:{free_port()}/rs", photo(tmp_path), retry_for=0)


def test_a_source_that_changes_halfway_is_never_complete_on_the_wire(tmp_path: Path) -> None:
    instance = photo(tmp_path, content=bytes(5_000_000))
    received: list[int] = []

    def meddles(visitor: Visitor) -> None:
        visitor.connection.recv(1000)
        with instance.source.path.open("ab") as file:
            file.write(b"more")
        size = 0
        while data := visitor.connection.recv(1_000_000):
            size += len(data)
        received.append(size)

    with server(meddles) as (url, _):
        outcome = store(url, instance, retry_for=0)
    assert outcome.status is Status.RETRY
    assert "changed while it was being read" in str(outcome.text)


# TLS


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an authority, a certificate for 127.0.0.1, one for another name, and a client's."""
    folder = tmp_path_factory.mktemp("authority")

    def openssl(*words: str) -> None:
        subprocess.run([require("openssl"), *words], cwd=folder, check=True, capture_output=True)

    key = ["-newkey", "rsa:2048", "-nodes", "-days", "2"]
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Test authority")
    for name, subject in (("here", "IP:127.0.0.1"), ("other", "DNS:other.example"), ("client", "DNS:me")):
        openssl("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (folder / "ext").write_text(f"subjectAltName={subject}\n")
        signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "ext", "-days", "2"]
        openssl("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", *signed)
    openssl("rsa", "-aes128", "-passout", "pass:x", "-in", "client.key", "-out", "encrypted.key")
    return folder


def secured(authority: Path, name: str = "here", *, ask: bool = False) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority / "ca.pem"))
    context.load_cert_chain(authority / f"{name}.pem", authority / f"{name}.key")
    context.verify_mode = ssl.CERT_REQUIRED if ask else ssl.CERT_NONE
    return context


def test_a_certificate_is_verified(tmp_path: Path, authority: Path) -> None:
    with server(good, context=secured(authority)) as (url, seen):
        with pytest.raises(
            Refused, match=r"its certificate is not trusted \(.*\)\. Name the authority"
        ) as caught:
            store(url, photo(tmp_path))
        assert [outcome.status for outcome in caught.value.outcomes] == [Status.RETRY]
        assert seen == []
        assert store(url, photo(tmp_path), tls=Tls(ca=authority / "ca.pem")).status is Status.STORED
        assert store(url, photo(tmp_path), tls=Tls(verify=False)).status is Status.STORED


def test_a_certificate_for_another_name(tmp_path: Path, authority: Path) -> None:
    ca = authority / "ca.pem"
    with server(good, context=secured(authority, "other")) as (url, _):
        with pytest.raises(Refused, match="not trusted"):
            store(url, photo(tmp_path), tls=Tls(ca=ca))
        assert store(url, photo(tmp_path), tls=Tls(ca=ca, check_hostname=False)).status is Status.STORED


def test_a_client_certificate(tmp_path: Path, authority: Path) -> None:
    ca, certificate, key = (authority / name for name in ("ca.pem", "client.pem", "client.key"))
    with server(good, context=secured(authority, ask=True)) as (url, _):
        outcome = store(url, photo(tmp_path), tls=Tls(ca=ca, certificate=certificate, key=key))
        assert outcome.status is Status.STORED
        with pytest.raises(Refused, match=r"certificate required.*--cert"):
            store(url, photo(tmp_path), tls=Tls(ca=ca))


def test_an_encrypted_key_does_not_ask_for_a_password(authority: Path) -> None:
    tls = Tls(certificate=authority / "client.pem", key=authority / "encrypted.key")
    with pytest.raises(Exception, match=r"encrypted\.key is encrypted"):
        Client(Destination("https://127.0.0.1", tls=tls))


def test_https_where_http_is_spoken(tmp_path: Path) -> None:
    def objects(visitor: Visitor) -> None:
        visitor.connection.recv(1000)
        visitor.reply("400 Bad Request")

    with server(objects) as (url, _), pytest.raises(Refused, match="TLS fails"):
        store(url.replace("http:", "https:"), photo(tmp_path))


# Proxies


def test_proxies_are_used_but_not_for_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with server(good) as (proxy, seen), server(good) as (url, direct):
        monkeypatch.setenv("HTTP_PROXY", proxy)
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        assert store("http://archive.example/rs", photo(tmp_path)).status is Status.STORED
        assert store(url, photo(tmp_path)).status is Status.STORED
        monkeypatch.setenv("no_proxy", "archive.example")
        with pytest.raises(Unreachable):
            store("http://archive.example/rs", photo(tmp_path), retry_for=0)
    assert seen == ["POST http://archive.example/rs/studies"]
    assert direct == ["POST /rs/studies"]


# Orthanc


def part10_file(name: str) -> Instance:
    """A file of pydicom's, as it is."""
    path = Path(str(get_testdata_file(name)))
    dataset = pydicom.dcmread(path, stop_before_pixels=True)
    return Instance(
        source=Source(path, path.parent),
        sop_class_uid=dataset.SOPClassUID,
        sop_instance_uid=dataset.SOPInstanceUID,
        series_instance_uid=dataset.SeriesInstanceUID,
        study_instance_uid=dataset.StudyInstanceUID,
        transfer_syntax=dataset.file_meta.TransferSyntaxUID,
        dataset=pydicom.Dataset(dataset),
        part10=Stream.of(FileSlice.whole(path)),
    )


def retrieved(orthanc: str, instance: Instance) -> bytes:
    """The file as Orthanc keeps it."""
    root = orthanc.removesuffix("/dicom-web")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{root}/tools/lookup", data=instance.sop_instance_uid.encode()) as found:
        path = json.load(found)[0]["Path"]
    with opener.open(f"{root}{path}/file") as file:
        data: bytes = file.read()
        return data


def test_orthanc_keeps_every_byte_of_a_file(orthanc: str) -> None:
    instance = part10_file("CT_small.dcm")
    outcome = store(orthanc, instance)
    assert outcome.status is Status.STORED
    assert str(outcome.retrieve_url).endswith(instance.sop_instance_uid)
    assert retrieved(orthanc, instance) == instance.source.path.read_bytes()


def test_orthanc_gives_back_what_it_got(tmp_path: Path, orthanc: str) -> None:
    instance = part10_file("JPEG2000.dcm")
    with Client(Destination(orthanc)) as client, (tmp_path / "back.dcm").open("w+b") as file:
        client.store([instance])
        client.retrieve(
            instance.study_instance_uid, instance.series_instance_uid, instance.sop_instance_uid, file
        )
        file.seek(0)
        assert file.read() == instance.source.path.read_bytes()


@pytest.mark.parametrize("accept", [Form.JSON, Form.XML])
def test_orthanc_answers_in_both_forms(orthanc: str, accept: Form) -> None:
    assert store(orthanc, part10_file("MR_small.dcm"), accept=accept).status is Status.STORED


@pytest.mark.parametrize("form", [Form.JSON, Form.XML])
def test_orthanc_takes_files_where_it_refuses_metadata(tmp_path: Path, orthanc: str, form: Form) -> None:
    instances = [photo(tmp_path, 31), document(tmp_path, 32)]
    with Client(Destination(orthanc, form=form, limit=0)) as client:
        outcomes = client.store(instances)
    assert [(outcome.status, outcome.attempts) for outcome in outcomes] == [(Status.STORED, 2)] * 2
    assert "(HTTP 415)" in outcomes[0].messages[0]
    stored = pydicom.dcmread(pydicom.filebase.DicomBytesIO(retrieved(orthanc, instances[1])))
    assert stored.EncapsulatedDocument.rstrip(b"\0") == instances[1].bulks[0].value.read()


def test_orthanc_knows_what_it_has(orthanc: str) -> None:
    instance = part10_file("rtplan.dcm")
    with Client(Destination(orthanc)) as client:
        assert not client.existing(instance)
        client.store([instance])
        assert client.existing(instance)


def test_orthanc_tells_the_study_in_the_address_from_the_instances(tmp_path: Path, orthanc: str) -> None:
    outcome = store(f"{orthanc}/studies/1.2.3", photo(tmp_path, 33))
    assert (outcome.status, outcome.reason) == (Status.FAILED, "0110")


def test_orthanc_does_not_understand_garbage(tmp_path: Path, orthanc: str) -> None:
    garbage = photo(tmp_path, 34, part10=Stream.of(b"this is no DICOM file"))
    with Client(Destination(orthanc, limit=0)) as client:
        outcomes = client.store([photo(tmp_path, 35), garbage])
    assert [outcome.status for outcome in outcomes] == [Status.STORED, Status.FAILED]
    assert "(HTTP 400)" in str(outcomes[1].text)


def test_a_wrong_address_of_orthanc(tmp_path: Path, orthanc: str) -> None:
    with pytest.raises(Refused, match=r"There is nothing at this address \(HTTP 404\)"):
        store(
            orthanc.replace("dicom-web", "no-such-root"),
            photo(tmp_path, 36),
            credentials=Credentials(bearer="t"),
        )


def test_bulk_values_of_many_chunks_arrive_whole(tmp_path: Path, orthanc: str) -> None:
    path = tmp_path / "large.pdf"
    path.write_bytes(b"%PDF-1.4 " + bytes(range(256)) * 4000)
    bulk = Bulk(0x00420011, "OB", Stream.of(FileSlice.whole(path)), "application/pdf")
    instance = document(tmp_path, 37, bulks=(bulk,))
    assert store(orthanc, instance).status is Status.STORED
    stored = pydicom.dcmread(pydicom.filebase.DicomBytesIO(retrieved(orthanc, instance)))
    assert stored.EncapsulatedDocument[: path.stat().st_size] == path.read_bytes()
