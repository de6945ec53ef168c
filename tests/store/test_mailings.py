"""Mailings in the database: numbers, states, holding and releasing."""

from datetime import UTC, datetime, timedelta

import pytest

from mailer.model.audience import Attribute, AttributeType, ListDefinition
from mailer.model.mailing import DkimKey, Sender
from mailer.model.statement import StatementKind
from mailer.model.states import DeliveryState, ForbiddenTransition, MailingState
from mailer.store import mailings, tables

NOW = datetime(2026, 12, 1, 7, tzinfo=UTC)
SENDER = Sender(
    "harbor", "harbor", {"en": "Harbor"}, "news@harbor.example.org", "", "https://m.example.org",
    "bounces.harbor.example.org", dkim=(DkimKey("harbor.example.org", "s1", "/k.pem"),),
)  # fmt: skip
DEFINITION = ListDefinition(
    "harbor-news", {"en": "News"}, "harbor", "harbor", "news.harbor.example.org", "consent",
    ("ro", "ru"), "Europe/Chisinau",
    attributes={"city": Attribute("city", AttributeType.TEXT, clear=True)},
)  # fmt: skip


def _ground(connection):
    """Write what a mailing refers to and return (statement, revision, design, list) ids."""
    organisation = connection.execute(
        tables.organisation.insert().values(key="harbor").returning(tables.organisation.c.id)
    ).scalar_one()
    list_id = connection.execute(
        tables.mailing_list.insert()
        .values(key="harbor-news", organisation_id=organisation, definition={}, updated_at=NOW)
        .returning(tables.mailing_list.c.id)
    ).scalar_one()
    statement = connection.execute(
        tables.statement.insert()
        .values(slug="her-rights", kind=StatementKind.STATEMENT, created_at=NOW)
        .returning(tables.statement.c.id)
    ).scalar_one()
    revision = connection.execute(
        tables.revision.insert()
        .values(statement_id=statement, number=1, digest="a" * 64, document={}, loaded_at=NOW)
        .returning(tables.revision.c.id)
    ).scalar_one()
    design = connection.execute(
        tables.design.insert()
        .values(digest="b" * 64, kind="statement", document={}, created_at=NOW)
        .returning(tables.design.c.id)
    ).scalar_one()
    return statement, revision, design, list_id


@pytest.fixture
def new(store):
    """A mailing about to be written, on a database that has what it refers to."""
    with store.write() as connection:
        statement, revision, design, list_id = _ground(connection)
    return mailings.NewMailing(
        statement_id=statement, slug="her-rights", revision_id=revision,
        revision_digest="a" * 64, design_id=design, design_digest="b" * 64, sender=SENDER,
        lists=[(list_id, DEFINITION)], segment="country = MD", exclude="", due_at=NOW,
        time_zone="Europe/Chisinau", grace_s=7200, confirmed_count=10,
    )  # fmt: skip


def _create(store, new):
    with store.write() as connection:
        return mailings.create_mailing(connection, new, NOW)


def test_mailings_of_a_statement_are_numbered_from_one(store, new):
    """The key is the slug and a number nobody else has."""
    assert [_create(store, new).key for _ in range(3)] == [
        "her-rights-1",
        "her-rights-2",
        "her-rights-3",
    ]


def test_what_was_written_is_what_is_loaded(store, new):
    """Sender, lists with their attributes, and hour come back as they were."""
    made = _create(store, new)
    with store.read() as connection:
        loaded = mailings.find_mailing(connection, "her-rights-1")
    assert loaded == made
    assert loaded.sender == SENDER
    assert loaded.targets[0].definition == DEFINITION
    assert loaded.due_at == NOW


def test_the_digest_changes_with_the_sender(store, new):
    """What was approved is what is sent: another sender is another digest."""
    other = Sender(**{**SENDER.__dict__, "address": "other@harbor.example.org"})
    first = mailings.pinned_digest("a" * 64, "b" * 64, SENDER)
    assert mailings.pinned_digest("a" * 64, "b" * 64, other) != first
    assert mailings.pinned_digest("a" * 64, "c" * 64, SENDER) != first


def test_pause_and_resume_go_back_to_where_it_stood(store, new):
    """A paused scheduled mailing is scheduled again, not running."""
    _create(store, new)
    with store.write() as connection:
        assert mailings.pause(connection, "her-rights-1").state is MailingState.PAUSED
    with store.write() as connection:
        assert mailings.resume(connection, "her-rights-1").state is MailingState.SCHEDULED


def test_a_forbidden_change_is_refused_and_changes_nothing(store, new):
    """What is not paused cannot be resumed."""
    _create(store, new)
    with pytest.raises(ForbiddenTransition), store.write() as connection:
        mailings.resume(connection, "her-rights-1")
    with store.read() as connection:
        loaded = mailings.find_mailing(connection, "her-rights-1")
    assert loaded.state is MailingState.SCHEDULED


def test_of_two_who_move_it_one_is_refused(store, new):
    """A change names the state it expects; who comes second learns the state it has."""
    made = _create(store, new)
    with store.write() as connection:
        mailings.change_state(
            connection, made.row_id, MailingState.SCHEDULED, MailingState.FREEZING
        )
    with pytest.raises(ForbiddenTransition) as caught, store.write() as connection:
        mailings.change_state(connection, made.row_id, MailingState.SCHEDULED, MailingState.HELD)
    assert caught.value.current is MailingState.FREEZING


def test_a_released_mailing_is_marked_so(store, new):
    """Release goes back to where it was held and remembers that a person agreed."""
    made = _create(store, new)
    with store.write() as connection:
        mailings.hold(connection, made, MailingState.SCHEDULED, "too late")
    with store.read() as connection:
        assert mailings.find_mailing(connection, made.key).held_reason == "too late"
    with store.write() as connection:
        released = mailings.release(connection, made.key, NOW)
    assert released.state is MailingState.SCHEDULED
    assert released.released is True
    assert released.held_reason == ""


def test_cancelling_cancels_what_is_due_and_nothing_else(store, new):
    """What was accepted stays accepted; what was due is cancelled."""
    made = _create(store, new)
    states = [DeliveryState.DUE, DeliveryState.ACCEPTED, DeliveryState.DEFERRED]
    with store.write() as connection:
        for number, state in enumerate(states):
            connection.execute(
                tables.delivery.insert().values(
                    mailing_id=made.row_id,
                    address_digest=bytes([number]) * 16,
                    supporter_id=number,
                    list_id=1,
                    state=state,
                )
            )
        mailings.cancel(connection, made.key, NOW)
        assert mailings.cancel_open_deliveries(connection, NOW) == 2
        assert mailings.has_open_deliveries(connection, made.row_id) is False


def test_a_lease_has_one_holder_until_it_runs_out(store):
    """A second process gets it only after the first one's time is over, or when given back."""
    until = NOW + timedelta(seconds=15)
    with store.write() as connection:
        assert mailings.take_lease(connection, "scheduler", "a", NOW, until) is True
        assert mailings.take_lease(connection, "scheduler", "a", NOW, until) is True
        assert mailings.take_lease(connection, "scheduler", "b", NOW, until) is False
        assert mailings.take_lease(connection, "scheduler", "b", until, until) is True
        mailings.drop_lease(connection, "scheduler", "b")
        assert mailings.take_lease(connection, "scheduler", "a", NOW, until) is True
        # Who held it is dead, and the clock was set back by a day since.
        yesterday = timedelta(days=-1)
        assert mailings.take_lease(connection, "scheduler", "b", NOW + yesterday, until + yesterday)
