"""What archives' codes mean, and what to do about each.

Failure and warning reasons are those of PS3.18 I.2 and PS3.7 Annex C, and what archives add to them;
HTTP status codes are read as PS3.18 8.5 and 10.5.3 use them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType


class Step(Enum):
    """What to do about an instance."""

    DONE = auto()
    """It is stored."""
    LATER = auto()
    """Send it again, when some time has passed."""
    LATER_TWICE = auto()
    """Send it again twice at most: the archive may be in trouble, or the instance may be the trouble."""
    FAIL = auto()
    """It cannot be stored as it is."""
    HOLD = auto()
    """Somebody has to decide: neither the object nor the archive is broken."""
    PART10 = auto()
    """Send it as a DICOM file, if it was sent as metadata and bulk data."""
    CONFIRM = auto()
    """The archive says that it has it already: look whether that is so."""
    FEWER = auto()
    """Send fewer instances in a request."""
    ALONE = auto()
    """Send it in a request of its own, so that the others' fate is not its."""
    LOOK = auto()
    """Nobody can tell: look it up before anything else."""
    REFUSED = auto()
    """The destination takes nothing from us."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a code says in words, what would help, and what to do.

    `doubt` says that the archive may have stored the instance all the same, so that it is looked up
    before it is sent again.
    """

    words: str
    step: Step
    remedy: str = ""
    doubt: bool = False


_RESOURCES = Meaning("The archive is out of resources", Step.LATER, "Try again when it has room or time")
_MISMATCH = "Correct the attributes that it names, or the template they come from"
_ADDRESS = "Check the address: it is the archive's DICOMweb root, or ends in /studies"
_CONFLICT = "Compare the patient's data with the archive's, then correct one of them"

FAILURES: Mapping[int, Meaning] = MappingProxyType(
    {
        0x0106: Meaning("The archive found an attribute with an invalid value", Step.FAIL, _MISMATCH),
        0x0107: Meaning("The archive did not recognise some of the attributes", Step.FAIL, _MISMATCH),
        0x0110: Meaning("The archive failed to process the object", Step.LATER_TWICE, "Its log may say why"),
        0x0111: Meaning("The archive says that it has this object already", Step.CONFIRM),
        0x0117: Meaning("The archive finds a UID of the object invalid", Step.FAIL, "Correct the UID"),
        0x0119: Meaning("The archive knows this UID as an object of another class", Step.FAIL),
        0x0120: Meaning("The archive misses an attribute", Step.FAIL, _MISMATCH),
        0x0121: Meaning("The archive misses the value of an attribute", Step.FAIL, _MISMATCH),
        0x0122: Meaning(
            "The archive does not take objects of this SOP class",
            Step.PART10,
            "Have the class allowed there, or choose another template",
        ),
        0x0124: Meaning(
            "The archive does not authorize storing this object", Step.FAIL, "Ask for the right to store"
        ),
        0x0213: _RESOURCES,
        0xA771: Meaning(
            "The archive rejected this object before and does not take it again",
            Step.HOLD,
            "Have the rejection lifted there",
        ),
        0xA777: Meaning(
            "The archive wants a Patient ID that it trusts", Step.HOLD, "Give PatientID and IssuerOfPatientID"
        ),
        0xA778: Meaning("The archive knows this Patient ID as another patient's", Step.HOLD, _CONFLICT),
        0xA779: Meaning("The archive knows this study as another patient's", Step.HOLD, _CONFLICT),
        0xA77A: Meaning("The archive is just deleting the study", Step.LATER),
        0xA77B: Meaning(
            "The archive knows the series in another study",
            Step.FAIL,
            "Correct the Study or Series Instance UID",
        ),
        0xA900: Meaning("The data set does not match its SOP class, says the archive", Step.FAIL, _MISMATCH),
        0xA901: Meaning(
            "The data set does not match its SOP class or the study in the address, says the archive",
            Step.FAIL,
            "Compare its Study Instance UID with the address",
        ),
        0xA922: Meaning(
            "The archive did not find the bulk data that the metadata refer to",
            Step.FAIL,
            "Send it with '-t dicom'",
        ),
        0xB00E: Meaning("The archive says that it has this object already", Step.CONFIRM),
        0xB00F: Meaning("The archive is just working on an object with these UIDs", Step.LATER),
        0xC122: Meaning(
            "The archive does not take objects in this transfer syntax",
            Step.PART10,
            "Have it allowed there, or convert the file",
        ),
        0xC409: Meaning(
            "The object belongs to another study than the one in the address, says the archive",
            Step.FAIL,
            "Store to the address without a study",
        ),
        0xC499: Meaning("What the archive received was not a DICOM file", Step.FAIL),
    }
)

_CLASSES = (
    (0x0100, 0x01FF, Meaning("The archive failed to store the object", Step.FAIL)),
    (
        0xA770,
        0xA779,
        Meaning("A rule of the archive keeps the object out", Step.HOLD, "Ask its administrator which one"),
    ),
    (0xA700, 0xA7FF, _RESOURCES),
    (
        0xA900,
        0xA9FF,
        Meaning("The data set does not match its SOP class, says the archive", Step.FAIL, _MISMATCH),
    ),
    (0xC000, 0xCFFF, Meaning("The archive cannot understand the object", Step.FAIL)),
)
_UNKNOWN = Meaning("The archive gives a reason that only its own documents explain", Step.HOLD)
_NO_REASON = Meaning(
    "The archive did not store the object and does not say why", Step.FAIL, "Its log may say why"
)

