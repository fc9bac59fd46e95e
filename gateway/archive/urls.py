"""The addresses of what the archive holds (PS3.18 10.1)."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request


@dataclass(frozen=True, slots=True)
class Urls:
    """Absolute addresses, as the client that asked knows the archive.

    `base` is the DICOMweb root without a slash at the end, `request` the address that was asked for.
    """

    base: str
    request: str

    @classmethod
    def of(cls, request: Request) -> Urls:
        """The addresses for the answer to a request."""
        root: str = request.app.state.root
        return cls(f"{str(request.base_url).rstrip('/')}{root}", str(request.url))

    def study(self, study_uid: str) -> str:
        """A study's address."""
        return f"{self.base}/studies/{study_uid}"

    def series(self, study_uid: str, series_uid: str) -> str:
        """A series' address."""
        return f"{self.study(study_uid)}/series/{series_uid}"

    def instance(self, study_uid: str, series_uid: str, sop_uid: str) -> str:
        """An instance's address."""
        return f"{self.series(study_uid, series_uid)}/instances/{sop_uid}"
