"""The client against an archive that answers as told, and what becomes of every instance."""

from __future__ import annotations

import email
import email.policy
import gzip
import json
import logging
import re
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.config import Credentials, Destination, Form, Tls
from gateway.errors import Fatal, Pause, Refused, Retry, Unreachable
from gateway.model import Bulk, Outcome, Status
from gateway.stow import client as module
from gateway.stow import multipart
from gateway.stow.client import Client
from gateway.stream import FileSlice, Stream
from instances import EXPLICIT_LITTLE, SECONDARY_CAPTURE, SERIES, STUDY, document, instance, photo

URL = "http://archive.example/dicom-web"
Reply = httpx.Response | Exception | Callable[["Post"], "httpx.Response | Exception"]


@dataclass(frozen=True)
class Post:
    """A store request as it came in."""

    request: httpx.Request
    body: bytes

    @property
    def parts(self) -> list[Any]:
        head = f"MIME-Version: 1.0\r\nContent-Type: {self.request.headers['content-type']}\r\n\r\n"
        message = email.message_from_bytes(head.encode() + self.body, policy=email.policy.HTTP)
        return list(message.iter_parts())

    @property
    def form(self) -> str:
        return str(self.parts[0].get_content_type())

    @property
    def uids(self) -> list[str]:
        """The SOP Instance UIDs in it: in JSON, in XML, or in the data sets of files."""
        if self.form == "application/dicom+json":
            models = json.loads(self.parts[0].get_payload(decode=True))
            return [model["00080018"]["Value"][0] for model in models]
        found = re.findall(
            rb"\x08\x00\x18\x00UI..([0-9.]+)|0080018[^>]*>\s*<Value[^>]*>([0-9.]+)", self.body, re.S
        )
        return [(file or text).decode() for file, text in found]


@dataclass
class Archive:
    """An archive that answers store requests by a script, and searches by what it holds.

    The last line of the script is repeated. `search` answers a search instead.
    """

    script: Sequence[Reply]
    held: set[str] = field(default_factory=set)
    search: Callable[[httpx.Request], httpx.Response | Exception] | None = None
    posts: list[Post] = field(default_factory=list)
    searches: list[httpx.Request] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        reply = self._posted(request) if request.method == "POST" else self._searched(request)
        if isinstance(reply, Exception):
            raise reply
        return reply

    def _posted(self, request: httpx.Request) -> httpx.Response | Exception:
        if isinstance(self.script[0], httpx.ConnectError) and len(self.script) == 1:
            return self.script[0]
        post = Post(request, request.read())
        self.posts.append(post)
        reply = self.script[min(len(self.posts), len(self.script)) - 1]
        return reply(post) if callable(reply) else reply

    def _searched(self, request: httpx.Request) -> httpx.Response | Exception:
        self.searches.append(request)
        if self.search:
            return self.search(request)
        uid = request.url.params["SOPInstanceUID"]
        return httpx.Response(200, json=[known(uid)] if uid in self.held else [])


def known(uid: str, study: str = STUDY) -> dict[str, Any]:
    return {
        "00080018": {"vr": "UI", "Value": [uid]},
        "0020000D": {"vr": "UI", "Value": [study]},
        "00081190": {"vr": "UR", "Value": [f"http://found/{uid}"]},
    }


def named(uids: Sequence[str], **more: Any) -> dict[str, Any]:
    """An answer that names instances as stored; `failed` maps others to their reasons."""
    failed = more.pop("failed", {})
    stored = [
        {"00081155": {"vr": "UI", "Value": [uid]}, "00081190": {"vr": "UR", "Value": [f"http://a/{uid}"]}}
        for uid in uids
    ]
    failures = [
        {"00081155": {"vr": "UI", "Value": [uid]}, "00081197": {"vr": "US", "Value": [reason]}}
        for uid, reason in failed.items()
    ]
    return {
        "00081198": {"vr": "SQ", **({"Value": failures} if failures else {})},
        "00081199": {"vr": "SQ", **({"Value": stored} if stored else {})},
    }


def taken(post: Post) -> httpx.Response:
    """Everything in the request is stored."""
    return httpx.Response(200, json=named(post.uids))


def fails(reason: int, status: int = 409) -> Callable[[Post], httpx.Response]:
    return lambda post: httpx.Response(status, json=named([], failed=dict.fromkeys(post.uids, reason)))


@dataclass
class Time:
    """A clock that goes on only while somebody sleeps."""

    now: float = 1000.0
    naps: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def client(time: Time) -> Iterator[Callable[..., Client]]:
    """Makes clients of an archive; named arguments change the destination."""
    made: list[Client] = []

    def make(archive: Any, *, on_progress: Callable[[int], None] | None = None, **changes: Any) -> Client:
        made.append(
            Client(
                replace(Destination(URL), **changes),
                transport=httpx.MockTransport(archive),
                on_progress=on_progress,
                clock=time.clock,
                sleep=time.sleep,
                random=lambda: 1.0,
            )
        )
        return made[-1]

    yield make
    for each in made:
        each.close()


def statuses(outcomes: Sequence[Outcome]) -> list[Status]:
    return [outcome.status for outcome in outcomes]


# What goes out


@pytest.mark.parametrize("form", list(Form))
def test_a_request_says_what_it_is_and_how_long(tmp_path: Path, client: Any, form: Form) -> None:
    archive = Archive([taken])
    (outcome,) = client(archive, form=form, accept=Form.XML).store([photo(tmp_path)])
    (post,) = archive.posts
    assert str(post.request.url) == f"{URL}/studies"
    assert post.request.headers["content-length"] == str(len(post.body))
    assert "transfer-encoding" not in post.request.headers
    assert post.request.headers["content-type"].startswith(
        f'multipart/related; type="{form.media_type}"; boundary='
    )
    assert post.request.headers["accept"] == "application/dicom+xml"
    assert post.request.headers["user-agent"].startswith("stow-gateway/")
    assert "authorization" not in post.request.headers
    assert post.form == form.media_type
    assert outcome.status is Status.STORED
    assert outcome.retrieve_url == "http://a/2.25.3"
    assert (outcome.sop_instance_uid, outcome.study_instance_uid, outcome.series_instance_uid) == (
        "2.25.3",
        STUDY,
        SERIES,
    )
    assert (outcome.attempts, outcome.size, outcome.text, outcome.messages) == (1, 17, None, ())


