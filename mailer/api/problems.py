"""Say what was wrong with a request, in one form for every kind of failure.

In: an error that a part of the program raised. Out: a `Problem`, which is answered as a document that
names what is wrong, where, and what to do. Nothing that the request held is repeated. Standards:
RFC 9457 (problem details), RFC 9110 (status codes).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from mailer.app.barring import NoSuchOrganisation
from mailer.app.failures import PreflightBlocks
from mailer.app.preflight import Finding
from mailer.app.preflight.words import say
from mailer.audience.addresses import BadAddress
from mailer.keys import KeyFileError, WrongSealKey
from mailer.model.faults import Fault, FaultsFound
from mailer.model.states import ForbiddenTransition
from mailer.store.engine import StoreUnavailable, WrongKeys
from mailer.store.mailings import MailingNotFound
from mailer.store.statements import StatementNotFound
from mailer.store.stopping import PausedByItself
from mailer.store.suppression_log import LogNotWritten

MEDIA_TYPE = "application/problem+json"
#: Option of the command line, by which faults name what a person said → the field here.
_FIELDS = {
    "--list": "lists",
    "--timezone": "time_zone",
    "--draft": "mailing",
    "LIST": "list",
}
#: So much is said of what a body does not hold as it should.
_MOST_FAULTS = 100


class Problem(Exception):
    """What is answered in place of what was asked for."""

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        detail: str,
        *,
        faults: Sequence[Mapping[str, object]] = (),
        headers: Mapping[str, str] | None = None,
        **more: object,
    ) -> None:
        """Say what is wrong.

        Args:
            status: Of the answer.
            code: The kind of problem, for programs: "wrong-count".
            detail: The same for people.
            faults: Each thing that is wrong, with its place.
            headers: Of the answer.
            more: Further members of the document.
        """
        self.status = status
        self.code = code
        self.detail = detail
        self.faults = tuple(faults)
        self.headers = dict(headers or {})
        self.more = more
        super().__init__(detail)

    def response(self) -> Response:
        """Return it as it is answered."""
        document: dict[str, Any] = {
            # RFC 9457 §4.2.1: the title is then what the status says.
            "type": "about:blank",
            "title": self.status.phrase,
            "status": self.status.value,
            "code": self.code,
            "detail": self.detail,
            **self.more,
        }
        if self.faults:
            document["faults"] = list(self.faults)
        # Names of fields may be anything that a program sent, halves of characters included.
        content = json.dumps(document, ensure_ascii=True).encode("ascii")
        return Response(content, self.status, self.headers, MEDIA_TYPE)


def fault_document(fault: Fault) -> dict[str, object]:
    """Return a fault as other programs read it."""
    plain = fault.field.removeprefix("--").replace("-", "_")
    return {
        "file": fault.file,
        "line": fault.line,
        "column": fault.column,
        "field": _FIELDS.get(fault.field, plain),
        "problem": fault.problem,
        "remedy": fault.remedy,
        "severity": fault.severity.value,
    }


def unprocessable(code: str, detail: str, field: str = "", remedy: str = "") -> Problem:
    """Return that a request cannot be done as it is, and which field of it is why."""
    fault = fault_document(Fault("", 0, field, detail.rstrip("."), remedy))
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, code, detail, faults=[fault])


def not_found(what: str) -> Problem:
    """Return that there is no such thing."""
    return Problem(HTTPStatus.NOT_FOUND, "not-found", f"There is no such {what}.")


def problem_of(error: Exception) -> Problem | None:
    """Return what an error says to other programs; None for one that nobody foresaw."""
    for kinds, make in _MAKERS:
        if isinstance(error, kinds):
            found: Problem = make(error)
            return found
    return None


def _as_it_is(error: Any) -> Problem:  # noqa: ANN401  (As the table below says.)
    found: Problem = error
    return found


def _refused(error: Any) -> Problem:  # noqa: ANN401
    status = HTTPStatus(error.status_code)
    code = status.phrase.lower().replace(" ", "-")
    return Problem(status, code, f"{status.phrase}.", headers=error.headers)


def _malformed(error: Any) -> Problem:  # noqa: ANN401
    # What was sent is not said again: it may hold an address.
    faults = [
        fault_document(
            Fault("", 0, ".".join(str(part) for part in one["loc"][1:]), str(one["msg"]))
        )
        for one in error.errors()[:_MOST_FAULTS]
    ]
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "malformed",
        "The request is not as the API's description says.",
        faults=faults,
    )


def _faults(error: Any) -> Problem:  # noqa: ANN401
    faults = [fault_document(one) for one in error.faults]
    detail = "It cannot be done as things are: see faults."
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "faults", detail, faults=faults)


def _blocked(error: Any) -> Problem:  # noqa: ANN401
    faults = [_finding_document(one) for one in error.findings]
    detail = "Something must be mended before it can be scheduled. See: mailer preflight"
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "blocked", detail, faults=faults)


def _finding_document(finding: Finding) -> dict[str, object]:
    said, place = say(finding), finding.place
    fault = Fault(place.file, place.line, place.field, said.text.rstrip("."), said.remedy)
    places = {name: value for name, value in vars(place).items() if value}
    return {**fault_document(fault), **places, "code": finding.code.value}


def _transition(error: Any) -> Problem:  # noqa: ANN401
    current = str(error.current.value).replace("_", " ")
    detail = f"It is {current}, and that cannot be done with it now."
    return Problem(HTTPStatus.CONFLICT, "wrong-state", detail, state=error.current.value)


def _paused(error: Any) -> Problem:  # noqa: ANN401
    detail = "It paused by itself. It goes on with anyway = true."
    return Problem(HTTPStatus.CONFLICT, "paused-by-itself", detail, reason=error.reason)


def _address(error: Any) -> Problem:  # noqa: ANN401
    return unprocessable("bad-address", f"{error.problem}.", "address")


def _organisation(error: Any) -> Problem:  # noqa: ANN401
    known = ", ".join(error.known) or "none"
    return unprocessable(
        "no-organisation", "There is no such organisation.", "organisation", f"There are: {known}"
    )


def _unavailable(_error: Any) -> Problem:  # noqa: ANN401
    return Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "unavailable",
        "A key, the database or a file of this workspace cannot be used now. See: mailer status",
        headers={"Retry-After": "60"},
    )


#: Kinds of errors → what is said of them.
_MAKERS: tuple[tuple[tuple[type[Exception], ...], Any], ...] = (
    ((Problem,), _as_it_is),
    ((HTTPException,), _refused),
    ((RequestValidationError,), _malformed),
    ((FaultsFound,), _faults),
    ((PreflightBlocks,), _blocked),
    ((ForbiddenTransition,), _transition),
    ((PausedByItself,), _paused),
    ((BadAddress,), _address),
    ((NoSuchOrganisation,), _organisation),
    ((MailingNotFound,), lambda _error: not_found("mailing")),
    ((StatementNotFound,), lambda _error: not_found("statement or revision")),
    ((StoreUnavailable, KeyFileError, WrongKeys, WrongSealKey, LogNotWritten), _unavailable),
)
