"""After a restore: mailings held, deliveries settled or in doubt, ids nobody was ever given."""

import itertools
from datetime import timedelta

import pytest

from mailer.app.settling import reason_to_hold, settled
from mailer.delivery.journal import Journal, JournalReply
from mailer.delivery.survival import Survivors, folder_id, note_cleared, read_survivors
from mailer.model.states import DeliveryState, MailingState, Outcome
from mailer.store.engine import take_ids
from mailer.store.restoring import (
    OpenDelivery,
    Settled,
    hold_all,
    open_deliveries,
    settle,
    start_new_ids,
)
from mailer.store.tables import attempt, delivery, mailing, outcome_count
from mailer.tokens import Purpose
from tests.support.clocks import NOW
from tests.support.factories import make_revision

D = DeliveryState


def reply(code):
    """A reply as a journal keeps it."""
    return JournalReply(code, "")


@pytest.mark.parametrize(
    ("state", "attempts", "last", "proved", "unproved"),
    [
        # No word of it: it was not sent where that is a proof.
        (D.DUE, 0, None, (D.DUE, 0), (D.IN_DOUBT, 1)),
        (D.DEFERRED, 1, None, (D.DEFERRED, 1), (D.IN_DOUBT, 2)),
        (D.SENDING, 1, None, (D.DUE, 0), (D.IN_DOUBT, 1)),
        # A word of an attempt that the backup knows says nothing of a later one.
        (D.DEFERRED, 1, (1, reply(451)), (D.DEFERRED, 1), (D.IN_DOUBT, 2)),
        (D.DUE, 0, (1, reply(250)), (D.ACCEPTED, 1), (D.ACCEPTED, 1)),
        (D.SENDING, 1, (1, reply(250)), (D.ACCEPTED, 1), (D.ACCEPTED, 1)),
        (D.SENDING, 1, (2, reply(550)), (D.REFUSED, 2), (D.REFUSED, 2)),
        (D.DUE, 0, (1, reply(451)), (D.DEFERRED, 1), (D.IN_DOUBT, 1)),
        (D.DUE, 0, (1, None), (D.IN_DOUBT, 1), (D.IN_DOUBT, 1)),
        # Sent again by a person since: a later attempt has the last word, and "later" is for them.
        (D.IN_DOUBT, 1, (2, reply(250)), (D.ACCEPTED, 2), (D.ACCEPTED, 2)),
        (D.IN_DOUBT, 1, (2, reply(550)), (D.REFUSED, 2), (D.REFUSED, 2)),
        (D.IN_DOUBT, 1, (2, reply(451)), (D.IN_DOUBT, 2), (D.IN_DOUBT, 2)),
        (D.IN_DOUBT, 1, (2, None), (D.IN_DOUBT, 2), (D.IN_DOUBT, 2)),
    ],
)
def test_only_a_reply_or_a_proved_silence_settles(state, attempts, last, proved, unproved):
    """Everything else is in doubt, and in doubt is never sent again unasked."""
    one = OpenDelivery(7, state, attempts)
    for silence, expected in ((True, proved), (False, unproved)):
        survivors = Survivors(silence, {7: last} if last else {})
        became = settled(one, survivors)
        assert expected == (became.state, became.attempts)


@pytest.mark.parametrize("last", [None, (1, None)])
def test_a_doubt_that_no_journal_tells_more_of_stays_as_it_is(last):
    """Since when it is in doubt is not written anew, whether silence is a proof or not."""
    for silence in (True, False):
        survivors = Survivors(silence, {7: last} if last else {})
        assert settled(OpenDelivery(7, D.IN_DOUBT, 1), survivors) is None


def test_silence_is_a_proof_in_the_same_folder_whole_only(tmp_path):
    """Another folder, one without a name, a journal that was not ended after another boot: none is."""
    folder = tmp_path / "journal"
    name = folder_id(folder)
    since = NOW - timedelta(days=3_650)
    journal = Journal(folder, "w1")
    journal.mark(1, 1)
    journal.reply(1, 1, 250, "2.0.0")
    journal.mark(2, 1)
    journal.close()
    found = read_survivors(folder, name, since)
    assert (True, 1) == (found.silence_proves, found.files)
    assert {1: (1, JournalReply(250, "2.0.0")), 2: (1, None)} == found.last
    assert not read_survivors(folder, "", since).silence_proves
    assert not read_survivors(folder, "f" * 16, since).silence_proves
    assert not read_survivors(tmp_path / "nowhere", name, since).silence_proves
    content = journal.path.read_bytes()
    _, separator, records = content.partition(b"\n")
    other_boot = b'{"worker": "w1", "pid": 1, "boot_id": "another"}' + separator
    journal.path.write_bytes(other_boot + records)
    assert read_survivors(folder, name, since).silence_proves
    # The last record said that nothing is missing.
    journal.path.write_bytes(other_boot + records[:-32])
    unproved = read_survivors(folder, name, since)
    assert (False, found.last) == (unproved.silence_proves, unproved.last)


def test_silence_is_no_proof_once_journals_of_that_time_were_cleared_away(tmp_path):
    """A backup that is older than the journals that are kept."""
    name = folder_id(tmp_path)
    note_cleared(tmp_path, NOW)
    assert read_survivors(tmp_path, name, NOW).silence_proves
    assert not read_survivors(tmp_path, name, NOW - timedelta(days=1)).silence_proves