def test_json_is_the_answer_asked_for_by_default(tmp_path: Path, client: Any) -> None:
    archive = Archive([taken])
    client(archive).store([photo(tmp_path)])
    assert archive.posts[0].request.headers["accept"] == "application/dicom+json"


def test_chunked_only_when_asked(tmp_path: Path, client: Any) -> None:
    archive = Archive([taken])
    client(archive, chunked=True).store([photo(tmp_path)])
    assert archive.posts[0].request.headers["transfer-encoding"] == "chunked"
    assert "content-length" not in archive.posts[0].request.headers


def test_headers_of_the_users_own_take_the_place_of_ours(tmp_path: Path, client: Any) -> None:
    archive = Archive([lambda post: httpx.Response(200)], {"2.25.3"})
    headers = (
        ("accept", "application/json"),
        ("X-Tenant", " jürgen "),
        ("authorization", "Key k"),
        ("X-Two", "1"),
        ("X-Two", "2"),
    )
    client(archive, headers=headers, credentials=Credentials(bearer="t")).store([photo(tmp_path)])
    sent = archive.posts[0].request.headers
    assert sent.get_list("accept") == ["application/json"]
    assert sent.get_list("authorization") == ["Key k"]
    assert sent.get_list("x-two") == ["1", "2"]
    assert (b"X-Tenant", "jürgen".encode()) in sent.raw
    asked = archive.searches[0].headers
    assert asked.get_list("accept") == ["application/dicom+json"]
    assert asked["authorization"] == "Key k"


@pytest.mark.parametrize(
    "header",
    [
        ("bad name", "v"),
        ("", "v"),
        ("X", "hush\r\nY: 1"),
        ("X", "hush\x00"),
        ("Content-Length", "1"),
        ("transfer-encoding", "x"),
    ],
)
def test_headers_that_cannot_be_sent_are_refused_without_their_values(
    client: Any, header: tuple[str, str]
) -> None:
    with pytest.raises(Fatal) as caught:
        client(Archive([taken]), headers=(header,))
    assert "hush" not in str(caught.value)


def test_a_single_file_goes_without_an_envelope(tmp_path: Path, client: Any) -> None:
    archive = Archive([lambda post: httpx.Response(200, json=named(["2.25.3"]))])
    each = photo(tmp_path, part10=Stream.of(b"the whole file"))
    client(archive, single_part=True, form=Form.JSON, limit=0).store([each, each])
    assert [post.body for post in archive.posts] == [b"the whole file"] * 2
    assert archive.posts[0].request.headers["content-type"] == "application/dicom"


def test_the_type_parameter_without_quotes(tmp_path: Path, client: Any) -> None:
    archive = Archive([taken])
    client(archive, unquoted_type=True).store([photo(tmp_path)])
    assert "; type=application/dicom; " in archive.posts[0].request.headers["content-type"]


def test_a_study_and_a_query_in_the_address_are_kept(tmp_path: Path, client: Any) -> None:
    archive = Archive([lambda post: httpx.Response(200)], {"2.25.3"})
    client(archive, url=f"{URL}/studies/{STUDY}/?api-key=k&00100020=1").store([photo(tmp_path)])
    assert str(archive.posts[0].request.url) == f"{URL}/studies/{STUDY}?api-key=k&00100020=1"
    assert str(archive.searches[0].url) == f"{URL}/studies/{STUDY}/instances?SOPInstanceUID=2.25.3&api-key=k"


@pytest.mark.parametrize(("limit", "sizes"), [(1, [1] * 5), (2, [2, 2, 1]), (0, [5]), (9, [5])])
@pytest.mark.parametrize("form", list(Form))
def test_the_limit_of_instances_in_a_request(
    tmp_path: Path, client: Any, limit: int, sizes: list[int], form: Form
) -> None:
    archive = Archive([taken])
    outcomes = client(archive, limit=limit, form=form).store([photo(tmp_path, n) for n in range(1, 6)])
    assert [len(post.uids) for post in archive.posts] == sizes
    assert [outcome.sop_instance_uid for outcome in outcomes] == [f"2.25.{n}" for n in range(1, 6)]
    assert set(statuses(outcomes)) == {Status.STORED}


def test_the_limit_of_bytes_in_a_request(tmp_path: Path, client: Any) -> None:
    archive = Archive([taken])
    large = [photo(tmp_path, n, content=bytes(4000)) for n in range(1, 5)]
    client(archive, limit=0, max_request_size=10_000).store(
        [*large, photo(tmp_path, 5, content=bytes(20_000))]
    )
    assert [len(post.uids) for post in archive.posts] == [2, 2, 1]
    assert all(len(post.body) <= 10_000 for post in archive.posts[:2])


def test_one_uid_is_never_twice_in_a_request(tmp_path: Path, client: Any) -> None:
    archive = Archive([taken])
    each = photo(tmp_path)
    assert statuses(client(archive, limit=0).store([each, each])) == [Status.STORED] * 2
    assert [post.uids for post in archive.posts] == [["2.25.3"]] * 2


def test_files_and_metadata_never_share_a_request(tmp_path: Path, client: Any) -> None:
    archive = Archive([taken])
    instances = [
        photo(tmp_path, 1),
        photo(tmp_path, 2, metadata_obstacle="it has 2 compressed frames"),
        photo(tmp_path, 3),
    ]
    outcomes = client(archive, form=Form.JSON, limit=0).store(instances)
    assert [(post.form, post.uids) for post in archive.posts] == [
        ("application/dicom+json", ["2.25.1"]),
        ("application/dicom", ["2.25.2"]),
        ("application/dicom+json", ["2.25.3"]),
    ]
    assert [outcome.messages for outcome in outcomes] == [
        (),
        ("sent as a DICOM file: it has 2 compressed frames",),
        (),
    ]


def test_messages_of_an_instance_stay_with_it(tmp_path: Path, client: Any) -> None:
    (outcome,) = client(Archive([taken])).store([photo(tmp_path, messages=("is named .png",))])
    assert outcome.messages == ("is named .png",)


