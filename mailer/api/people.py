"""Supporters of the API: bring them onto a list, see a list's people, see one, erase one.

In: rows; an address in a body, never in a URL. Out: what became of each row, without anything of the
person; people with their addresses, to whoever's token is for that. Each look is on record.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mailer.api.ground import Caller, Endpoint, Ground, Method
from mailer.api.shapes import (
    Erased,
    ListPath,
    Members,
    MembersAsked,
    Person,
    PersonOf,
    Rows,
    RowsTaken,
)
from mailer.app.barring import erase_person, scope_of
from mailer.app.importing import list_members
from mailer.app.people import as_document, known_by
from mailer.app.rows_in import take_rows
from mailer.model.api_token import Purpose

_READ, _WRITE = Purpose.SUPPORTERS_READ, Purpose.SUPPORTERS_WRITE
#: A thousand rows with everything that a row may have are as long as this; few have.
_MOST_OCTETS = 8_000_000


class People:
    """The endpoints of supporters."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    def endpoints(self) -> Sequence[Endpoint]:
        """Return what is answered here."""
        post, one = Method.POST, "/lists/{list_key}"
        return (
            Endpoint(
                post, f"{one}/supporters", "add-supporters", _WRITE, self.take,
                most_octets=_MOST_OCTETS, model=RowsTaken,
            ),
            Endpoint(
                post, f"{one}/members", "list-members", _READ, self.members, personal=True,
                model=Members,
            ),
            Endpoint(
                post, "/supporters/find", "find-supporter", _READ, self.find, personal=True
            ),
            Endpoint(
                post, "/supporters/erase", "erase-supporter", _WRITE, self.erase, model=Erased
            ),
        )  # fmt: skip

    def take(self, call: Caller, list_key: ListPath, sent: Rows) -> dict[str, Any]:
        """Bring people onto a list; whoever left it or is suppressed is not brought back."""
        workspace = self._ground.fresh()
        rows = [one.model_dump(exclude_none=True) for one in sent.rows]
        taken = take_rows(
            workspace, call.actor, workspace.list_of(list_key), rows, dry_run=sent.dry_run
        )
        return {
            "batch": taken.result.batch,
            "counts": taken.result.counts(),
            "without_consent": taken.result.without_consent,
            "rows": [
                {"index": index, "what": one.what, "reason": one.reason}
                for index, one in taken.told
            ],
        }

    def members(self, call: Caller, list_key: ListPath, sent: MembersAsked) -> dict[str, Any]:
        """List a list's people with their addresses, as rows that an import takes; a page at a time."""
        workspace = self._ground.fresh()
        definition = workspace.list_of(list_key)
        found = list_members(workspace, call.actor, definition, sent.after, sent.limit)
        return {"items": found.people, "next": found.next_id, "suppressed": found.suppressed}

    def find(self, call: Caller, sent: Person) -> dict[str, Any]:
        """Show all that is on record of an address."""
        digest = self._ground.address_digest(sent.address)
        return as_document(known_by(self._ground.workspace, call.actor, digest))

    def erase(self, call: Caller, sent: PersonOf) -> dict[str, Any]:
        """Delete all that is on record of an address; it is never mailed again."""
        digest = self._ground.address_digest(sent.address)
        workspace = self._ground.workspace
        where = scope_of(workspace, sent.organisation)
        return {"organisations": erase_person(workspace, call.actor, digest, where)}
