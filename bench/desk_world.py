"""A workspace as large as the desk must bear: a million supporters, mailings, statements, a long log.

In: a folder and how many. Out: a `Workspace` made of what ships. Rows are written by the database
itself, as wide as real ones; nobody's address can be unsealed, and no page but a supporter's needs to.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, text

from mailer.app.workspace import Workspace
from mailer.clock import SystemClock
from mailer.store.audience import sync_lists
from mailer.store.engine import create_tables, open_store
from tests.support.drafts import drafting_workspace

_NUMBERS = (
    "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < :people)"
)
#: Languages of the profiles, the commonest first.
_PROFILES = [
    ("en", ""), ("ru", ""), ("uk", "ru"), ("uk,en", "ru"), ("ro", ""), ("ro,ru", ""), ("ky,ru", ""),
    ("fa,en", ""), ("be,ru", ""), ("", ""),
]  # fmt: skip
_COUNTRIES = "MDUAKGBERODEFRGEAMIR"
_ZONES = (
    "Europe/Chisinau",
    "Europe/Kyiv",
    "Asia/Bishkek",
    "Europe/Brussels",
    "Europe/Bucharest",
    "",
)
_SUPPORTERS = f"""
{_NUMBERS}
INSERT INTO supporter (id, organisation_id, address_digest, address_sealed, fields_sealed, profile_id,
    country, time_zone, joined_at, domain_class, domain_digest, discreet, only_urgent, paused_until,
    created_at, updated_at)
SELECT n, :owner, randomblob(32), randomblob(75), randomblob(95), 1 + abs(random() % 100) % 10,
    CASE WHEN n % 17 = 0 THEN '' ELSE substr('{_COUNTRIES}', 1 + 2 * (abs(random()) % 10), 2) END,
    CASE abs(random()) % 6 WHEN 0 THEN '{_ZONES[0]}' WHEN 1 THEN '{_ZONES[1]}' WHEN 2 THEN '{_ZONES[2]}'
        WHEN 3 THEN '{_ZONES[3]}' WHEN 4 THEN '{_ZONES[4]}' ELSE '' END,
    1700000000000000 + n, 'other', randomblob(32), n % 100 = 7, n % 100 = 8,
    CASE WHEN n % 100 = 9 THEN 2000000000000000 END, 1700000000000000, 1700000000000000
FROM number
"""
#: Nine of ten on the first list, a third on the second; one in fifty has no consent on record.
_MEMBERS = f"""
{_NUMBERS}
INSERT INTO membership (list_id, supporter_id, state, consent_basis, consented_at, added_at)
SELECT :list, n, CASE WHEN n % 40 = 3 THEN 'left' ELSE 'subscribed' END,
    CASE WHEN n % 50 = 1 THEN '' ELSE 'consent' END, 1700000000000000, 1700000000000000
FROM number WHERE n % 30 BETWEEN :since AND :until
"""
_SUPPRESSIONS = """
INSERT INTO suppression (address_digest, scope, reason, source, since)
SELECT address_digest, 'all', 'hard_bounce', 'bounce', 1700000000000000 FROM supporter WHERE id % 60 = 5
"""
_TAGS = "INSERT INTO supporter_tag SELECT id, 'press' FROM supporter WHERE id % 20 = 4"
_CITIES = """
INSERT INTO supporter_attribute (supporter_id, name, text_value)
SELECT id, 'city', CASE id % 3 WHEN 0 THEN 'Bălți' WHEN 1 THEN 'Odesa' ELSE 'Osh' END FROM supporter
WHERE id % 2
"""


def make_workspace(folder: Path, people: int) -> Workspace:
    """Return a workspace with so many people on two lists of one organisation."""
    store = open_store(f"sqlite:///{folder / 'desk.db'}", synchronous="OFF")
    create_tables(store)
    workspace = drafting_workspace(folder / "campaign", store, SystemClock())
    with store.write(patient=True) as connection:
        sync_lists(connection, list(workspace.lists[0].values()), workspace.clock.now())
        _people(connection, people)
    with store.write() as connection:
        connection.execute(text("ANALYZE"))
    return workspace


def _people(connection: Connection, people: int) -> None:
    for number, (languages, never) in enumerate(_PROFILES, 1):
        connection.execute(
            text(
                "INSERT INTO language_profile (id, languages, never) VALUES (:id, :languages, :never)"
            ),
            {"id": number, "languages": languages, "never": never},
        )
    found = connection.execute(text("SELECT key, id, organisation_id FROM mailing_list")).all()
    lists = {row.key: row.id for row in found}
    owners = {row.key: row.organisation_id for row in found}
    connection.execute(text(_SUPPORTERS), {"people": people, "owner": owners["harbor-news"]})
    for key, since, until in (("harbor-news", 0, 26), ("harbor-volunteers", 20, 29)):
        values = {"people": people, "list": lists[key], "since": since, "until": until}
        connection.execute(text(_MEMBERS), values)
    for one in (_SUPPRESSIONS, _TAGS, _CITIES):
        connection.execute(text(one))
    connection.execute(
        text("UPDATE id_sequence SET next_id = :next WHERE name = 'supporter'"),
        {"next": people + 1},
    )