def test_an_instance_that_cannot_be_encoded_does_not_stop_the_others(tmp_path: Path, client: Any) -> None:
    small = FileSlice.whole(photo(tmp_path, 1).source.path)
    huge = Bulk(0x7FE00010, "OW", Stream.of(replace(small, length=5 * 2**30)))
    instances = [
        instance(small.path, 1, SECONDARY_CAPTURE, EXPLICIT_LITTLE, huge),
        photo(tmp_path, 2),
    ]
    archive = Archive([taken])
    assert statuses(client(archive, limit=0).store(instances)) == [Status.REJECTED, Status.STORED]
    assert archive.posts[0].uids == ["2.25.2"]


def test_nothing_to_store(client: Any) -> None:
    assert client(Archive([taken])).store([]) == []


# Now and later


@pytest.mark.parametrize("status", [408, 424, 425, 429, 500, 502, 503, 504, 507, 529])
def test_trouble_that_passes_is_waited_for(tmp_path: Path, client: Any, time: Time, status: int) -> None:
    archive = Archive([httpx.Response(status), httpx.Response(status), taken])
    (outcome,) = client(archive).store([photo(tmp_path)])
    assert (outcome.status, outcome.attempts) == (Status.STORED, 3)
    assert time.naps == [0.5, 1.0]
    in_doubt = status not in (408, 425, 429, 503, 507)
    assert len(archive.searches) == (2 if in_doubt else 0)


@pytest.mark.parametrize("reason", [0xA700, 0xA7FF, 0x0213, 45071, 0x0110])
def test_reasons_that_pass_are_waited_for(tmp_path: Path, client: Any, time: Time, reason: int) -> None:
    archive = Archive([fails(reason), fails(reason), taken])
    assert statuses(client(archive).store([photo(tmp_path)])) == [Status.STORED]
    assert len(time.naps) == 2
    assert not archive.searches


def test_only_the_instances_that_need_it_are_sent_again(tmp_path: Path, client: Any) -> None:
    first = httpx.Response(202, json=named(["2.25.1"], failed={"2.25.2": 0xA700, "2.25.3": 0xA900}))
    archive = Archive([first, taken])
    outcomes = client(archive, limit=0).store([photo(tmp_path, n) for n in (1, 2, 3)])
    assert statuses(outcomes) == [Status.STORED, Status.STORED, Status.FAILED]
    assert [post.uids for post in archive.posts] == [["2.25.1", "2.25.2", "2.25.3"], ["2.25.2"]]
    assert outcomes[2].reason == "A900"


def test_it_gives_up_when_the_time_is_over(tmp_path: Path, client: Any, time: Time) -> None:
    archive = Archive([httpx.Response(503, text="in maintenance")])
    (outcome,) = client(archive, retry_for=30).store([photo(tmp_path)])
    assert outcome.status is Status.RETRY
    assert (
        outcome.text
        == "The archive is not available just now (HTTP 503): in maintenance. Send it again later"
    )
    assert sum(time.naps) == 30
    assert time.naps == [0.5, 1, 2, 4, 8, 14.5]


def test_nothing_is_tried_again_with_no_time_for_it(tmp_path: Path, client: Any, time: Time) -> None:
    archive = Archive([httpx.Response(503)])
    assert statuses(client(archive, retry_for=0).store([photo(tmp_path)])) == [Status.RETRY]
    assert (len(archive.posts), time.naps) == (1, [])


def test_nobody_waits_twice_for_an_archive_in_trouble(tmp_path: Path, client: Any, time: Time) -> None:
    archive = Archive([httpx.Response(503)] * 8 + [fails(0xA900), httpx.Response(503), taken])
    sender = client(archive, retry_for=30)
    assert statuses(sender.store([photo(tmp_path)])) == [Status.RETRY]
    waited = len(time.naps)
    assert statuses(sender.store([photo(tmp_path)])) == [Status.RETRY]
    assert len(time.naps) == waited
    assert statuses(sender.store([photo(tmp_path)])) == [Status.FAILED]  # it answers again
    assert statuses(sender.store([photo(tmp_path)])) == [Status.STORED]
    assert len(time.naps) == waited + 1


@pytest.mark.parametrize(
    "headers",
    [
        {"Retry-After": "7"},
        {"Retry-After": "Fri, 01 Jan 2027 12:00:07 GMT", "Date": "Fri, 01 Jan 2027 12:00:00 GMT"},
    ],
)
def test_an_archive_that_asks_for_time_gets_it(
    tmp_path: Path, client: Any, time: Time, headers: dict[str, str]
) -> None:
    archive = Archive([httpx.Response(429, headers=headers), taken])
    assert statuses(client(archive).store([photo(tmp_path)])) == [Status.STORED]
    assert time.naps == [7.5]


def test_an_archive_that_asks_for_more_time_than_there_is(tmp_path: Path, client: Any, time: Time) -> None:
    archive = Archive([httpx.Response(503, headers={"Retry-After": "3600"})])
    (outcome,) = client(archive).store([photo(tmp_path)])
    assert outcome.status is Status.RETRY
    assert str(outcome.text).endswith("It asks to wait 3600 seconds")
    assert time.naps == []


def test_waits_are_shortened_by_chance(tmp_path: Path, time: Time) -> None:
    transport = httpx.MockTransport(Archive([httpx.Response(503), taken]))
    with Client(
        Destination(URL), transport=transport, clock=time.clock, sleep=time.sleep, random=lambda: 0.0
    ) as each:
        each.store([photo(tmp_path)])
    assert time.naps == [0.25]


@pytest.mark.parametrize(
    ("reply", "reason"), [(httpx.Response(500, text="NullPointerException"), None), (fails(0x0110), "0110")]
)
def test_what_the_archive_stumbles_over_is_sent_three_times(
    tmp_path: Path, client: Any, reply: Reply, reason: str | None
) -> None:
    archive = Archive([reply])
    (outcome,) = client(archive).store([photo(tmp_path)])
    assert (outcome.status, outcome.attempts, outcome.reason) == (Status.FAILED, 3, reason)


