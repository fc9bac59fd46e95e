from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.config import Form
from gateway.model import Instance
from gateway.stow import codes
from gateway.stow.answer import Answer, Failure, Stored
from gateway.stow.codes import Step
from gateway.stow.verdict import Verdict, judge
from instances import photo


@pytest.fixture
def one(tmp_path: Path) -> list[Instance]:
    return [photo(tmp_path, 1)]


@pytest.fixture
def three(tmp_path: Path) -> list[Instance]:
    return [photo(tmp_path, number) for number in (1, 2, 3)]


def failed(reason: int | None, text: str | None = None, status: int = 409) -> Answer:
    return Answer(status, failed={"2.25.1": Failure(reason, text, "2.25.1")})


def steps(instances: list[Instance], answer: Answer, form: Form = Form.DICOM) -> list[Step]:
    return [verdict.step for verdict in judge(instances, form, answer)]


@pytest.mark.parametrize("status", [200, 202, 206, 400, 409, 500])
def test_what_is_named_as_stored_is_stored_on_any_status(one: list[Instance], status: int) -> None:
    answer = Answer(status, stored={"2.25.1": Stored("http://here")})
    assert judge(one, Form.DICOM, answer) == [Verdict(Step.DONE, retrieve_url="http://here")]


@pytest.mark.parametrize(
    ("reason", "step", "words"),
    [
        (0xA700, Step.LATER, "out of resources (A700)"),
        (0xA7FF, Step.LATER, "out of resources (A7FF)"),
        (0xA770, Step.HOLD, "rule of the archive"),
        (0xA771, Step.HOLD, "rejected this object before"),
        (0xA777, Step.HOLD, "Patient ID that it trusts"),
        (0xA778, Step.HOLD, "another patient"),
        (0xA779, Step.HOLD, "another patient"),
        (0xA77A, Step.LATER, "deleting"),
        (0xA900, Step.FAIL, "does not match its SOP class"),
        (0xA901, Step.FAIL, "study in the address"),
        (0xA922, Step.FAIL, "did not find the bulk data"),
        (0xA9FF, Step.FAIL, "does not match its SOP class"),
        (0xC000, Step.FAIL, "cannot understand"),
        (0xC122, Step.FAIL, "transfer syntax"),
        (0xC409, Step.FAIL, "another study"),
        (0xC499, Step.FAIL, "not a DICOM file"),
        (0xCFFF, Step.FAIL, "cannot understand"),
        (0x0106, Step.FAIL, "invalid value"),
        (0x0110, Step.LATER_TWICE, "failed to process"),
        (0x0111, Step.CONFIRM, "already"),
        (0x0117, Step.FAIL, "UID"),
        (0x0122, Step.FAIL, "SOP class"),
        (0x0124, Step.FAIL, "authorize"),
        (0x0199, Step.FAIL, "failed to store"),
        (0x0213, Step.LATER, "out of resources"),
        (45070, Step.CONFIRM, "already (B00E)"),
        (45071, Step.LATER, "just working on"),
        (0xD123, Step.HOLD, "its own documents explain (D123)"),
        (None, Step.FAIL, "does not say why"),
    ],
)
def test_every_failure_reason(one: list[Instance], reason: int | None, step: Step, words: str) -> None:
    (verdict,) = judge(one, Form.DICOM, failed(reason))
    assert verdict.step is step
    assert verdict.reason == reason
    assert verdict.text is not None
    assert words in verdict.text


@pytest.mark.parametrize(
    ("status", "step", "doubt"),
    [
        (200, Step.LOOK, True),
        (202, Step.LOOK, True),
        (204, Step.LOOK, True),
        (206, Step.LOOK, True),
        (301, Step.REFUSED, False),
        (307, Step.REFUSED, False),
        (400, Step.FAIL, False),
        (401, Step.REFUSED, False),
        (402, Step.FAIL, False),
        (403, Step.REFUSED, False),
        (404, Step.REFUSED, False),
        (405, Step.REFUSED, False),
        (406, Step.REFUSED, False),
        (408, Step.LATER, False),
        (409, Step.FAIL, False),
        (411, Step.REFUSED, False),
        (413, Step.FAIL, False),
        (414, Step.REFUSED, False),
        (415, Step.FAIL, False),
        (422, Step.FAIL, False),
        (424, Step.LATER, True),
        (425, Step.LATER, False),
        (429, Step.LATER, False),
        (500, Step.LATER_TWICE, True),
        (501, Step.FAIL, False),
        (502, Step.LATER, True),
        (503, Step.LATER, False),
        (504, Step.LATER, True),
        (505, Step.REFUSED, False),
        (507, Step.LATER, False),
        (529, Step.LATER, True),
    ],
)
def test_every_status_of_an_answer_that_names_nobody(
    one: list[Instance], status: int, step: Step, doubt: bool
) -> None:
    (verdict,) = judge(one, Form.DICOM, Answer(status, text="so it says"))
    assert (verdict.step, verdict.doubt) == (step, doubt)
    assert f"(HTTP {status}): so it says" in str(verdict.text)


@pytest.mark.parametrize("reason", [0x0122, 0xC122, 0xC000])
@pytest.mark.parametrize("form", [Form.JSON, Form.XML])
def test_what_metadata_cannot_carry_goes_as_a_file(one: list[Instance], reason: int, form: Form) -> None:
    assert steps(one, failed(reason), form) == [Step.PART10]


def test_a_request_form_that_is_refused_goes_as_files(three: list[Instance]) -> None:
    assert steps(three, Answer(415), Form.JSON) == [Step.PART10] * 3


