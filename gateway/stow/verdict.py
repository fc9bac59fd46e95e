"""What an answer says of each instance of a request, and what to do about it.

An instance is stored when the archive names it as stored, and failed when it names it as failed. All
others are accounted for by subtraction: a 2xx by itself proves nothing, and an error status speaks for
those that the body does not name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.config import Form
from gateway.model import Instance
from gateway.stow import codes
from gateway.stow.answer import Answer, Failure, Stored
from gateway.stow.codes import Meaning, Step

CANNOT_UNDERSTAND = 0xC000

_MEDIA = r"(media|content)[ -]?types?|transfer[ -]?syntax(es)?"
_NO = r"not\s+(currently\s+)?(supported|accepted|allowed|acceptable)|unsupported|un-?acceptable"
_UNSUPPORTED = re.compile(
    rf"\b({_MEDIA})\b.{{0,200}}?\b({_NO})\b|\b({_NO})\b.{{0,40}}?\b({_MEDIA})\b", re.I | re.S
)
_ALREADY_THERE = re.compile(
    r"\balready\s+(been\s+)?(exists?|existing|stored|present|there)\b|\bduplicate\b", re.I
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be done about one instance; `text` is for people, `reason` the archive's code.

    `doubt` says that it may be stored all the same. `remark` marks what is stored with a warning.
    """

    step: Step
    text: str | None = None
    reason: int | None = None
    retrieve_url: str | None = None
    remark: bool = False
    doubt: bool = False


def judge(instances: Sequence[Instance], form: Form, answer: Answer) -> list[Verdict]:
    """A verdict for each instance of a request, in their order."""
    unnamed = _anonymous([each.sop_instance_uid for each in instances], answer)
    verdicts = [_verdict(each.sop_instance_uid, answer, unnamed, len(instances), form) for each in instances]
    misunderstood = all(each.reason == CANNOT_UNDERSTAND and each.step is Step.FAIL for each in verdicts)
    if misunderstood and form is not Form.DICOM:
        return [replace(each, step=Step.PART10) for each in verdicts]
    return verdicts


def _verdict(uid: str, answer: Answer, unnamed: dict[str, Failure], together: int, form: Form) -> Verdict:
    stored, failed = answer.stored.get(uid), answer.failed.get(uid)
    if stored and failed:
        text = "The archive names the object both as stored and as failed"
        return Verdict(Step.LOOK, text, failed.reason, doubt=True)
    if stored:
        return _stored(stored, answer)
    if failed or (failed := unnamed.get(uid)):
        return _failed(failed, answer, form)
    return _not_named(answer, together, form)


def _anonymous(uids: Sequence[str], answer: Answer) -> dict[str, Failure]:
    """Failures without a UID of ours, by the instances that they must be about.

    That is certain when they leave no instance unaccounted for, and when it makes no difference which
    of them is which.
    """
    missing = [uid for uid in uids if uid not in answer.stored and uid not in answer.failed]
    strangers = [failure for uid, failure in answer.failed.items() if uid not in uids]
    failures = [*answer.others, *strangers]
    certain = len(failures) >= len(missing) and (
        len(missing) == 1 or len({(each.reason, each.text) for each in failures}) == 1
    )
    return dict(zip(missing, failures, strict=False)) if certain else {}


def _stored(stored: Stored, answer: Answer) -> Verdict:
    # The Warning header is about the answer as a whole: where something failed, it is about that.
    said = stored.text or (answer.text if not (answer.failed or answer.others) else None)
    text: str | None
    if stored.warning:
        text = codes.sentence(codes.warning(stored.warning), f"{stored.warning:04X}", said)
    else:
        text = f"The archive stored the object and remarked: {said}" if said else None
    return Verdict(Step.DONE, text, stored.warning, retrieve_url=stored.retrieve_url, remark=text is not None)


def _failed(failure: Failure, answer: Answer, form: Form) -> Verdict:
    meaning = codes.failure(failure.reason)
    said = failure.text or answer.text
    code = "no reason" if failure.reason is None else f"{failure.reason:04X}"
    step = _step(meaning, said, form)
    return Verdict(step, _text(meaning, code, said, step), failure.reason, doubt=meaning.doubt)


def _not_named(answer: Answer, together: int, form: Form) -> Verdict:
    meaning = codes.status(answer.status)
    if answer.location and 300 <= answer.status < 400:
        meaning = replace(meaning, words=f"{meaning.words}, {answer.location}")
    step = _step(meaning, answer.text, form)
    text = _text(meaning, f"HTTP {answer.status}", answer.text, step)
    if together > 1 and step in {Step.FAIL, Step.CONFIRM}:
        return Verdict(Step.ALONE, text, doubt=True)
    if together == 1 and step is Step.FEWER:
        step = Step.FAIL
    return Verdict(step, text, doubt=meaning.doubt)


def _step(meaning: Meaning, said: str | None, form: Form) -> Step:
    """What to do, where the archive's words may know better than its code."""
    step = meaning.step
    if said and step in {Step.FAIL, Step.HOLD, Step.LATER_TWICE}:
        if _ALREADY_THERE.search(said):
            step = Step.CONFIRM
        elif _UNSUPPORTED.search(said):
            step = Step.PART10
    return Step.FAIL if step is Step.PART10 and form is Form.DICOM else step


def _text(meaning: Meaning, code: str, said: str | None, step: Step) -> str:
    remedy = "" if step is Step.PART10 else meaning.remedy  # what would help is about to be done
    return codes.sentence(meaning.words, code, said, remedy)