@pytest.mark.parametrize("reason", [0xA770, 0xA771, 0xA777, 0xA778, 0xA779])
def test_what_somebody_must_decide_is_held(tmp_path: Path, client: Any, reason: int) -> None:
    archive = Archive([fails(reason)])
    (outcome,) = client(archive).store([photo(tmp_path)])
    assert (outcome.status, outcome.reason, len(archive.posts)) == (Status.HELD, f"{reason:04X}", 1)


@pytest.mark.parametrize("reason", [0xA900, 0xA922, 0xC000, 0xC122, 0x0122, 0x0117, 0x0124])
def test_what_is_wrong_is_sent_once(tmp_path: Path, client: Any, reason: int) -> None:
    archive = Archive([fails(reason)])
    (outcome,) = client(archive).store([photo(tmp_path)])
    assert (outcome.status, outcome.reason, len(archive.posts)) == (Status.FAILED, f"{reason:04X}", 1)


def test_a_remark_is_a_warning(tmp_path: Path, client: Any) -> None:
    reference = {"00081155": {"vr": "UI", "Value": ["2.25.3"]}, "00081196": {"vr": "US", "Value": [45056]}}
    archive = Archive([httpx.Response(200, json=[{"00081199": {"vr": "SQ", "Value": [reference]}}])])
    (outcome,) = client(archive).store([photo(tmp_path)])
    assert (outcome.status, outcome.reason) == (Status.WARNING, "B000")


# What receivers really do


def test_orthanc_says_400_and_has_stored_one_of_two(tmp_path: Path, client: Any) -> None:
    archive = Archive([httpx.Response(400, content=json.dumps(named(["2.25.1"])).encode())])
    outcomes = client(archive, limit=0).store([photo(tmp_path, 1), photo(tmp_path, 2)])
    assert statuses(outcomes) == [Status.STORED, Status.FAILED]
    assert [post.uids for post in archive.posts] == [["2.25.1", "2.25.2"], ["2.25.2"]]
    assert len(archive.searches) == 1


def test_one_bad_file_does_not_condemn_the_request(tmp_path: Path, client: Any) -> None:
    def picky(post: Post) -> httpx.Response:
        return httpx.Response(400, text="garbage") if "2.25.2" in post.uids else taken(post)

    outcomes = client(Archive([picky]), limit=0).store([photo(tmp_path, n) for n in (1, 2, 3)])
    assert statuses(outcomes) == [Status.STORED, Status.FAILED, Status.STORED]
    assert "garbage" in str(outcomes[1].text)


def test_an_empty_200_is_no_success(tmp_path: Path, client: Any, time: Time) -> None:
    archive = Archive([httpx.Response(200, json=named([]))])
    (outcome,) = client(archive).store([photo(tmp_path)])
    assert (outcome.status, outcome.attempts) == (Status.FAILED, 2)
    assert outcome.text == (
        "The archive answered, but did not name the object as stored (HTTP 200). "
        "It was sent twice, and a search does not find it"
    )
    assert len(archive.searches) == 2
    assert time.naps == []


@pytest.mark.parametrize(
    "reply",
    [httpx.Response(200), httpx.Response(204), httpx.Response(202, json={}), httpx.Response(200, text="OK")],
)
def test_an_answer_without_names_is_looked_up(tmp_path: Path, client: Any, reply: httpx.Response) -> None:
    archive = Archive([reply], held={"2.25.3"})
    (outcome,) = client(archive).store([photo(tmp_path)])
    assert (outcome.status, len(archive.posts)) == (Status.STORED, 1)
    assert outcome.retrieve_url == "http://found/2.25.3"
    assert outcome.messages[-1].endswith("a search found the object in the archive")


def test_static_dicomweb_says_200_and_everything_failed(tmp_path: Path, client: Any) -> None:
    failure = {"00091001": {"vr": "LO", "Value": ["part-2"]}, "00081197": {"vr": "US", "Value": [49152]}}
    reply = httpx.Response(200, json={"00081198": {"vr": "SQ", "Value": [failure]}})
    (outcome,) = client(Archive([reply])).store([photo(tmp_path)])
    assert (outcome.status, outcome.reason) == (Status.FAILED, "C000")
    assert "part-2" in str(outcome.text)


def test_an_instance_missing_from_the_answer_is_sent_again_alone(tmp_path: Path, client: Any) -> None:
    archive = Archive([httpx.Response(200, json=named(["2.25.1"])), taken])
    outcomes = client(archive, limit=0).store([photo(tmp_path, 1), photo(tmp_path, 2)])
    assert statuses(outcomes) == [Status.STORED] * 2
    assert archive.posts[1].uids == ["2.25.2"]


def test_dcm4chees_last_words_are_in_the_warning_header(tmp_path: Path, client: Any) -> None:
    def reply(post: Post) -> httpx.Response:
        body = named([], failed=dict.fromkeys(post.uids, 0xA922))
        return httpx.Response(
            409, json=body, headers={"Warning": '299 dcm4chee-arc "Missing Bulkdata: bulk/1"'}
        )

    (outcome,) = client(Archive([reply]), form=Form.JSON).store([photo(tmp_path)])
    assert "(A922): Missing Bulkdata: bulk/1. " in str(outcome.text)


def test_compressed_answers_are_read(tmp_path: Path, client: Any) -> None:
    body = gzip.compress(json.dumps(named(["2.25.3"])).encode())
    reply = httpx.Response(200, content=body, headers={"Content-Encoding": "gzip"})
    assert statuses(client(Archive([reply])).store([photo(tmp_path)])) == [Status.STORED]


