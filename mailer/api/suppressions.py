"""Suppressions of the API: see whether an address is suppressed, suppress it, lift that again.

In: an address in a body, never in a URL. Out: reasons. Nobody can list whom we do not mail: on record
are digests.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mailer.api.ground import Caller, Endpoint, Ground, Method
from mailer.api.shapes import Lifted, Lifting, Person, Standing, Suppressed, Suppressing
from mailer.app.barring import LIFTABLE, lift_from_person, scope_of, suppress_person
from mailer.model.api_token import Purpose
from mailer.store import supporters as rows
from mailer.store.audience import SCOPE_ALL, organisation_scope
from mailer.store.suppressions import standing

_READ, _WRITE = Purpose.SUPPRESSIONS_READ, Purpose.SUPPRESSIONS_WRITE


class Suppressions:
    """The endpoints of suppressions."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._store = ground.workspace.store

    def endpoints(self) -> Sequence[Endpoint]:
        """Return what is answered here."""
        post, one = Method.POST, "/suppressions"
        return (
            Endpoint(
                post, f"{one}/find", "find-suppression", _READ, self.find, personal=True,
                model=Standing,
            ),
            Endpoint(post, one, "suppress", _WRITE, self.suppress, model=Suppressed),
            Endpoint(post, f"{one}/lift", "lift-suppression", _WRITE, self.lift, model=Lifted),
        )  # fmt: skip

    def find(self, sent: Person) -> dict[str, Any]:
        """Tell whether an address is suppressed, why and since when."""
        digest = self._ground.address_digest(sent.address)
        with self._store.read() as connection:
            found = standing(connection, digest)
            names = {
                organisation_scope(row_id): key
                for key, row_id in rows.organisation_ids(connection).items()
            }
        names[SCOPE_ALL] = "all"
        return {
            "suppressed": bool(found),
            "suppressions": [
                {
                    "organisation": names.get(one.scope, one.scope),
                    "reason": one.reason.value,
                    "source": one.source,
                    "since": one.since,
                }
                for one in found
            ],
        }

    def suppress(self, call: Caller, sent: Suppressing) -> dict[str, Any]:
        """Mail an address no more, be it known or not."""
        digest = self._ground.address_digest(sent.address)
        workspace = self._ground.workspace
        where = scope_of(workspace, sent.organisation)
        changed = suppress_person(workspace, call.actor, digest, where, sent.reason)
        return {"changed": changed}

    def lift(self, call: Caller, sent: Lifting) -> dict[str, Any]:
        """Allow mails to an address again; lists that the person left stay left."""
        digest = self._ground.address_digest(sent.address)
        workspace = self._ground.workspace
        where = scope_of(workspace, sent.organisation)
        scopes = [where.scope] if sent.organisation else None
        with self._store.read() as connection:
            found = standing(connection, digest, scopes)
        liftable = [one for one in found if sent.they_asked_for_it or one.reason in LIFTABLE]
        reason = "they asked for it" if sent.they_asked_for_it else ""
        lifted = 0
        if liftable:
            lifted = lift_from_person(workspace, call.actor, digest, liftable, reason)
        stays = sorted({one.reason.value for one in found if one not in liftable})
        return {"lifted": lifted, "stays": stays}
