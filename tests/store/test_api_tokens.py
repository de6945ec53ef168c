"""Tokens of the API and requests under a key, as both databases keep them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from mailer.app.account_keys import AccountKeys
from mailer.app.api_tokens import PREFIX, ApiTokens
from mailer.app.workspace import Workspace
from mailer.config import load_config
from mailer.model.api_token import MalformedToken, Purpose, TokenNameTaken, TokenNotFound
from mailer.model.audit import AuditAction
from mailer.store.api_requests import KEPT, Turn, drop_request, end_request, take_request
from mailer.store.audit import entries_before
from mailer.store.tables_api import api_request, api_token
from tests.support.staff import TERMINAL
from tests.support.workspaces import HARBOR_CONFIG, lay_workspace

READS = frozenset({Purpose.STATEMENTS_READ})
DAY = timedelta(days=1)


@pytest.fixture
def tokens(tmp_path, store, clock):
    """The tokens of a workspace."""
    lay_workspace(tmp_path, HARBOR_CONFIG)
    workspace = Workspace(load_config(tmp_path), clock)
    workspace.__dict__["store"] = store
    return ApiTokens(workspace)


def test_a_token_opens_what_it_is_for_until_it_ends(tokens, clock):
    """It is known by what was shown once; from its last instant on it opens nothing."""
    made = tokens.make(TERMINAL, "website", READS, clock.now() + DAY)
    assert made.secret.startswith(PREFIX)
    assert tokens.whose(made.secret).name == "website"
    assert tokens.whose(made.secret).purposes == READS
    assert tokens.whose(made.secret + "x") is None
    clock.forward(days=1)
    assert tokens.whose(made.secret) is None


def test_nothing_on_record_is_a_token(tokens, store, clock):
    """The database holds a keyed digest of it, and neither it nor a part of it."""
    made = tokens.make(TERMINAL, "website", READS, clock.now() + DAY)
    with store.read() as connection:
        row = connection.execute(select(api_token)).one()
    assert made.secret not in str(row)
    assert len(row.token_digest) == 32
    assert made.secret not in repr(made)


def test_a_revoked_token_opens_nothing(tokens, clock):
    """Revoking holds at once, and twice is once."""
    made = tokens.make(TERMINAL, "website", READS, clock.now() + DAY)
    assert tokens.revoke(TERMINAL, "website")
    assert tokens.whose(made.secret) is None
    assert not tokens.revoke(TERMINAL, "website")
    with pytest.raises(TokenNotFound):
        tokens.revoke(TERMINAL, "nobody")


def test_a_name_is_never_given_twice(tokens, clock):
    """The audit log knows a token by its name, that of one that was revoked too."""
    tokens.make(TERMINAL, "website", READS, clock.now() + DAY)
    tokens.revoke(TERMINAL, "website")
    with pytest.raises(TokenNameTaken):
        tokens.make(TERMINAL, "website", READS, clock.now() + DAY)


@pytest.mark.parametrize(
    ("name", "purposes", "days", "field"),
    [
        ("Website", READS, 1, "name"),
        ("", READS, 1, "name"),
        ("a" * 41, READS, 1, "name"),
        ("website", frozenset(), 1, "purposes"),
        ("website", READS, 0, "expires_at"),
        ("website", READS, 366, "expires_at"),
    ],
)
def test_a_token_that_may_not_be_is_refused(tokens, clock, name, purposes, days, field):
    """It has a plain name, a purpose, and ends within a year."""
    with pytest.raises(MalformedToken) as refused:
        tokens.make(TERMINAL, name, purposes, clock.now() + timedelta(days=days))
    assert refused.value.field == field


def test_use_is_noted_once_an_hour(tokens, clock):
    """So that a request costs no write."""
    made = tokens.make(TERMINAL, "website", READS, clock.now() + DAY)
    first = clock.now()
    tokens.whose(made.secret)
    clock.forward(minutes=59)
    tokens.whose(made.secret)
    assert tokens.list()[0].last_used_at == first
    clock.forward(minutes=1)
    tokens.whose(made.secret)
    assert tokens.list()[0].last_used_at == first + timedelta(hours=1)


def test_making_and_ending_a_token_are_on_record(tokens, store, clock):
    """The audit log says who did, and what for; never the token."""
    made = tokens.make(TERMINAL, "website", READS, clock.now() + DAY)
    tokens.revoke(TERMINAL, "website")
    with store.read() as connection:
        ended, begun = entries_before(connection, None, 2)
    assert (begun.action, begun.subject) == (AuditAction.TOKEN_MADE, "website")
    assert begun.facts["purposes"] == ["statements.read"]
    assert (ended.action, ended.actor) == (AuditAction.TOKEN_ENDED, TERMINAL)
    assert made.secret not in f"{begun}{ended}"


@pytest.fixture
def token_id(tokens, clock):
    """Row id of a token."""
    return tokens.make(TERMINAL, "website", READS, clock.now() + DAY).token.token_id


def test_a_request_is_done_once(store, clock, token_id, service_keys):
    """The second of one key hears what the first was answered; another body is another request."""
    keys = AccountKeys(service_keys)
    key, asked = keys.api_request_digest(b"k"), keys.api_request_digest(b"POST", b"/", b"{}")
    other = keys.api_request_digest(b"POST", b"/{", b"}")
    with store.write() as connection:
        taken = take_request(connection, token_id, key, asked, clock.now())
        assert taken.turn is Turn.NEW
    with store.write() as connection:
        assert take_request(connection, token_id, key, asked, clock.now()).turn is Turn.OPEN
        assert take_request(connection, token_id, key, other, clock.now()).turn is Turn.OTHER
        end_request(connection, taken.request_id, 201, "{}")
    with store.write() as connection:
        again = take_request(connection, token_id, key, asked, clock.now())
    assert (again.turn, again.status, again.answer) == (Turn.DONE, 201, "{}")


def test_what_only_reads_is_read_again(store, clock, token_id):
    """An answer that was not kept is made anew, by one at a time."""
    with store.write() as connection:
        taken = take_request(connection, token_id, b"k" * 32, b"r" * 32, clock.now())
        end_request(connection, taken.request_id, 200, None)
        assert take_request(connection, token_id, b"k" * 32, b"r" * 32, clock.now()).turn is (
            Turn.AGAIN
        )
        assert take_request(connection, token_id, b"k" * 32, b"r" * 32, clock.now()).turn is (
            Turn.OPEN
        )


def test_a_refused_request_may_come_again(store, clock, token_id):
    """Nothing was done, so its key is as good as new."""
    with store.write() as connection:
        taken = take_request(connection, token_id, b"k" * 32, b"r" * 32, clock.now())
        drop_request(connection, taken.request_id)
        assert (
            take_request(connection, token_id, b"k" * 32, b"x" * 32, clock.now()).turn is Turn.NEW
        )


def test_a_key_is_forgotten_after_a_day(store, clock, token_id):
    """And the rows of all that are as old go with it."""
    with store.write() as connection:
        for number in range(3):
            take_request(connection, token_id, bytes([number]) * 32, b"r" * 32, clock.now())
    clock.forward(seconds=KEPT.total_seconds())
    with store.write() as connection:
        assert take_request(connection, token_id, b"\0" * 32, b"x" * 32, clock.now()).turn is (
            Turn.NEW
        )
        assert len(connection.execute(select(api_request)).all()) == 1