def test_an_endless_answer_is_not_read_to_its_end(
    tmp_path: Path, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []

    def endless() -> Iterator[bytes]:
        while True:
            read.append(1)
            yield b" " * 1000

    monkeypatch.setattr(module, "LONGEST_ANSWER", 5000)
    archive = Archive([lambda post: httpx.Response(200, content=endless())], held={"2.25.3"})
    assert statuses(client(archive).store([photo(tmp_path)])) == [Status.STORED]
    assert len(read) < 10


# Nobody knows


LOST = [
    httpx.RemoteProtocolError("Server disconnected without sending a response."),
    httpx.ReadError("[Errno 104] Connection reset by peer"),
    httpx.WriteError("broken pipe"),
]


@pytest.mark.parametrize("error", LOST)
def test_a_connection_that_was_closed_is_looked_up_and_sent_again_at_once(
    tmp_path: Path, client: Any, time: Time, error: Exception
) -> None:
    archive = Archive([error, taken])
    (outcome,) = client(archive).store([photo(tmp_path)])
    assert (outcome.status, outcome.attempts) == (Status.STORED, 2)
    assert (len(archive.searches), time.naps) == (1, [])


@pytest.mark.parametrize("error", [*LOST, httpx.ReadTimeout("slow"), httpx.WriteTimeout("slow")])
def test_what_is_found_is_not_sent_again(tmp_path: Path, client: Any, error: Exception) -> None:
    archive = Archive([error], held={"2.25.3"})
    (outcome,) = client(archive).store([photo(tmp_path)])
    assert (outcome.status, len(archive.posts)) == (Status.STORED, 1)


def test_a_timeout_is_waited_for_and_looked_up(tmp_path: Path, client: Any, time: Time) -> None:
    archive = Archive([httpx.ReadTimeout("slow"), taken])
    (outcome,) = client(archive).store([photo(tmp_path)])
    assert (outcome.status, len(archive.searches), time.naps) == (Status.STORED, 1, [0.5])


def test_a_connection_that_always_breaks(tmp_path: Path, client: Any, time: Time) -> None:
    archive = Archive([LOST[0]])
    (outcome,) = client(archive).store([photo(tmp_path)])
    assert outcome.status is Status.RETRY  # it was looked up, and is not there
    assert "closed the connection" in str(outcome.text)
    assert sum(time.naps) == 30


@pytest.mark.parametrize("status", [400, 403, 405, 501])
def test_what_cannot_be_looked_up_is_unknown(tmp_path: Path, client: Any, time: Time, status: int) -> None:
    archive = Archive([LOST[0]], search=lambda _: httpx.Response(status))
    (outcome,) = client(archive).store([photo(tmp_path)])
    assert (outcome.status, len(archive.posts), time.naps) == (Status.UNKNOWN, 1, [])
    assert f"its search answers with status {status}" in str(outcome.text)


@pytest.mark.parametrize("reply", [httpx.Response(503), LOST[0], httpx.ReadTimeout("slow")])
def test_a_search_that_fails_is_tried_again_before_it_is_unknown(
    tmp_path: Path, client: Any, time: Time, reply: httpx.Response | Exception
) -> None:
    archive = Archive([LOST[0]], search=lambda _: reply)
    (outcome,) = client(archive).store([photo(tmp_path)])
    assert (outcome.status, len(archive.posts)) == (Status.UNKNOWN, 1)
    assert sum(time.naps) == 30


def test_an_archive_that_goes_away_while_it_is_asked(tmp_path: Path, client: Any) -> None:
    archive = Archive([LOST[0]], search=lambda _: httpx.ConnectError("[Errno 111] Connection refused"))
    with pytest.raises(Unreachable) as caught:
        client(archive).store([photo(tmp_path)])
    assert statuses(caught.value.outcomes) == [Status.UNKNOWN]


def test_the_last_attempt_is_looked_up_too(tmp_path: Path, client: Any) -> None:
    archive = Archive([httpx.Response(504)], held={"2.25.3"})
    (outcome,) = client(archive, retry_for=0).store([photo(tmp_path)])
    assert (outcome.status, len(archive.posts)) == (Status.STORED, 1)


def searched(reply: dict[str, httpx.Response]) -> Callable[[httpx.Request], httpx.Response]:
    """Answers searches in a study and searches everywhere differently."""
    return lambda request: reply["study" if "/studies/" in request.url.path else "all"]


@pytest.mark.parametrize(
    ("in_study", "everywhere", "status"),
    [
        (httpx.Response(404), httpx.Response(200, json=[known("2.25.3")]), Status.STORED),
        (httpx.Response(501), httpx.Response(204), Status.RETRY),
        (httpx.Response(200, json=[known("2.25.9")]), httpx.Response(200, json=[]), Status.RETRY),
        (
            httpx.Response(200, json=[known("2.25.9")]),
            httpx.Response(200, json=[known("2.25.8")]),
            Status.UNKNOWN,
        ),
        (httpx.Response(200, json=[known("2.25.9"), known("2.25.3")]), httpx.Response(500), Status.STORED),
        (httpx.Response(200, json=[known("2.25.3", "2.25.77")]), httpx.Response(500), Status.RETRY),
        (httpx.Response(200, text="<html>Welcome</html>"), httpx.Response(404), Status.UNKNOWN),
        (httpx.Response(404), httpx.Response(404), Status.UNKNOWN),
    ],
)
def test_only_an_answer_about_this_instance_counts(
    tmp_path: Path, client: Any, in_study: httpx.Response, everywhere: httpx.Response, status: Status
) -> None:
    archive = Archive([httpx.ReadTimeout("slow")], search=searched({"study": in_study, "all": everywhere}))
    assert statuses(client(archive, retry_for=0).store([photo(tmp_path)])) == [status]


# It is there already


@pytest.mark.parametrize(
    "reply", [fails(0x0111), fails(45070), httpx.Response(409, text="The instance already exists")]
)
def test_a_duplicate_is_one_when_a_search_finds_it(tmp_path: Path, client: Any, reply: Reply) -> None:
    archive = Archive([reply], held={"2.25.3"})
    (outcome,) = client(archive).store([photo(tmp_path)])
    assert (outcome.status, len(archive.posts), len(archive.searches)) == (Status.DUPLICATE, 1, 1)


def test_a_duplicate_that_is_not_there_has_failed(tmp_path: Path, client: Any) -> None:
    (outcome,) = client(Archive([fails(0x0111)])).store([photo(tmp_path)])
    assert (outcome.status, outcome.reason) == (Status.FAILED, "0111")
    assert "a search does not find it in its study" in str(outcome.text)


def test_a_duplicate_that_cannot_be_looked_up_is_a_warning(tmp_path: Path, client: Any) -> None:
    archive = Archive([fails(45070)], search=lambda _: httpx.Response(501))
    (outcome,) = client(archive).store([photo(tmp_path)])
    assert outcome.status is Status.WARNING
    assert "could not be checked" in str(outcome.text)


# Another form, a smaller request


def not_as_metadata(post: Post) -> httpx.Response:
    if post.form == "application/dicom":
        return taken(post)
    return httpx.Response(
        415, json={"Message": "Unsupported media type", "Details": "only application/dicom"}
    )


@pytest.mark.parametrize("form", [Form.JSON, Form.XML])
def test_files_go_where_metadata_are_refused_and_that_is_remembered(
    tmp_path: Path, client: Any, form: Form
) -> None:
    archive = Archive([not_as_metadata])
    sender = client(archive, form=form, limit=0)
    first = sender.store([photo(tmp_path, 1), document(tmp_path, 2)])
    (later,) = sender.store([photo(tmp_path, 3)])
    assert [post.form for post in archive.posts] == [
        form.media_type,
        "application/dicom",
        "application/dicom",
    ]
    assert [post.uids for post in archive.posts[1:]] == [["2.25.1", "2.25.2"], ["2.25.3"]]
    assert statuses([*first, later]) == [Status.STORED] * 3
    assert first[0].messages == (
        "sent as a DICOM file, because the archive did not take metadata and bulk data: The archive does not "
        "take this form of request (HTTP 415): Unsupported media type: only application/dicom",
    )
    assert later.messages == (
        "sent as a DICOM file, because the archive does not take metadata and bulk data",
    )


@pytest.mark.parametrize("reason", [0x0122, 0xC122, 0xC000])
def test_an_instance_that_is_not_supported_as_metadata_is_sent_as_a_file_once(
    tmp_path: Path, client: Any, reason: int
) -> None:
    def reply(post: Post) -> httpx.Response:
        return taken(post) if post.form == "application/dicom" else fails(reason)(post)

    archive = Archive([reply])
    sender = client(archive, form=Form.JSON)
    assert (
        statuses(sender.store([photo(tmp_path, 1)]) + sender.store([photo(tmp_path, 2)]))
        == [Status.STORED] * 2
    )
    assert [post.form for post in archive.posts] == [
        "application/dicom+json",
        "application/dicom",
        "application/dicom",
    ]


def test_a_file_that_is_not_supported_either_has_failed(tmp_path: Path, client: Any) -> None:
    archive = Archive([fails(0x0122)])
    (outcome,) = client(archive, form=Form.JSON).store([photo(tmp_path)])
    assert (outcome.status, outcome.reason, outcome.attempts) == (Status.FAILED, "0122", 2)


def test_only_the_instance_that_is_not_supported_is_sent_as_a_file(tmp_path: Path, client: Any) -> None:
    first = httpx.Response(202, json=named(["2.25.1"], failed={"2.25.2": 0xC122}))
    archive = Archive([first, taken])
    outcomes = client(archive, form=Form.JSON, limit=0).store([photo(tmp_path, 1), photo(tmp_path, 2)])
    assert [(post.form, post.uids) for post in archive.posts][1:] == [("application/dicom", ["2.25.2"])]
    assert [bool(outcome.messages) for outcome in outcomes] == [False, True]


def test_static_dicomweb_takes_files_where_all_metadata_failed(tmp_path: Path, client: Any) -> None:
    failure = {"00091001": {"vr": "LO", "Value": ["part-2"]}, "00081197": {"vr": "US", "Value": [49152]}}

    def reply(post: Post) -> httpx.Response:
        if post.form == "application/dicom":
            return taken(post)
        return httpx.Response(200, json={"00081198": {"vr": "SQ", "Value": [failure, failure]}})

    outcomes = client(Archive([reply]), form=Form.JSON, limit=0).store(
        [photo(tmp_path, 1), photo(tmp_path, 2)]
    )
    assert statuses(outcomes) == [Status.STORED] * 2


def test_a_request_that_is_too_large_is_divided(tmp_path: Path, client: Any) -> None:
    def reply(post: Post) -> httpx.Response:
        return taken(post) if len(post.uids) <= 2 else httpx.Response(413)

    archive = Archive([reply])
    outcomes = client(archive, limit=0).store([photo(tmp_path, n) for n in range(1, 8)])
    assert set(statuses(outcomes)) == {Status.STORED}
    assert [len(post.uids) for post in archive.posts] == [7, 3, 3, 1, 1, 1, 1, 1, 1, 1]
    assert not archive.searches


def test_an_instance_that_is_too_large_by_itself_has_failed(tmp_path: Path, client: Any) -> None:
    (outcome,) = client(Archive([httpx.Response(413)])).store([photo(tmp_path)])
    assert outcome.status is Status.FAILED
    assert outcome.text == "The request is larger than the archive takes (HTTP 413). Have its limit raised"


# The destination takes nothing


@pytest.mark.parametrize("status", [401, 403, 404, 405, 406, 407, 411, 505])
def test_a_destination_that_does_not_let_us_in(tmp_path: Path, client: Any, status: int) -> None:
    archive = Archive([httpx.Response(status)])
    with pytest.raises(
        Refused, match=rf"http://archive\.example/dicom-web/studies: .*HTTP {status}"
    ) as caught:
        client(archive, credentials=Credentials(user="me", password="hush")).store([photo(tmp_path)])
    assert len(archive.posts) == 1
    assert statuses(caught.value.outcomes) == [Status.RETRY]
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirections_are_told_and_not_followed(tmp_path: Path, client: Any, status: int) -> None:
    archive = Archive([httpx.Response(status, headers={"Location": "https://new.example/studies?t=hush"})])
    with pytest.raises(Refused, match=r"another address, https://new\.example/studies \(HTTP") as caught:
        client(archive).store([photo(tmp_path)])
    assert "hush" not in str(caught.value)
    assert len(archive.posts) == 1


def test_an_instance_that_was_named_keeps_its_outcome(tmp_path: Path, client: Any) -> None:
    archive = Archive([taken, httpx.Response(403)])
    with pytest.raises(Refused) as caught:
        client(archive).store([photo(tmp_path, n) for n in (1, 2, 3)])
    assert statuses(caught.value.outcomes) == [Status.STORED, Status.RETRY, Status.RETRY]
    assert [outcome.sop_instance_uid for outcome in caught.value.outcomes] == ["2.25.1", "2.25.2", "2.25.3"]


def test_a_403_about_one_instance_is_not_about_the_destination(tmp_path: Path, client: Any) -> None:
    (outcome,) = client(Archive([fails(0x0124, 403)])).store([photo(tmp_path)])
    assert (outcome.status, outcome.reason) == (Status.FAILED, "0124")


def test_nobody_there(tmp_path: Path, client: Any, time: Time) -> None:
    archive = Archive([httpx.ConnectError("[Errno 111] Connection refused")])
    with pytest.raises(Unreachable, match=r"dicom-web/studies cannot be reached: .* is running") as caught:
        client(archive, retry_for=30).store([photo(tmp_path, 1), photo(tmp_path, 2)])
    assert sum(time.naps) == 30
    assert not archive.searches
    assert statuses(caught.value.outcomes) == [Status.RETRY] * 2


def test_nothing_is_looked_up_when_nothing_was_sent(tmp_path: Path, client: Any) -> None:
    archive = Archive([httpx.ConnectError("refused"), httpx.ConnectTimeout("slow"), taken])
    assert statuses(client(archive).store([photo(tmp_path)])) == [Status.STORED]
    assert not archive.searches


def test_a_token_that_is_refused_is_read_again_once(tmp_path: Path, client: Any) -> None:
    file = tmp_path / "token"
    file.write_text("old")

    def reply(post: Post) -> httpx.Response:
        file.write_text("new")
        return taken(post) if post.request.headers["authorization"] == "Bearer new" else httpx.Response(401)

    archive = Archive([reply])
    (outcome,) = client(archive, credentials=Credentials(bearer_file=file)).store([photo(tmp_path)])
    assert outcome.status is Status.STORED
    assert [post.request.headers["authorization"] for post in archive.posts] == ["Bearer old", "Bearer new"]
    assert archive.posts[0].body == archive.posts[1].body


def test_a_new_token_that_is_refused_too(tmp_path: Path, client: Any) -> None:
    file = tmp_path / "token"
    file.write_text("old-hush")

    def reply(post: Post) -> httpx.Response:
        file.write_text("new-hush")
        return httpx.Response(401, headers={"WWW-Authenticate": "Bearer"})

    archive = Archive([reply])
    with pytest.raises(Refused, match="HTTP 401") as caught:
        client(archive, credentials=Credentials(bearer_file=file)).store([photo(tmp_path)])
    assert len(archive.posts) == 2
    assert "hush" not in str(caught.value)


# Sources


def test_a_source_that_changes_on_the_way_is_not_stored(tmp_path: Path, client: Any) -> None:
    each = photo(tmp_path)
    each.source.path.write_bytes(b"something else")
    archive = Archive([taken])
    (outcome,) = client(archive).store([each])
    assert outcome.status is Status.RETRY
    assert "Jane Doe 3.jpg changed while it was being read" in str(outcome.text)
    assert not archive.posts


def test_a_source_that_is_gone(tmp_path: Path, client: Any) -> None:
    each = photo(tmp_path)
    each.source.path.unlink()
    (outcome,) = client(Archive([taken])).store([each])
    assert outcome.status is Status.REJECTED
    assert "cannot be read" in str(outcome.text)


def test_a_source_that_changes_does_not_take_the_others_along(tmp_path: Path, client: Any) -> None:
    instances = [photo(tmp_path, n) for n in (1, 2, 3)]
    instances[1].source.path.write_bytes(b"something else")
    archive = Archive([taken])
    outcomes = client(archive, limit=0).store(instances)
    assert statuses(outcomes) == [Status.STORED, Status.RETRY, Status.STORED]
    assert len(archive.searches) == 3  # parts of the broken request may have been stored


def test_a_disk_that_fails_is_the_sources_trouble(
    tmp_path: Path, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: FileSlice) -> Iterator[bytes]:
        raise OSError(5, "Input/output error", "photo.jpg")
        yield b""

    each = photo(tmp_path)
    monkeypatch.setattr(FileSlice, "__iter__", broken)
    (outcome,) = client(Archive([taken])).store([each])
    assert outcome.status is Status.RETRY
    assert outcome.text == "photo.jpg could not be read to its end: Input/output error"


# Asking before sending


def test_what_is_there_and_what_is_not(tmp_path: Path, client: Any) -> None:
    sender = client(Archive([taken], held={"2.25.1"}))
    assert sender.existing(photo(tmp_path, 1))
    assert not sender.existing(photo(tmp_path, 2))


def test_a_study_that_is_not_found_has_nothing(tmp_path: Path, client: Any) -> None:
    assert not client(Archive([taken], search=lambda _: httpx.Response(404))).existing(photo(tmp_path))


def test_an_archive_that_cannot_be_asked(tmp_path: Path, client: Any) -> None:
    with pytest.raises(Refused, match=r"status 501\. Leave out --skip-existing"):
        client(Archive([taken], search=lambda _: httpx.Response(501))).existing(photo(tmp_path))


@pytest.mark.parametrize("reply", [httpx.Response(503), LOST[0], httpx.ConnectError("refused")])
def test_an_archive_that_does_not_answer(tmp_path: Path, client: Any, time: Time, reply: Any) -> None:
    with pytest.raises(Unreachable):
        client(Archive([taken], search=lambda _: reply)).existing(photo(tmp_path))
    assert sum(time.naps) == 30


# Reading back


def fetched(tmp_path: Path, client: Any, *replies: httpx.Response | Exception) -> bytes:
    script = iter(replies)

    def archive(request: httpx.Request) -> httpx.Response:
        assert str(request.url) == f"{URL}/studies/1.1/series/1.2/instances/1.3"
        assert request.headers["accept"] == 'multipart/related; type="application/dicom"; transfer-syntax=*'
        reply = next(script)
        if isinstance(reply, Exception):
            raise reply
        return reply

    with (tmp_path / "back.dcm").open("w+b") as file:
        client(archive).retrieve("1.1", "1.2", "1.3", file)
        file.seek(0)
        return file.read()


def test_an_instance_comes_back_without_its_envelope(tmp_path: Path, client: Any) -> None:
    part = multipart.Part((("Content-Type", "application/dicom"),), Stream.of(b"the file\r\n"))
    headers = {"Content-Type": multipart.related("application/dicom", "bound")}
    whole = multipart.write([part], "bound").read()
    back = fetched(tmp_path, client, LOST[0], httpx.Response(200, content=whole, headers=headers))
    assert back == b"the file\r\n"
    with pytest.raises(Retry, match="did not come back whole"):
        fetched(tmp_path, client, httpx.Response(200, content=whole[:-10], headers=headers))


def test_an_instance_may_come_back_as_it_is(tmp_path: Path, client: Any) -> None:
    reply = httpx.Response(200, content=b"the file", headers={"Content-Type": "application/dicom"})
    assert fetched(tmp_path, client, reply) == b"the file"


def test_an_instance_that_is_not_given(tmp_path: Path, client: Any) -> None:
    with pytest.raises(Refused, match=r"does not give an instance back \(HTTP 404\): no such thing"):
        fetched(tmp_path, client, httpx.Response(404, text="no such thing"))


# Watching, stopping, sharing


def test_progress_adds_up_to_what_was_sent(tmp_path: Path, client: Any) -> None:
    steps: list[int] = []
    archive = Archive([httpx.Response(503), LOST[0], taken])
    client(archive, on_progress=steps.append).store([photo(tmp_path, content=bytes(600_000))])
    assert sum(steps) == len(archive.posts[-1].body)
    assert min(steps) == -len(archive.posts[0].body)
    assert len([step for step in steps if step > 0]) >= 6


def test_sending_can_be_stopped(tmp_path: Path) -> None:
    archive = Archive([httpx.Response(503)])
    with Client(Destination(URL, limit=1), transport=httpx.MockTransport(archive)) as sender:
        stopper = threading.Timer(0.1, sender.stop)
        stopper.start()
        outcomes = sender.store([photo(tmp_path, 1), photo(tmp_path, 2)])
        assert statuses(outcomes) == [Status.RETRY] * 2
        posted = len(archive.posts)
        (outcome,) = sender.store([photo(tmp_path, 3)])
        assert outcome.text == "Sending was stopped before this was sent"
        assert len(archive.posts) == posted


def test_many_threads_share_a_client(tmp_path: Path, client: Any) -> None:
    archive = Archive([not_as_metadata])
    sender = client(archive, form=Form.JSON)
    instances = [photo(tmp_path, n) for n in range(1, 41)]
    with ThreadPoolExecutor(8) as workers:
        outcomes = list(workers.map(lambda each: sender.store([each])[0], instances))
    assert [outcome.sop_instance_uid for outcome in outcomes] == [each.sop_instance_uid for each in instances]
    assert set(statuses(outcomes)) == {Status.STORED}
    assert sum(post.form == "application/dicom+json" for post in archive.posts) <= 8


def test_secrets_are_nowhere_to_be_seen(
    tmp_path: Path, client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "gateway")
    archive = Archive([httpx.Response(401)])
    sender = client(
        archive, url=f"{URL}?key=hush", headers=(("X-Key", "hush"),), credentials=Credentials(bearer="hush")
    )
    with pytest.raises(Pause) as caught:
        sender.store([photo(tmp_path)])
    assert "hush" not in repr(sender) + str(caught.value) + caplog.text
    assert "4711" not in caplog.text


@pytest.mark.parametrize(
    ("tls", "words"),
    [
        (Tls(ca=Path("no-such.pem")), "no-such.pem cannot be read: No such file"),
        (Tls(ca=Path(__file__)), "does not hold certificates"),
        (Tls(certificate=Path("no-such.pem")), "no-such.pem or its key cannot be read"),
        (Tls(certificate=Path(__file__)), "must hold a PEM certificate and the private key"),
    ],
)
def test_certificates_that_are_none(client: Any, tls: Tls, words: str) -> None:
    with pytest.raises(Fatal, match=re.escape(words)):
        client(Archive([taken]), url="https://archive.example/dicom-web", tls=tls)


@pytest.mark.parametrize("url", ["archive.example", "http://", "http://\u2024/x"])
def test_addresses_that_are_none(client: Any, url: str) -> None:
    with pytest.raises(Fatal, match="address"):
        client(Archive([taken]), url=url)


def test_a_proxy_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "gopher://user:hush@proxy")
    with pytest.raises(Fatal, match="The proxy named in the environment cannot be used") as caught:
        Client(Destination(URL))
    assert "hush" not in str(caught.value)
    Client(Destination("http://127.0.0.1:1/dicom-web")).close()  # this machine is reached without a proxy


