"""A workspace as large as the desk must bear: a million supporters, mailings, statements, a long log.

In: a folder and how many. Out: `Rooms`, with something large behind every address of the desk. Rows are
written by the database itself, as wide as real ones; nobody's address can be unsealed, and no page but
a supporter's needs to: that one shows a person who is on record as people are.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Table, text

from mailer.clock import SystemClock
from mailer.store import tables
from mailer.store.audience import sync_lists
from mailer.store.tables_audit import audit_entry
from mailer.store.tables_tallies import delivery_tally
from tests.support.desk_rooms import LIST, Rooms, furnish
from tests.support.tallies import recount

_NUMBERS = "WITH RECURSIVE number (n) AS (SELECT :since UNION ALL SELECT n + 1 FROM number WHERE n < :until)"
#: Ids below are of what the workspace was furnished with.
_SINCE = 1000
#: Languages of the profiles, the commonest first.
_PROFILES = ["en", "ru", "uk", "uk,en", "ro", "ro,ru", "ky,ru", "fa,en", "be,ru", ""]
_COUNTRIES = "MDUAKGBERODEFRGEAMIR"
_ZONES = (
    "Europe/Chisinau",
    "Europe/Kyiv",
    "Asia/Bishkek",
    "Europe/Brussels",
    "Europe/Bucharest",
    "",
)
_ZONE = " ".join(f"WHEN {number} THEN '{zone}'" for number, zone in enumerate(_ZONES))
_SUPPORTERS = f"""
{_NUMBERS}
INSERT INTO supporter (id, organisation_id, address_digest, address_sealed, fields_sealed, profile_id,
    country, time_zone, joined_at, domain_class, domain_digest, discreet, only_urgent, paused_until,
    created_at, updated_at)
SELECT n, :owner, randomblob(32), randomblob(75), randomblob(95), {_SINCE} + abs(random() % 100) % 10,
    CASE WHEN n % 17 = 0 THEN '' ELSE substr('{_COUNTRIES}', 1 + 2 * (abs(random()) % 10), 2) END,
    CASE abs(random()) % 6 {_ZONE} END,
    1700000000000000 + n, 'other', randomblob(32), n % 100 = 7, n % 100 = 8,
    CASE WHEN n % 100 = 9 THEN 2000000000000000 END, 1700000000000000, 1700000000000000
FROM number
"""
#: Nine of ten on the first list, a third on the second; one in fifty has no consent on record.
_MEMBERS = """
INSERT INTO membership (list_id, supporter_id, state, consent_basis, consented_at, added_at)
SELECT :list, id, CASE WHEN id % 40 = 3 THEN 'left' ELSE 'subscribed' END,
    CASE WHEN id % 50 = 1 THEN '' ELSE 'consent' END, 1700000000000000, 1700000000000000
FROM supporter WHERE id >= :first AND id % 30 BETWEEN :since AND :until
"""
_SUPPRESSIONS = """
INSERT INTO suppression (address_digest, scope, reason, source, since)
SELECT address_digest, 'all', 'hard_bounce', 'bounce', 1700000000000000 FROM supporter
WHERE id >= :first AND id % 60 = 5
"""
_TAGS = (
    "INSERT INTO supporter_tag SELECT id, 'press' FROM supporter WHERE id >= :first AND id % 20 = 4"
)
_CITIES = """
INSERT INTO supporter_attribute (supporter_id, name, text_value)
SELECT id, 'city', CASE id % 3 WHEN 0 THEN 'Bălți' WHEN 1 THEN 'Odesa' ELSE 'Osh' END FROM supporter
WHERE id >= :first AND id % 2
"""
#: Of a hundred: 90 accepted, 4 due, 2 refused, 1 deferred, 3 skipped, and some hundred in doubt.
_DELIVERIES = """
INSERT INTO delivery (id, mailing_id, address_digest, supporter_id, list_id, language, state,
    skip_reason, share_id, domain_class, attempts, next_attempt_at, relay, code, enhanced_code,
    finished_at)