WARNINGS: Mapping[int, str] = MappingProxyType(
    {
        0x0001: "The archive stored the object, with remarks",
        0xB000: "The archive stored the object and changed values in it",
        0xB006: "The archive stored the object without some of its attributes",
        0xB007: "The archive stored the object although it does not match its SOP class",
    }
)

STATUSES: Mapping[int, Meaning] = MappingProxyType(
    {
        400: Meaning("The archive could not understand the request", Step.FAIL),
        401: Meaning(
            "The archive wants to know who is sending",
            Step.REFUSED,
            "Give a user and password or a token, or check the ones given",
        ),
        403: Meaning(
            "The archive does not allow storing",
            Step.REFUSED,
            "Ask for the right to store, or use another account",
        ),
        404: Meaning(
            "There is nothing at this address",
            Step.REFUSED,
            _ADDRESS,
        ),
        405: Meaning(
            "Nothing can be stored at this address",
            Step.REFUSED,
            _ADDRESS,
        ),
        406: Meaning(
            "The archive does not answer in the form that was asked for",
            Step.REFUSED,
            "Try the other one: '-a xml' or '-a json'",
        ),
        407: Meaning(
            "The proxy wants to know who is sending",
            Step.REFUSED,
            "Give user and password in the proxy's address",
        ),
        408: Meaning("The archive did not wait for the whole request", Step.LATER),
        409: Meaning("The archive found a conflict and stored nothing", Step.FAIL),
        410: Meaning("There is nothing at this address any more", Step.REFUSED, "Check the address"),
        411: Meaning(
            "The archive wants to know the length of a request", Step.REFUSED, "Leave out --chunked"
        ),
        413: Meaning("The request is larger than the archive takes", Step.FEWER, "Have its limit raised"),
        414: Meaning("The address is longer than the archive takes", Step.REFUSED, "Check the address"),
        415: Meaning(
            "The archive does not take this form of request",
            Step.PART10,
            "Send DICOM files ('-t dicom'), or one at a time with --single-part",
        ),
        421: Meaning(
            "The address leads to a server that is not the archive", Step.REFUSED, "Check the address"
        ),
        422: Meaning("The archive could not process the request", Step.FAIL),
        423: Meaning("The archive has locked the study", Step.LATER),
        424: Meaning("Something that the archive depends on does not work", Step.LATER, doubt=True),
        425: Meaning("The archive wants the request again later", Step.LATER),
        426: Meaning(
            "The archive speaks only another protocol", Step.REFUSED, "Check the address: is it https?"
        ),
        429: Meaning("The archive gets more requests than it wants", Step.LATER, "Use fewer --jobs"),
        431: Meaning(
            "The archive finds the request's headers too large",
            Step.REFUSED,
            "Check the extra headers and the token",
        ),
        500: Meaning("The archive ran into an error", Step.LATER_TWICE, "Its log may say why", doubt=True),
        501: Meaning("The archive does not support storing such objects", Step.FAIL),
        502: Meaning("The archive behind the proxy does not answer", Step.LATER, doubt=True),
        503: Meaning("The archive is not available just now", Step.LATER),
        504: Meaning("The archive behind the proxy did not answer in time", Step.LATER, doubt=True),
        505: Meaning("The archive does not speak HTTP/1.1", Step.REFUSED, "Check the address"),
        507: Meaning("The archive has no room left", Step.LATER),
        511: Meaning(
            "The network wants a login before it lets anything through", Step.REFUSED, "Log in to the network"
        ),
    }
)


def failure(reason: int | None) -> Meaning:
    """What a Failure Reason (0008,1197) means; codes that nobody documents, by their class."""
    if reason is None:
        return _NO_REASON
    if reason in FAILURES:
        return FAILURES[reason]
    return next((meaning for first, last, meaning in _CLASSES if first <= reason <= last), _UNKNOWN)


def warning(reason: int) -> str:
    """What a Warning Reason (0008,1196) means; the object is stored."""
    return WARNINGS.get(reason, "The archive stored the object, with a remark")


def status(code: int) -> Meaning:
    """What an HTTP status code says about an instance that the answer's body does not name."""
    if code in STATUSES:
        return STATUSES[code]
    if code < 300:
        return Meaning("The archive answered, but did not name the object as stored", Step.LOOK, doubt=True)
    if code < 400:
        return Meaning("The archive sends us to another address", Step.REFUSED, "Use that address")
    if code < 500:
        return Meaning("The archive refused the request", Step.FAIL)
    return Meaning("The archive or something on the way to it is in trouble", Step.LATER, doubt=True)


def sentence(meaning: str, code: str, detail: str | None = None, remedy: str = "") -> str:
    """One text for people: what it means, the code, what the archive says, what would help."""
    text = f"{meaning} ({code})"
    if detail:
        text += f": {detail}"
    return f"{text.rstrip('.')}. {remedy}".rstrip(" .") if remedy else text.rstrip(".")
