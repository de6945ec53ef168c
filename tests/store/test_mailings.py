"""Mailings in the database: numbers, what they pin, states."""

from datetime import UTC, datetime

import pytest

from mailer.model.audience import Attribute, AttributeType, ListDefinition
from mailer.model.mailing import DkimKey, Sender
from mailer.model.statement import StatementKind
from mailer.model.states import ForbiddenTransition, MailingState
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
