"""Show the mail that one supporter would get of a mailing, or say why they would get none.

In: a mailing, and a person who is on record. Out: the bytes of their mail, made as the senders make it,
but that the links in it are those of nobody; which edition it is and why; and an entry in the audit log
that the person was looked at.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from mailer.app.languages import resolver
from mailer.app.people import NobodyThere, digest_of, note_shown
from mailer.app.preview import Preview, composed, invented_reader
from mailer.app.workspace import Workspace
from mailer.audience.addresses import normalize_address
from mailer.audience.freezing import rules_of
from mailer.audience.merging import ADDRESS, TABLE, opened_fields
from mailer.audience.one_person import Way, foreseen
from mailer.compose.composer import CannotCompose
from mailer.keys import SealKeys
from mailer.model.audience import LanguageChoice
from mailer.model.faults import Fault, FaultsFound
from mailer.model.mailing import Mailing
from mailer.model.staff import Actor
from mailer.model.states import SkipReason
from mailer.store.engine import Connection
from mailer.store.one_person import delivery_for, is_fixed
from mailer.store.retention import deliveries_gone_at
from mailer.store.statements import load_revision
from mailer.store.supporters import row_of, rows_of_person


@dataclass(frozen=True, repr=False)
class PersonPreview:
    """What a mailing would be for one person."""

    address: str
    name: str
    #: None where they would not be mailed.
    preview: Preview | None
    #: Why they would not; None where they are on none of the lists, or would be mailed.
    reason: SkipReason | None = None
    #: Key of the list that they would be, or were, mailed through; "" for none.
    list_key: str = ""
    #: The audience was fixed: this is what was decided then.
    is_fixed: bool = False
    #: The deliveries are cleared away: nobody knows any more.
    is_gone: bool = False


def supporter_with(workspace: Workspace, actor: Actor, mailing: Mailing, typed: str) -> int | None:
    """Return the id of a row of whoever has an address; None where nobody on record has it.

    That nobody was found is put on record: whoever tries addresses leaves a trace. Who is found is
    put on record when they are shown.

    Raises:
        BadAddress: when it is no address.
    """
    digest = workspace.service_keys.address_digest(normalize_address(typed).normal_form)
    with workspace.store.read() as connection:
        found = rows_of_person(connection, digest)
    if found:
        return int(found[0].id)
    note_shown(workspace, actor, digest, mailing=mailing.key)
    return None


def preview_for(
    workspace: Workspace, actor: Actor, mailing: Mailing, supporter_id: int
) -> PersonPreview:
    """Return the mail that the person of a row would get, and put on record who looked.

    Args:
        workspace: where the mailing is.
        actor: who looks.
        mailing: it may be a draft, under way or over.
        supporter_id: of any of the person's rows.

    Raises:
        NobodyThere: when there is no such row.
        FaultsFound: when the mailing's segment cannot be read any more, or no mail can be made.
        WrongSealKey: when they were sealed with another key.
    """
    digest = digest_of(workspace, supporter_id)
    note_shown(workspace, actor, digest, mailing=mailing.key)
    keys = workspace.seal_keys
    with workspace.store.read() as connection:
        row = row_of(connection, supporter_id)
        if row is None:
            raise NobodyThere(supporter_id)
        shown = PersonPreview(
            keys.unseal(row.address_sealed, TABLE, ADDRESS, row.id),
            opened_fields(keys, row.fields_sealed, row.id).get("name", ""),
            None,
        )
        if deliveries_gone_at(connection, mailing.row_id) is not None:
            return replace(shown, is_gone=True)
        way, fixed = _way(workspace, connection, mailing, digest)
        if way is None:
            return replace(shown, is_fixed=fixed)
        lists = {one.list_row_id: one.definition.key for one in mailing.targets}
        shown = replace(shown, is_fixed=fixed, list_key=lists.get(way.list_id, ""))
        if way.choice is None or way.reason is not None:
            return replace(shown, reason=way.reason)
        reached = row_of(connection, way.supporter_id) or row
    return replace(
        shown, preview=_mail(workspace, keys, mailing, reached, shown.list_key, way.choice)
    )


def _way(
    workspace: Workspace, connection: Connection, mailing: Mailing, digest: bytes
) -> tuple[Way | None, bool]:
    """Return how a person is reached, and whether that is fixed; None where they are on no list."""
    made = delivery_for(connection, mailing.row_id, digest)
    if made is not None:
        return Way(made.supporter_id, made.list_id, made.choice, made.skip_reason), True
    if is_fixed(connection, mailing.row_id):
        return None, True
    rules = rules_of(connection, mailing, workspace.clock.now())
    revision = load_revision(connection, mailing.revision_id).revision
    return foreseen(connection, mailing, rules, digest, resolver(revision)), False


def _mail(
    workspace: Workspace,
    keys: SealKeys,
    mailing: Mailing,
    row: Any,  # noqa: ANN401  (A row.)
    list_key: str,
    choice: LanguageChoice,
) -> Preview:
    address = keys.unseal(row.address_sealed, TABLE, ADDRESS, row.id)
    # The links are those of the invented reader: whoever looks unsubscribes nobody.
    reader = invented_reader(address, list_key, choice)._replace(
        needs_smtputf8=row.needs_smtputf8,
        fields={**opened_fields(keys, row.fields_sealed, row.id), "country": row.country},
        domain_class=row.domain_class,
        text_only=row.text_only,
    )
    try:
        return Preview(composed(workspace, mailing, reader), choice)
    except CannotCompose as error:
        raise FaultsFound([Fault("", 0, "", error.problem, "See the checks")]) from error