def test_attempts_to_connect_get_shorter_with_the_time_that_is_left(
    tmp_path: Path, client: Any, time: Time
) -> None:
    allowed: list[float] = []

    def unreachable(request: httpx.Request) -> httpx.Response:
        seconds = request.extensions["timeout"]["connect"]
        allowed.append(seconds)
        time.now += seconds
        raise httpx.ConnectTimeout("slow")

    started = time.now
    with pytest.raises(Unreachable):
        client(unreachable, retry_for=30, connect_timeout=10.0).store([photo(tmp_path)])
    assert allowed == [10.0, 10.0, 8.5]
    assert time.now - started == 30


def test_a_host_that_does_not_exist_is_not_waited_for(tmp_path: Path, client: Any, time: Time) -> None:
    error = httpx.ConnectError("[Errno -2] Name or service not known")
    error.__cause__ = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    with pytest.raises(Unreachable, match="cannot be reached: name or service not known"):
        client(Archive([error])).store([photo(tmp_path)])
    assert time.naps == []


def test_a_proxy_that_does_not_let_us_through(tmp_path: Path, client: Any) -> None:
    archive = Archive([httpx.ProxyError("407 Proxy Authentication Required")])
    with pytest.raises(Refused, match=r"the proxy does not let us through \(407"):
        client(archive).store([photo(tmp_path)])


def test_an_authority_may_be_a_folder(client: Any, tmp_path: Path) -> None:
    client(Archive([taken]), url="https://archive.example", tls=Tls(ca=tmp_path))
