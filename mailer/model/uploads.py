"""A file of people that staff uploaded, on its way to being imported.

In: nothing. Out: a frozen dataclass and an enum.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

#: How long a file waits to be imported; then it is deleted.
UPLOAD_WINDOW = timedelta(hours=24)
#: Whoever reads a file says so more often than that; later, they are gone.
READING_LOST = timedelta(minutes=2)


class UploadState(StrEnum):
    """What becomes of an uploaded file."""

    #: A person is to say which column is what.
    WAITING = "waiting"
    #: The dry run reads it.
    CHECKING = "checking"
    #: A person is to look at what would happen.
    CHECKED = "checked"
    #: Its people are being written.
    IMPORTING = "importing"
    #: They are on the list; the file is deleted.
    DONE = "done"
    #: It could not be imported; nobody it brought is on the list.
    FAILED = "failed"


@dataclass(frozen=True)
class Upload:
    """An uploaded file, without what is in it."""

    upload_id: int
    list_key: str
    #: What it was called where it came from.
    name: str
    #: Who uploaded it: "staff:ana".
    uploaded_by: str
    uploaded_at: datetime
    state: UploadState
    encoding: str
    separator: str
    lines: int
    #: What each column is, as a person chose; None while nobody has.
    targets: tuple[str, ...] | None
    #: Lines that are read, while it is being read.
    done: int
    #: When whoever reads it last said so.
    moved_at: datetime
    #: Of the dry run or the import, or what is wrong; see `mailer.app.importing`.
    result: Mapping[str, object] | None
    #: The import's number, once it is done; 0 before.
    batch: int

    def is_being_read(self, now: datetime) -> bool:
        """Tell whether a dry run or an import goes on."""
        reading = self.state in (UploadState.CHECKING, UploadState.IMPORTING)
        return reading and now - self.moved_at < READING_LOST

    def is_broken_off(self, now: datetime) -> bool:
        """Tell whether whoever read it is gone."""
        reading = self.state in (UploadState.CHECKING, UploadState.IMPORTING)
        return reading and now - self.moved_at >= READING_LOST
