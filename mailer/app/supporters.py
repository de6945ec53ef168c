"""Add one person by hand, correct what is on record, put them on lists and take them off.

In: a workspace, who does it, a person's row, what they said. Out: rows, written the way an import or a
confirmed sign-up writes them, and an entry in the audit log, which names rows and fields and nothing of
anybody. To suppress, lift and erase, see `mailer.app.barring`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any

from mailer.app.people import NobodyThere
from mailer.app.workspace import Workspace
from mailer.audience.addresses import normalize_address
from mailer.audience.cells import joined_tags
from mailer.audience.merging import (
    ADDRESS,
    TABLE,
    Merger,
    RowsOfAddress,
    opened_fields,
    sealed_fields,
)
from mailer.audience.rows import BadRow, ImportedRow, RowReader
from mailer.audience.writing import ChangeWriter, Profiles
from mailer.model.audience import (
    Attribute,
    ListDefinition,
    MembershipState,
    UnsubscriptionSource,
)
from mailer.model.audit import AuditAction
from mailer.model.faults import Fault, FaultsFound
from mailer.model.staff import Actor
from mailer.model.worded import worded
from mailer.store import imports, undo
from mailer.store import supporters as rows
from mailer.store.audience import profile_id, sync_lists
from mailer.store.audit import write_audit
from mailer.store.engine import Connection, take_ids
from mailer.store.exports import attributes_of_all
from mailer.store.leaving import Leaver, ListScope, leave_some
from mailer.store.ordering import Ids, keep_ids_in_order
from mailer.store.sign_ups import come_back
from mailer.store.suppression_log import LogEntry, Mark, left_list
from mailer.store.suppressions import is_barred

#: What can be said of a person by hand, beside the attributes that lists declare.
FIELDS = (
    "name",
    "languages",
    "never_languages",
    "country",
    "time_zone",
    "tags",
    "text_only",
    "discreet",
)
_NO_DELIVERY = 0


class Joined(StrEnum):
    """What came of putting somebody on a list."""

    #: They are on it now.
    JOINED = "joined"
    #: They were before.
    BEFORE = "before"
    #: They left it: it takes their own wish to come back.
    LEFT = "left"
    #: They are on it, and are not mailed, since a suppression stands.
    SUPPRESSED = "suppressed"


def attributes_for(workspace: Workspace, organisation: str) -> dict[str, Attribute]:
    """Return what the lists of an organisation declare of its people."""
    return {
        name: value
        for one in workspace.lists[0].values()
        if one.owner == organisation
        for name, value in one.attributes.items()
    }


def add_person(
    workspace: Workspace,
    actor: Actor,
    list_key: str,
    typed: str,
    said: Mapping[str, str],
    source: str,
) -> tuple[int, Joined]:
    """Put somebody on a list who told staff that they want to be on it.

    Whoever is on record already is put on the list as they are, with what they said filled in.

    Args:
        workspace: the workspace.
        actor: who adds them.
        list_key: of the list.
        typed: their address.
        said: of `FIELDS` and attributes, as text; what is empty is unknown.
        source: where their consent came from, as a person writes it down; sealed.

    Returns:
        The id of their row, and what came of it.

    Raises:
        BadAddress: when it is no address.
        FaultsFound: when something said is not what it should be, no list has that key, or nothing
            says where the consent came from.
    """
    normalize_address(typed)
    definition = workspace.list_of(list_key)
    row = _read(definition, typed, {**said, "consent": "yes", "consent_source": _source(source)})
    return _put_on(workspace, actor, definition, row, AuditAction.SUPPORTER_ADDED, returns=False)


def put_on_list(
    workspace: Workspace, actor: Actor, supporter_id: int, list_key: str, source: str, *,
    returns: bool = False,
) -> Joined:  # fmt: skip
    """Put somebody who is on record on a list; `returns` when they left it and asked to come back.

    Raises:
        NobodyThere: when they are gone.
        FaultsFound: when the list is not there or is another organisation's, or nothing says where
            the consent came from.
    """
    definition = workspace.list_of(list_key)
    with workspace.store.read() as connection:
        person = _person(connection, supporter_id)
    if person.organisation != definition.owner:
        problem = worded(
            "is of %(owner)s, which does not know this person by this row", owner=definition.owner
        )
        raise FaultsFound([Fault("", 0, "list", problem, "Add them to that list by their address")])
    address = workspace.seal_keys.unseal(person.address_sealed, TABLE, ADDRESS, supporter_id)
    row = _read(definition, address, {"consent": "yes", "consent_source": _source(source)})
    _, joined = _put_on(
        workspace, actor, definition, row, AuditAction.SUPPORTER_CORRECTED, returns=returns
    )
    return joined


def _source(text: str) -> str:
    source = " ".join(text.split())
    if not source:
        remedy = "Write when and how they said so: by telephone on 3 May"
        raise FaultsFound(
            [Fault("", 0, "source", "says nothing of where the consent came from", remedy)]
        )
    return source


def _read(definition: ListDefinition, address: str, said: Mapping[str, str]) -> ImportedRow:
    """Read what was said as a row of a file is read.

    Raises:
        FaultsFound: with the field that is wrong.
    """
    names = ["address", *said]
    plain = replace(definition, columns={})
    try:
        reader = RowReader(names, plain, "", "by hand", targets=names)
        return reader.read([address, *said.values()])
    except BadRow as error:
        raise FaultsFound([Fault("", 0, error.field, error.problem)]) from error


def _put_on(
    workspace: Workspace,
    actor: Actor,
    definition: ListDefinition,
    row: ImportedRow,
    action: AuditAction,
    *,
    returns: bool,
) -> tuple[int, Joined]:
    now = workspace.clock.now()
    # Before the transaction: opened for the first time, keys are compared with the database.
    seal_keys, service_keys = workspace.seal_keys, workspace.service_keys
    digest = service_keys.address_digest(row.address.normal_form)
    lines: list[LogEntry] = []
    with workspace.store.write() as connection:
        keep_ids_in_order(connection, Ids.SUPPRESSIONS)
        list_id = sync_lists(connection, [definition], now)[definition.key]
        owner_id = rows.organisation_ids(connection)[definition.owner]
        imports.lock_organisation(connection, owner_id)
        known = imports.known_supporters(connection, owner_id, list_id, 0, [digest]).get(digest)
        if known is not None and known.membership is MembershipState.LEFT:
            if not returns:
                return known.supporter_id, Joined.LEFT
            come_back(connection, list_id, known.supporter_id, now)
            lines.append(left_list(now, digest, definition.owner, definition.key, Mark.LIFTED))
            # What they say now takes the place of what was on record.
            known = replace(known, membership=MembershipState.SUBSCRIBED, consent_basis="")
        was_on = known is not None and known.membership is not None and known.consent_basis != ""
        profiles = Profiles(connection, writes=True)
        merger = Merger(
            seal_keys, service_keys, definition, owner_id, now,
            profiles.id_of, profiles.of_id,
        )  # fmt: skip
        new_id = take_ids(connection, TABLE, 1) if known is None else 0
        change = merger.change(digest, RowsOfAddress(row, None), known, new_id)
        ChangeWriter(seal_keys, definition, list_id, None, now).write(connection, [change])
        barred = is_barred(connection, digest, owner_id)
        write_audit(
            connection, actor, action, f"supporter {change.supporter_id}", now,
            joined=definition.key, came_back=bool(lines), new=known is None,
        )  # fmt: skip
    # After the commit: a line that is lost here leaves the person off the list after a restore.
    workspace.suppression_log.append_or_tell(lines)
    if barred:
        return change.supporter_id, Joined.SUPPRESSED
    return change.supporter_id, Joined.BEFORE if was_on else Joined.JOINED


def take_off_list(workspace: Workspace, actor: Actor, supporter_id: int, list_key: str) -> bool:
    """Take somebody off a list as if they had unsubscribed; tell whether they were on it.

    Raises:
        NobodyThere: when they are gone.
        LogNotWritten: when suppressions.log cannot be written; nothing is changed then.
    """
    now = workspace.clock.now()
    with workspace.store.write() as connection:
        person = _person(connection, supporter_id)
        ids = [
            one.list_id
            for one in rows.memberships_of(connection, supporter_id)
            if one.key == list_key
        ]
        leaver = Leaver(_NO_DELIVERY, supporter_id, UnsubscriptionSource.STAFF)
        left = leave_some(connection, leaver, ids, now)
        if left is None:
            return False
        write_audit(
            connection, actor, AuditAction.SUPPORTER_CORRECTED, f"supporter {supporter_id}", now,
            left=list_key,
        )  # fmt: skip
        # On the disk before it is committed: what cannot be written there is not done.
        scope = ListScope(person.address_digest, person.organisation, list_key)
        workspace.suppression_log.append([scope.line(now)])
    return True


def correct_person(
    workspace: Workspace, actor: Actor, supporter_id: int, said: Mapping[str, str]
) -> tuple[str, ...]:
    """Write what is right about a person in place of what was on record; return what changed.

    Args:
        workspace: the workspace.
        actor: who corrects it.
        supporter_id: of the person's row at one organisation.
        said: of `FIELDS` and the attributes its lists declare; an empty text takes away what was on
            record, and what is not in it stays.

    Raises:
        NobodyThere: when they are gone.
        FaultsFound: with the fields that are wrong; nothing is changed then.
    """
    now = workspace.clock.now()
    # Before the transaction: opened for the first time, it is compared with the database.
    seal_keys = workspace.seal_keys
    with workspace.store.write() as connection:
        person = _person(connection, supporter_id, lock=True)
        attributes = attributes_for(workspace, person.organisation)
        address = seal_keys.unseal(person.address_sealed, TABLE, ADDRESS, supporter_id)
        before = _as_said(workspace, connection, person, attributes)
        known = {*FIELDS, *attributes}
        after = {**before, **{name: text for name, text in said.items() if name in known}}
        row = _read(_any_list(workspace, person.organisation, attributes), address, after)
        canonical = {**after, **_canonical(row, after, attributes)}
        changed = tuple(name for name in after if canonical[name] != before[name])
        if not changed:
            return ()
        _write(workspace, connection, person, row, attributes)
        write_audit(
            connection, actor, AuditAction.SUPPORTER_CORRECTED, f"supporter {supporter_id}", now,
            changed=list(changed),
        )  # fmt: skip
    return changed


def _person(connection: Connection, supporter_id: int, *, lock: bool = False) -> Any:  # noqa: ANN401  (A row.)
    person = rows.row_of(connection, supporter_id, lock=lock)
    if person is None:
        raise NobodyThere(supporter_id)
    return person


def _any_list(
    workspace: Workspace, organisation: str, attributes: Mapping[str, Attribute]
) -> ListDefinition:
    """Return a list that declares all that the organisation's lists do."""
    lists = [one for one in workspace.lists[0].values() if one.owner == organisation]
    if not lists:
        problem = worded("has no list any more: %(organisation)s", organisation=organisation)
        raise FaultsFound([Fault("lists/", 0, "owner", problem, "Put its file back")])
    return replace(lists[0], attributes=dict(attributes), columns={}, topics={})