def test_what_left_the_journal_is_kept_for_a_restore(tmp_path, monkeypatch):
    """A journal written anew leaves its older part, and both together say everything."""
    monkeypatch.setattr("mailer.delivery.journal.ROOM_BYTES", 300)
    name = folder_id(tmp_path)
    journal = Journal(tmp_path, "w1")
    for number in range(1, 30):
        journal.mark(number, 1)
        journal.reply(number, 1, 250, "")
        journal.read([(number, 1)])
    journal.mark(99, 1)
    journal.close()
    found = read_survivors(tmp_path, name, NOW - timedelta(days=3_650))
    assert found.silence_proves
    assert {*range(1, 30), 99} == set(found.last)
    assert (1, None) == found.last[99]


def test_every_unfinished_mailing_is_held_with_its_reason(store, ground):
    """And goes back to where it was when released; those that have ended stay as they are."""
    ground.add_list("harbor-news")
    for number, state in enumerate(MailingState):
        ground.add_mailing(["harbor-news"], state, make_revision(slug=f"s{number}"))
    with store.write() as connection:
        connection.execute(
            mailing.update()
            .where(mailing.c.state == MailingState.PAUSED)
            .values(state_before=MailingState.RUNNING)
        )
        before = dict(connection.execute(mailing.select().with_only_columns(
            mailing.c.id, mailing.c.state)).all())  # fmt: skip
        held = hold_all(connection, lambda one: reason_to_hold(one, NOW, NOW))
        rows = connection.execute(mailing.select()).all()
    after = {before[row.id]: row for row in rows}
    unfinished = {"scheduled", "freezing", "running", "paused", "held"}
    assert len(unfinished) == len(held)
    assert all("restored from a backup" in reason for _, reason in held)
    for state, row in after.items():
        assert (row.state.value == "held") == (state.value in unfinished), state
    assert (
        "restored from a backup of 2026-12-01 07:00 UTC" in after[MailingState.RUNNING].held_reason
    )
    assert "it may have gone to everybody since" in after[MailingState.SCHEDULED].held_reason
    assert "it may have gone to everybody since" in after[MailingState.FREEZING].held_reason
    assert MailingState.SCHEDULED is after[MailingState.SCHEDULED].state_before
    assert MailingState.RUNNING is after[MailingState.PAUSED].state_before


def test_settling_writes_state_and_attempt_and_can_be_run_again(store, ground):
    """What is settled is not open any more, so that a second run finds only the rest."""
    ground.add_list("harbor-news")
    made = ground.add_mailing(["harbor-news"])
    ids = [
        ground.add_delivery(made, ground.add_supporter(f"p{number}@example.org", "harbor-news"))
        for number in range(3)
    ]
    batch = [
        Settled(ids[0], D.ACCEPTED, 1, 250, "2.0.0", Outcome.ACCEPTED),
        Settled(ids[1], D.IN_DOUBT, 1),
        Settled(ids[2], D.DUE, 0),
    ]
    for _ in range(2):
        with store.write() as connection:
            settle(connection, batch, NOW)
    with store.read() as connection:
        states = [
            row.state for row in connection.execute(delivery.select().order_by(delivery.c.id))
        ]
        attempts = connection.execute(attempt.select()).all()
        counted = connection.execute(outcome_count.select()).all()
        left = open_deliveries(connection, 0, 10)
    assert [D.ACCEPTED, D.IN_DOUBT, D.DUE] == states
    assert [(ids[0], 1, "from the journal")] == [
        (row.delivery_id, row.number, row.reply) for row in attempts
    ]
    assert [("journal", "accepted", "", 1)] == [
        (row.relay, row.ending, row.reason, row.deliveries) for row in counted
    ]
    assert [ids[2]] == [one.delivery_id for one in left]


def test_an_old_token_never_names_a_new_person(store, ground, tokens):
    """Ids go on far above; the same copy put back twice gives two ranges that do not meet."""
    ground.add_list("harbor-news")
    made = ground.add_mailing(["harbor-news"])
    ground.add_supporter("before@example.org", "harbor-news")
    given = []
    # The copy is put back each time: ids that were given out meanwhile are forgotten.
    for number in range(3):
        at = NOW + timedelta(seconds=number)
        with store.write() as connection:
            first = start_new_ids(connection, at)
        who = ground.add_supporter(f"new{number}@example.org", "harbor-news")
        given.append((ground.add_delivery(made, who), who))
        assert first <= min(given[-1])
        token = tokens.person(Purpose.UNSUBSCRIBE, *given[-1])
        assert given[-1] == tuple(vars(tokens.read_person(Purpose.UNSUBSCRIBE, token)).values())
    for one, two in itertools.pairwise(given):
        assert max(one) < min(two)


def test_a_copy_put_back_twice_in_a_row_gives_two_ranges(tmp_path, seal_keys, service_keys):
    """Also where the copy knows nothing of the first range."""
    from mailer.store.engine import create_tables, open_store

    firsts = []
    for number in range(2):
        copy = open_store(f"sqlite:///{tmp_path / f'{number}.db'}")
        create_tables(copy)
        with copy.write() as connection:
            start_new_ids(connection, NOW + timedelta(seconds=number))
            firsts.append(take_ids(connection, "supporter", 100_000))
        copy.close()
    assert firsts[0] + 100_000 < firsts[1]


def test_an_id_that_a_link_holds_is_new_though_the_copy_had_given_none(tmp_path):
    """A link to confirm a sign-up that was sent after the copy must not name another person's."""
    from mailer.store.engine import create_tables, open_store

    copy = open_store(f"sqlite:///{tmp_path / 'copy.db'}")
    create_tables(copy)
    with copy.write() as connection:
        first = start_new_ids(connection, NOW)
        for name in ("supporter", "signup", "address_change", "service_mail"):
            assert first == take_ids(connection, name, 1)
    copy.close()