SELECT id, :mailing, address_digest, id, :list, CASE id % 3 WHEN 0 THEN 'en' WHEN 1 THEN 'ru' ELSE 'uk' END,
    CASE WHEN id % 5000 = 17 THEN 'in_doubt' WHEN id % 100 < 90 THEN 'accepted'
        WHEN id % 100 < 94 THEN 'due' WHEN id % 100 < 96 THEN 'refused' WHEN id % 100 < 97 THEN 'deferred'
        ELSE 'skipped' END,
    CASE WHEN id % 100 >= 97 THEN 'suppressed' END, 1 + id % 6, 'other', 1, 0, 'main',
    CASE WHEN id % 100 < 90 THEN 250 WHEN id % 100 BETWEEN 94 AND 95 THEN 550 + id % 5 END,
    CASE WHEN id % 100 BETWEEN 94 AND 95 THEN '5.1.' || id % 4 END, 1800000000000000
FROM supporter WHERE id >= :first
"""
_DELIVERY_LISTS = (
    "INSERT INTO delivery_list SELECT id, list_id, supporter_id FROM delivery WHERE id >= :first"
)
_ATTEMPTS = """
INSERT INTO attempt (delivery_id, number, relay, started_at, duration_ms, outcome, code, enhanced_code,
    reply)
SELECT id, 1, 'main', 1800000000000000, 40, CASE state WHEN 'skipped' THEN 'refused'
    WHEN 'due' THEN 'deferred' ELSE state END, 250, '2.0.0', 'Ok: queued'
FROM delivery WHERE id >= :first AND state != 'skipped'
"""
_UNSUBSCRIPTIONS = """
INSERT INTO unsubscription (at, delivery_id, supporter_id, address_digest, source)
SELECT 1800000000000000, id, supporter_id, address_digest, 'one_click' FROM delivery
WHERE id >= :first AND id % 200 = 11
"""
_ENDS = """
INSERT OR REPLACE INTO outcome_count (mailing_id, relay, domain_class, ending, reason, deliveries)
SELECT mailing_id, 'main', domain_class, state, CASE state WHEN 'refused' THEN 'other' ELSE '' END,
    count(*) FROM delivery WHERE state IN ('accepted', 'refused', 'deferred') GROUP BY 1, 2, 3, 4, 5
"""
_HOURS = f"""
{_NUMBERS} INSERT OR REPLACE INTO hour_tally SELECT :mailing, 490000 + n, event, 7 FROM number,
    (SELECT 'accepted' AS event UNION SELECT 'refused' UNION SELECT 'hard_bounce'
    UNION SELECT 'unsubscribed')
"""
_SHARES = f"""
{_NUMBERS}
INSERT INTO mailing_share (id, mailing_id, zone, due_at, state, people)
SELECT n, :mailing, 'Etc/GMT+' || n, 1800000000000000, 'open', 1000000 / 6 FROM number
"""
_BACK = """
INSERT INTO feedback_finding (event_id, happened_at, kind, reason, status, smtp_code, matched_by,
    delivery_id, mailing_id, address_digest, effect)
SELECT one.event_id, one.happened_at, one.kind, one.reason, one.status, one.smtp_code, one.matched_by,
    delivery.id, delivery.mailing_id, delivery.address_digest, one.effect
FROM delivery, (SELECT * FROM feedback_finding LIMIT 1) AS one
WHERE delivery.id >= :first AND delivery.id % 100 = 12
"""
#: Of what is copied: ids that nothing has, and digests.
_ID, _REVISION, _RANDOM = "n + 10000000", "n + 20000000", "lower(hex(randomblob(32)))"
_HEAD = """
UPDATE audit_head SET entries = (SELECT max(id) FROM audit_entry),
    digest = (SELECT digest FROM audit_entry ORDER BY id DESC LIMIT 1)
