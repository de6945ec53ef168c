"""An import can be taken back, an export comes in again as it went out, and nobody is lost."""

import threading
from datetime import timedelta

import pytest

from mailer.audience.exports import export_list
from mailer.audience.undoing import UndoResult, undo_import
from mailer.model.audience import MembershipState, SuppressionReason
from mailer.model.faults import FaultsFound
from mailer.store import tables
from mailer.store.suppressions import Suppressed, lift, standing, suppress
from tests.store.import_ground import LIST, Importer
from tests.support.clocks import NOW
from tests.support.factories import make_list

HEADER = "email,name,languages,never_languages,country,tags,consent,city,remark"
ANNA = "anna@example.org,Anna,ru;uk,be,MD,press,membership,Soroca,phoned"
BORIS = "boris@example.org,Boris,be,,BY,,yes,,"
LATER = NOW.replace(year=NOW.year + 1)
DAY = timedelta(days=1)


@pytest.fixture
def importer(store, seal_keys, service_keys, tmp_path):
    """What imports into `store`."""
    return Importer(store, seal_keys, service_keys, tmp_path)


def undo(importer, batch):
    """Undo an import, return what came of it."""
    return undo_import(importer.store, importer.seal_keys, batch, LATER)


def people(importer):
    """Return all of everybody but what sealing makes different each time."""
    ids = {row["id"]: address for address, row in importer.people().items()}
    sealed = {"address_sealed", "fields_sealed", "consent_source_sealed", "batch_id"}
    own = {
        address: {name: value for name, value in row.items() if name not in sealed}
        for address, row in importer.people().items()
    }
    others = [
        [
            ids[row["supporter_id"]],
            {name: value for name, value in row.items() if name not in sealed},
        ]
        for table in (tables.membership, tables.supporter_tag, tables.supporter_attribute)
        for row in importer.rows(table)
    ]
    return own, others


def test_undoing_removes_whom_an_import_brought_and_restores_whom_it_changed(importer):
    """Columns, sealed fields, tags, clear attributes, memberships and consent are as before."""
    importer.take(HEADER, ANNA, "vera@example.org,,,,,,no,,")
    before = people(importer)
    result = importer.take(
        HEADER,
        "anna@example.org,Annie,en,fr,DE,choir,no,Berlin,wrote",
        "vera@example.org,Vera,,,,,membership,,",
        BORIS,
        now=LATER,
    )
    assert before != people(importer)
    assert UndoResult(removed=1, restored=2) == undo(importer, result.batch)
    assert before == people(importer)
    assert UndoResult() == undo(importer, result.batch)
    assert [] == importer.rows(tables.import_change)[2:]


def test_later_imports_of_the_same_people_are_undone_first(importer):
    """Else the later one's pre-image would bring back what was undone."""
    first = importer.take(HEADER, ANNA)
    second = importer.take(HEADER, ANNA.replace("MD", "RO"), now=LATER)
    with pytest.raises(FaultsFound, match=f"changed the same people: {second.batch}"):
        undo(importer, first.batch)
    undo(importer, second.batch)
    assert UndoResult(removed=1) == undo(importer, first.batch)
    assert {} == importer.people()


def test_who_left_meanwhile_stays_on_record_as_gone(importer):
    """A later import of the file does not bring them back."""
    result = importer.take(HEADER, ANNA, BORIS)
    who = importer.people()["anna@example.org"]["id"]
    with importer.store.write() as connection:
        connection.execute(
            tables.membership.update()
            .where(tables.membership.c.supporter_id == who)
            .values(state=MembershipState.LEFT, left_at=NOW)
        )
    assert UndoResult(removed=1, kept=1) == undo(importer, result.batch)
    again = importer.take(HEADER, ANNA, BORIS)
    assert (1, 1) == (again.left, again.added)


@pytest.mark.parametrize("undone", [False, True])
def test_what_a_person_says_at_the_same_moment_is_not_written_over(importer, undone):
    """An import and its undoing wait for it, and go by what was said."""
    importer.take(HEADER, ANNA)
    batch = importer.take(HEADER, ANNA.replace("MD", "RO"), now=LATER).batch
    work = threading.Thread(
        target=lambda: undo(importer, batch) if undone else importer.take(HEADER, ANNA, now=LATER)
    )
    with importer.store.write() as connection:
        connection.execute(
            tables.supporter.update().values(time_zone="Asia/Bishkek", updated_at=LATER + DAY)
        )
        work.start()
        work.join(0.3)
    work.join(30)
    (anna,) = importer.people().values()
    assert ("Asia/Bishkek", "RO" if undone else "MD") == (anna["time_zone"], anna["country"])


