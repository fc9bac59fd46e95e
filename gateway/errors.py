"""How things fail, classed by what to do next.

    GatewayError
    ├── Reject          this file, never: it says what is wrong with it and what would help
    │   ├── Unfinished      it ends too soon; where it may still be written, later after all
    │   └── Packed          it is an archive of files, which are to be unpacked
    ├── Hold            this file, once a person or another file has settled what is in doubt
    ├── Skip            this file is not meant: nothing is wrong with it, and nothing is to be done
    ├── Retry           this file, later: nothing is known to be wrong with it
    ├── Pause           this destination, later: every file would fail the same way
    │   ├── Refused         the destination answers, but not to us: address, credentials, certificate
    │   └── Unreachable     the destination does not answer
    └── Fatal           stop: what was asked for cannot be done as it was asked

Every message is a sentence that names the file, attribute or option, the value where it is no secret,
and what would help. Messages are shown to users as they are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any


class GatewayError(Exception):
    """Base of all errors that a user can do something about."""


class Reject(GatewayError):
    """This file cannot be stored as it is; the others can.

    `reason` is a short name by which rejected files are counted and found.
    """

    reason = "rejected"


class Unfinished(Reject):
    """This file ends too soon: it was cut, or is still being written."""

    reason = "incomplete"


class Packed(Reject):
    """This file is an archive of files, and they are to be unpacked."""

    reason = "packed"


class Hold(GatewayError):
    """This file must not be sent while something about it is in doubt: whom it shows, above all.

    `reason` is a short name of the doubt by which held files are counted, found and tried again
    (`unidentified`, `no-row`, `sidecar-missing`). `depends` are files whose change may settle it.
    """

    def __init__(self, message: str, *, reason: str = "doubt", depends: tuple[Path, ...] = ()) -> None:
        super().__init__(message)
        self.reason = reason
        self.depends = depends


class Skip(GatewayError):
    """This file is not to be stored, as a mapping says: no fault, and nothing to mend."""


class Retry(GatewayError):
    """This file could not be stored now; trying again later may help.

    `after` is the number of seconds that the other side asked to wait, if it did.
    """

    def __init__(self, message: str, *, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


class Pause(GatewayError):
    """Nothing can be stored at this destination for now.

    `outcomes` are those of the instances that were just being stored, one each, where there were any.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.outcomes: tuple[Any, ...] = ()


class Refused(Pause):
    """The destination answers but does not let us in: wrong address, credentials or certificate."""


class Unreachable(Pause):
    """The destination does not answer."""


class Fatal(GatewayError):
    """What was asked for cannot be done: an option, a mapping or a configuration is wrong.

    Several faults found together are lines of one message.
    """