"""


def make_world(folder: Path, people: int) -> Rooms:
    """Return a furnished workspace with so many people more, all of whom one mailing goes to."""
    rooms = furnish(folder, SystemClock())
    workspace = rooms.workspace
    with workspace.store.write(patient=True) as connection:
        sync_lists(connection, list(workspace.lists[0].values()), workspace.clock.now())
        _people(connection, people)
        _mailing(connection, _key_of_sent(rooms))
        _much_of_all(connection, _key_of_sent(rooms))
    with workspace.store.write(patient=True) as connection:
        connection.execute(text("ANALYZE"))
    return rooms


def _key_of_sent(rooms: Rooms) -> str:
    return rooms.places["/mailings/{key}/report"]["key"]


def _people(connection: Connection, people: int) -> None:
    for number, languages in enumerate(_PROFILES):
        # Nobody who is there already never wants Latin: each is a profile of its own.
        values = {"id": _SINCE + number, "languages": languages, "never": "la"}
        connection.execute(tables.language_profile.insert().values(values))
    _run(connection, _SUPPORTERS, since=_SINCE, until=_SINCE + people - 1, owner=_owner(connection))
    for key, since, until in ((LIST, 0, 26), ("harbor-volunteers", 20, 29)):
        _run(connection, _MEMBERS, list=_list(connection, key), since=since, until=until)
    for one in (_SUPPRESSIONS, _TAGS, _CITIES):
        _run(connection, one)
    connection.execute(
        text("UPDATE id_sequence SET next_id = :next WHERE name = 'supporter'"),
        {"next": _SINCE + people},
    )


def _mailing(connection: Connection, key: str) -> None:
    """Let everybody have a delivery of a mailing, in shares, with all that comes of it."""
    mailing = connection.execute(
        text("SELECT id FROM mailing WHERE key = :key"), {"key": key}
    ).scalar_one()
    connection.execute(text("UPDATE mailing SET in_shares = 1 WHERE id = :id"), {"id": mailing})
    _run(connection, _SHARES, mailing=mailing, since=1, until=6)
    _run(connection, _DELIVERIES, mailing=mailing, list=_list(connection, LIST))
    for one in (_DELIVERY_LISTS, _ATTEMPTS, _UNSUBSCRIPTIONS, _ENDS, _BACK):
        _run(connection, one)
    recount(connection)
    _run(connection, _HOURS, mailing=mailing, since=0, until=71)


def _much_of_all(connection: Connection, key: str) -> None:
    """Copy what there is one of: 40 statements, 60 mailings, 200 imports, 100,000 entries of the log."""
    named = {"slug": "'statement-' || n", "latest_revision_id": _REVISION, "id": _ID}
    _copy(connection, tables.statement, "slug = 'her-rights'", 40, named)
    ours = {"id": _REVISION, "statement_id": _ID, "digest": _RANDOM}
    _copy(connection, tables.revision, "id = (SELECT min(id) FROM revision)", 40, ours)
    of_one = {"id": _REVISION + " + 1000", "number": "n + 10", "digest": _RANDOM}
    _copy(connection, tables.revision, "id = (SELECT min(id) FROM revision)", 40, of_one)
    number = {
        "id": _ID,
        "key": "'sent-here-' || (n + 10)",
        "number": "n + 10",
        "state": "'finished'",
    }
    _copy(connection, tables.mailing, f"key = '{key}'", 60, number)
    sent = f"mailing_id = (SELECT id FROM mailing WHERE key = '{key}')"
    for table in (tables.mailing_target, delivery_tally, tables.outcome_count):
        _copy(connection, table, sent, 60, {"mailing_id": _ID})
    newest = "id = (SELECT max(id) FROM {})"
    _copy(connection, tables.import_batch, newest.format("import_batch"), 200, {"id": _ID})
    last = newest.format("audit_entry")
    # What stands in it is not looked at: each is as long as a real one.
    entries = {"id": "one.id + n", "digest": _RANDOM, "actor_name": "'staff-' || n % 30"}
    _copy(connection, audit_entry, last, 100_000, entries)
    connection.execute(text(_HEAD))


def _copy(
    connection: Connection, table: Table, where: str, times: int, otherwise: dict[str, str]
) -> None:
    """Copy rows of a table so many times, with some columns otherwise."""
    columns = [column.name for column in table.columns]
    values = ", ".join(otherwise.get(name, f"one.{name}") for name in columns)
    connection.execute(
        text(
            f"{_NUMBERS} INSERT INTO {table.name} ({', '.join(columns)}) SELECT {values}"
            f" FROM number, (SELECT * FROM {table.name} WHERE {where}) AS one"
        ),
        {"since": 1, "until": times},
    )


def _run(connection: Connection, statement: str, **values: object) -> None:
    """Run a statement with those of the values that it names."""
    values.setdefault("first", _SINCE)
    asked = {name: one for name, one in values.items() if f":{name}" in statement}
    connection.execute(text(statement), asked)


def _list(connection: Connection, key: str) -> int:
    query = text("SELECT id FROM mailing_list WHERE key = :key")
    return int(connection.execute(query, {"key": key}).scalar_one())


def _owner(connection: Connection) -> int:
    query = text("SELECT organisation_id FROM mailing_list WHERE key = :key")
    return int(connection.execute(query, {"key": LIST}).scalar_one())