def _as_said(
    workspace: Workspace,
    connection: Connection,
    person: Any,  # noqa: ANN401  (A row.)
    attributes: Mapping[str, Attribute],
) -> dict[str, str]:
    """Return what is on record as a person would write it."""
    fields = opened_fields(workspace.seal_keys, person.fields_sealed, person.id)
    clear = {
        one.name: imports.attribute_text(one)
        for one in attributes_of_all(connection, [person.id])[person.id]
    }
    return {
        "name": fields.get("name", ""),
        "languages": person.languages.replace(",", ";"),
        "never_languages": person.never.replace(",", ";"),
        "country": person.country,
        "time_zone": person.time_zone,
        "tags": joined_tags(rows.tags_of(connection, person.id)),
        "text_only": "yes" if person.text_only else "no",
        "discreet": "yes" if person.discreet else "no",
        **{name: clear.get(name, fields.get(name, "")) for name in attributes},
    }


def _canonical(
    row: ImportedRow, said: Mapping[str, str], attributes: Mapping[str, Attribute]
) -> dict[str, str]:
    """Return what was said in the one form in which it is on record."""
    return {
        "name": row.fields.get("name", ""),
        "languages": ";".join(row.profile.languages),
        "never_languages": ";".join(row.profile.never),
        "country": row.country,
        "time_zone": row.time_zone,
        "tags": joined_tags(row.tags),
        "text_only": "yes" if row.text_only else "no",
        "discreet": "yes" if row.discreet else "no",
        **{name: row.fields.get(name, "") for name in attributes if name in said},
    }


def _write(
    workspace: Workspace,
    connection: Connection,
    person: Any,  # noqa: ANN401  (A row.)
    row: ImportedRow,
    attributes: Mapping[str, Attribute],
) -> None:
    keys = workspace.seal_keys
    # What no list declares was kept as it came, and stays.
    kept = {
        name: text
        for name, text in opened_fields(keys, person.fields_sealed, person.id).items()
        if name != "name" and name not in attributes
    }
    own = {name: text for name, text in row.fields.items() if name == "name" or name in attributes}
    undeclared = {
        one.name: {name: getattr(one, name) for name in imports.VALUES}
        for one in attributes_of_all(connection, [person.id])[person.id]
        if one.name not in attributes
    }
    clear = {
        name: imports.attribute_columns(attributes[name], text) for name, text in row.clear.items()
    }
    undo.restore_supporter(
        connection,
        person.id,
        {
            "fields_sealed": sealed_fields(keys, {**kept, **own}, person.id),
            "profile_id": profile_id(connection, row.profile),
            "country": row.country,
            "time_zone": row.time_zone,
            "text_only": row.text_only,
            "discreet": row.discreet,
            "updated_at": workspace.clock.now(),
        },
        row.tags,
        {**undeclared, **clear},
    )