@pytest.mark.parametrize(
    "text",
    [
        "Content type image/jls of pixel data is not supported",
        "Unsupported Transfer Syntax 1.2.840.10008.1.2.4.50",
        "The transfer-syntax is not currently supported by this service",
        "Unsupported media type: only application/dicom",
        "media type not acceptable",
    ],
)
@pytest.mark.parametrize("reason", [0x0110, 0xA900, None, 0xD123])
def test_words_about_the_media_type_count_whatever_the_code(
    one: list[Instance], reason: int | None, text: str
) -> None:
    assert steps(one, failed(reason, text), Form.JSON) == [Step.PART10]
    assert steps(one, failed(reason, text), Form.DICOM) == [Step.FAIL]
    assert steps(one, Answer(400, text=text), Form.JSON) == [Step.PART10]


def test_only_when_all_fail_with_c000_is_it_the_form(three: list[Instance]) -> None:
    c000 = {f"2.25.{n}": Failure(0xC000, None, f"2.25.{n}") for n in (1, 2, 3)}
    assert steps(three, Answer(200, failed=c000), Form.JSON) == [Step.PART10] * 3
    assert steps(three, Answer(200, failed=c000), Form.DICOM) == [Step.FAIL] * 3
    some = {uid: c000[uid] for uid in ("2.25.1", "2.25.2")}
    mixed = Answer(202, stored={"2.25.3": Stored()}, failed=some)
    assert steps(three, mixed, Form.JSON) == [Step.FAIL, Step.FAIL, Step.DONE]


def test_failures_without_uid_are_the_missing_instances_when_they_must_be(three: list[Instance]) -> None:
    nameless = Failure(0xC000, "part-2")
    assert steps(three[:1], Answer(200, others=(nameless,))) == [Step.FAIL]
    assert steps(three, Answer(200, others=(nameless,) * 3), Form.JSON) == [Step.PART10] * 3
    partly = Answer(200, stored={"2.25.1": Stored(), "2.25.2": Stored()}, others=(nameless,))
    assert steps(three, partly) == [Step.DONE, Step.DONE, Step.FAIL]


def test_failures_without_uid_that_could_be_anybodys_prove_nothing(three: list[Instance]) -> None:
    stored: Any = {"2.25.1": Stored()}
    assert steps(three, Answer(202, stored=stored, others=(Failure(0xC000),))) == [
        Step.DONE,
        Step.LOOK,
        Step.LOOK,
    ]
    different = (Failure(0xC000, "part-1"), Failure(0xA700, "part-2"))
    assert steps(three, Answer(202, stored=stored, others=different)) == [Step.DONE, Step.LOOK, Step.LOOK]


def test_a_failure_under_an_invented_uid_is_the_missing_instance(one: list[Instance]) -> None:
    answer = Answer(409, failed={"1.2.40.99": Failure(0x0110, "no DICOM", "1.2.40.99")})
    (verdict,) = judge(one, Form.DICOM, answer)
    assert verdict.step is Step.LATER_TWICE
    assert "no DICOM" in str(verdict.text)


def test_an_instance_named_as_stored_and_as_failed_is_looked_up(one: list[Instance]) -> None:
    answer = Answer(202, stored={"2.25.1": Stored()}, failed={"2.25.1": Failure(0xA700)})
    (verdict,) = judge(one, Form.DICOM, answer)
    assert (verdict.step, verdict.doubt) == (Step.LOOK, True)


@pytest.mark.parametrize("status", [400, 409, 422])
def test_an_error_for_several_does_not_condemn_each(three: list[Instance], status: int) -> None:
    verdicts = judge(three, Form.DICOM, Answer(status, stored={"2.25.1": Stored()}))
    assert [verdict.step for verdict in verdicts] == [Step.DONE, Step.ALONE, Step.ALONE]
    assert verdicts[1].doubt


def test_a_request_that_is_too_large_is_divided_while_it_can_be(three: list[Instance]) -> None:
    assert steps(three, Answer(413)) == [Step.FEWER] * 3
    assert steps(three[:1], Answer(413)) == [Step.FAIL]


@pytest.mark.parametrize(
    "text", ["Instance already exists", "SOP instance is already stored", "Duplicate UID"]
)
def test_words_that_it_is_there_already_are_to_be_confirmed(one: list[Instance], text: str) -> None:
    assert steps(one, failed(0x0110, text)) == [Step.CONFIRM]
    assert steps(one, Answer(409, text=text)) == [Step.CONFIRM]


def test_remarks_on_what_is_stored(one: list[Instance]) -> None:
    def judged(stored: Stored, **others: Any) -> Verdict:
        return judge(one, Form.DICOM, Answer(200, stored={"2.25.1": stored}, **others))[0]

    coerced = judged(Stored(warning=0xB000, text="PatientID"))
    assert (coerced.remark, coerced.reason) == (True, 0xB000)
    assert coerced.text == "The archive stored the object and changed values in it (B000): PatientID"
    assert judged(Stored(warning=0xB123)).text == "The archive stored the object, with a remark (B123)"
    assert (
        judged(Stored(), text="be careful").text == "The archive stored the object and remarked: be careful"
    )
    assert not judged(Stored(), text="about the other", others=(Failure(0xC000),)).remark


def test_a_redirection_says_where_to(one: list[Instance]) -> None:
    (verdict,) = judge(one, Form.DICOM, Answer(301, location="https://new/studies"))
    assert "https://new/studies (HTTP 301)" in str(verdict.text)


def test_all_words_are_sentences_that_need_no_dot() -> None:
    meanings = [*codes.FAILURES.values(), *codes.STATUSES.values()]
    for meaning in meanings:
        for words in (meaning.words, meaning.remedy):
            assert not words.endswith((".", " "))
            assert words[:1].upper() == words[:1]
