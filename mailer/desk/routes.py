"""Say which addresses the desk answers, and who may ask.

In: nothing. Out: `Route`, which every area of the desk gives a list of. A route without roles does not
exist: what nobody need sign in for says so by `ANYBODY`, what every member of staff may see by
`ALL_STAFF`. The gate obeys what stands here, and tests are made from it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from starlette.responses import Response

from mailer.model.staff import StaffRole

if TYPE_CHECKING:
    from mailer.desk.visit import Visit

#: Of an address that needs nobody to be signed in: signing in itself.
ANYBODY: frozenset[StaffRole] = frozenset()
ALL_STAFF = frozenset(StaffRole)
AUTHORS = frozenset({StaffRole.AUTHOR})
#: Who writes: authors any edition, translators those in their languages.
WRITERS = frozenset({StaffRole.AUTHOR, StaffRole.TRANSLATOR})
APPROVERS = frozenset({StaffRole.APPROVER})
SENDERS = frozenset({StaffRole.SENDER})
#: Who makes mailings ready; who schedules them is another matter.
MAKERS = frozenset({StaffRole.AUTHOR, StaffRole.SENDER})
ADMINISTRATORS = frozenset({StaffRole.ADMINISTRATOR})

#: Answers a visit, in a thread: it may wait for the database.
Answer = Callable[["Visit"], Response]


class Method(StrEnum):
    """What is asked for: to see something, or to change it."""

    #: GET and HEAD; changes nothing, ever.
    SEE = "GET"
    #: POST, of a form that carries the session's token.
    CHANGE = "POST"


@dataclass(frozen=True)
class Upload:
    """Files that a form may carry."""

    #: Octets of the whole body.
    most_octets: int
    #: How many files at once.
    most_files: int = 1


@dataclass(frozen=True)
class Route:
    """One address of the desk under one method."""

    method: Method
    #: Below /desk, with Starlette's placeholders: "/mailings/{key}".
    path: str
    #: What links and the log call it; one name has one path, for both methods.
    name: str
    answer: Answer
    #: Any one of them is enough; see `ANYBODY`.
    roles: frozenset[StaffRole]
    #: None for a form of text fields only.
    upload: Upload | None = None
