"""How long the figures of the desk's pages take, over a mailing to a million.

In: how many invented people. Out: milliseconds of `report` and `progress`, cold and warm, from a
SQLite database with a mailing of which most was sent. Its deliveries are written by the database itself;
what is counted of them is what the program would have counted.

    python -m bench.desk_pages --people 1000000
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import text

from mailer.keys import create_seal_key, create_service_key, load_seal_keys, load_service_keys
from mailer.store.engine import Store, create_tables, open_store
from mailer.store.reports import progress, report
from tests.support.ground import lay_ground
from tests.support.tallies import recount

#: What a page may take of the database.
AIM_MS = 20.0
_RUNS = 30
#: Of a hundred: 90 accepted, 4 due, 2 refused, 1 deferred, 3 skipped; three languages.
_DELIVERIES = """
WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < :people)
INSERT INTO delivery (mailing_id, address_digest, supporter_id, list_id, language, state, skip_reason,
    share_id, domain_class, attempts, next_attempt_at, code, enhanced_code, finished_at)
SELECT :mailing, CAST(printf('%016d', n) AS BLOB), n + 10, :list,
    CASE n % 3 WHEN 0 THEN 'en' WHEN 1 THEN 'ru' ELSE 'uk' END,
    CASE WHEN n % 100 < 90 THEN 'accepted' WHEN n % 100 < 94 THEN 'due' WHEN n % 100 < 96 THEN 'refused'
        WHEN n % 100 < 97 THEN 'deferred' ELSE 'skipped' END,
    CASE WHEN n % 100 >= 97 THEN 'suppressed' END, 0, 'other', 1, 0,
    CASE WHEN n % 100 < 90 THEN 250 WHEN n % 100 BETWEEN 94 AND 95 THEN 550 + n % 5 END,
    CASE WHEN n % 100 BETWEEN 94 AND 95 THEN '5.1.' || n % 4 END, 0
FROM number
"""
_LISTS = "INSERT INTO delivery_list SELECT id, list_id, supporter_id FROM delivery WHERE id > 1"
_ENDS = """
INSERT INTO outcome_count (mailing_id, relay, domain_class, ending, reason, deliveries)
SELECT mailing_id, 'main', domain_class, state, CASE state WHEN 'refused' THEN 'other' ELSE '' END,
    count(*) FROM delivery WHERE state IN ('accepted', 'refused', 'deferred') GROUP BY 1, 2, 3, 4, 5
"""
_HOURS = """
WITH RECURSIVE number (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n < 71)
INSERT INTO hour_tally SELECT :mailing, 490000 + n, event, 7 FROM number, (SELECT 'accepted' AS event
    UNION SELECT 'refused' UNION SELECT 'hard_bounce' UNION SELECT 'unsubscribed')
"""


def fill(folder: Path, people: int) -> tuple[Store, int]:
    """Make a database with a mailing to so many people; return it and the mailing's row id."""
    create_seal_key(folder / "seal.key")
    create_service_key(folder / "service.key")
    keys = load_seal_keys(folder / "seal.key"), load_service_keys(folder / "service.key")
    store = open_store(f"sqlite:///{folder / 'desk.db'}", synchronous="OFF")
    create_tables(store)
    mailing_id, list_id = lay_ground(store, *keys, ["first@example.org"])
    values = {"people": people, "mailing": mailing_id, "list": list_id}
    with store.write() as connection:
        for statement in (_DELIVERIES, _LISTS, _ENDS, _HOURS):
            asked = {name: one for name, one in values.items() if f":{name}" in statement}
            connection.execute(text(statement), asked)
        recount(connection)
    return store, mailing_id


def measure(store: Store, ask: Callable[..., object], mailing_id: int) -> dict[str, float]:
    """Return the first time and the median of the others, in milliseconds."""
    times = []
    for _ in range(_RUNS + 1):
        begun = time.perf_counter()
        with store.read() as connection:
            ask(connection, mailing_id)
        times.append((time.perf_counter() - begun) * 1000)
    return {"first_ms": round(times[0], 2), "median_ms": round(statistics.median(times[1:]), 2)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure the figures of the desk's pages.")
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mailer-desk-") as folder:
        store, mailing_id = fill(Path(folder), options.people)
        found = {one.__name__: measure(store, one, mailing_id) for one in (report, progress)}
        store.close()
    if options.json:
        print(json.dumps({"people": options.people, **found}, indent=2))
        return
    print(f"{options.people} people")
    for name, times in found.items():
        held = "reached" if times["median_ms"] <= AIM_MS else "missed"
        print(f"  {name:<9} first {times['first_ms']:7.1f} ms  median {times['median_ms']:7.1f} ms"
              f"  (aim {AIM_MS:.0f}: {held})")  # fmt: skip


if __name__ == "__main__":
    main()