def test_an_undoing_that_was_broken_off_goes_on(importer, monkeypatch):
    """Every chunk is undone and forgotten together."""
    monkeypatch.setattr("mailer.audience.undoing.CHUNK_PEOPLE", 2)
    result = importer.take(HEADER, *(f"p{number}@example.org,,,,,,,," for number in range(5)))

    def broken(_done):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        undo_import(importer.store, importer.seal_keys, result.batch, LATER, broken)
    assert 3 == len(importer.people())
    assert UndoResult(removed=3) == undo(importer, result.batch)
    assert {} == importer.people()


def test_another_systems_unsubscribed_become_suppressions_that_undoing_lifts(importer):
    """Bounces count for all organisations; what something newer confirmed stays."""
    lines = (
        "Email Address,MEMBER_RATING,CONFIRM_TIME,UNSUB_TIME,UNSUB_REASON,CLEAN_TIME",
        "a@example.org,2,2024-01-02 10:00:00,,,",
        "b@example.org,2,,2024-01-02 10:00:00,NORMAL,",
        "c@example.org,2,,2024-01-02 10:00:00,SPAM,",
        "d@example.org,2,,,,2024-01-02 10:00:00",
    )
    told = importer.take(*lines, dry_run=True)
    result = importer.take(*lines)
    assert told.counts() == result.counts()
    assert ("Mailchimp", 1, 3) == (result.system, result.added, result.taken_over)
    assert ["a@example.org"] == list(importer.people())
    barred = importer.rows(tables.suppression)
    assert [
        SuppressionReason.IMPORTED,
        SuppressionReason.COMPLAINED,
        SuppressionReason.BOUNCED,
    ] == [row["reason"] for row in barred]
    assert "all" == barred[2]["scope"] != barred[0]["scope"]
    with importer.store.write() as connection:
        digest, scope = barred[0]["address_digest"], barred[0]["scope"]
        entry = Suppressed(digest, scope, SuppressionReason.MANUAL, "staff", NOW)
        assert [entry] == suppress(connection, [entry])
    assert UndoResult(removed=1, lifted=2) == undo(importer, result.batch)
    (stays,) = importer.rows(tables.suppression)
    assert SuppressionReason.MANUAL == stays["reason"]


def test_a_weaker_reason_never_takes_the_place_of_a_stronger(importer):
    """An erased address stays erased; lifting takes the reason that stands, no other."""
    digest = importer.service_keys.address_digest("a@example.org")
    erased = Suppressed(digest, "all", SuppressionReason.ERASED, "staff", NOW)
    manual = Suppressed(digest, "all", SuppressionReason.MANUAL, "staff", NOW)
    with importer.store.write() as connection:
        assert [erased] == suppress(connection, [manual, erased])
        assert [] == suppress(connection, [manual])
        assert 0 == lift(connection, [manual])
        assert [erased] == standing(connection, digest)
        assert 1 == lift(connection, [erased])


def test_an_export_comes_in_again_as_it_went_out(importer, tmp_path):
    """Cells a spreadsheet would run are disarmed, tags with commas are quoted, nobody is missing."""
    importer.take(
        HEADER + ",=cmd",
        ANNA + ",x",
        'boris@example.org,=HYPERLINK(1),be,,BY,"""choir, sings"";press",,,\'+5,＝1',
        "+vera@example.org,'quoted',,,,,no,,-3,",
    )
    before = people(importer)
    path = tmp_path / "out.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        assert 3 == export_list(importer.store, importer.seal_keys, LIST, file).written
    assert "'=HYPERLINK" in path.read_text(encoding="utf-8")
    fields = {address: row["fields"] for address, row in before[0].items()}
    assert {"=HYPERLINK(1)", "'quoted'", "-3"} <= {
        value for one in fields.values() for value in one.values()
    }
    unchanged = importer.take(path, now=LATER)
    assert 3 == unchanged.unchanged, unchanged
    other = make_list("elsewhere", "lantern", attributes=LIST.attributes)
    assert 3 == importer.take(path, onto=other).added
    copies = [row for row in importer.rows(tables.supporter) if row["organisation_id"] != 1]
    assert 3 == len(copies)


def test_a_dry_run_remembers_whom_it_would_have_suppressed(importer, monkeypatch):
    """However many lines lie between the two."""
    monkeypatch.setattr("mailer.audience.imports.CHUNK_ROWS", 1)
    lines = ("uuid,email,name,attributes,status", "1,a@example.org,,{},blocklisted",
             "2,b@example.org,,{},enabled", "3,a@example.org,,{},enabled")  # fmt: skip
    told = importer.take(*lines, dry_run=True)
    assert told.counts() == importer.take(*lines).counts()
    assert (1, 1, 1) == (told.added, told.suppressed, told.taken_over)
