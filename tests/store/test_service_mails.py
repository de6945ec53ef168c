"""Service mails as rows: written once, sealed to their rows, claimed, recorded, forgotten."""

from datetime import timedelta

import pytest

from mailer.keys import WrongSealKey
from mailer.model.mailing import AttemptResult, Reply
from mailer.model.service import ServiceMail, ServicePurpose
from mailer.model.states import DeliveryState, Outcome
from mailer.store import tables
from mailer.store.deliveries import Recorded, state_of
from mailer.store.service_mails import (
    cancel_service,
    claim_service,
    find_sent_facts,
    give_back_service,
    open_mail,
    open_service_claims,
    record_service,
    service_rows,
    take_service_id,
    write_service_mail,
)
from tests.support.clocks import NOW

ADDRESS = "editor@harbor.example.org"


def write(store, seal_keys, request="alert-1", relay="main", **fields):
    """Write a service mail; return its id, or None when it was there."""
    with store.write() as connection:
        service_id = take_service_id(connection)
        values = {
            "purpose": ServicePurpose.ALERT, "address": ADDRESS, "address_digest": b"d" * 16,
            "mail_from": f"b+{service_id}@bounces.example.org",
            "content": b"Subject: hello\r\n\r\nhello\r\n", **fields,
        }  # fmt: skip
        mail = ServiceMail(service_id=service_id, request=request, relay=relay, **values)
        return service_id if write_service_mail(connection, seal_keys, mail, NOW) else None


def claimed(store, relay="main", worker="w", now=NOW):
    """Claim what is due."""
    with store.write() as connection:
        return claim_service(connection, worker, relay, 10, now)


def ended(one, outcome, next_attempt_at=None):
    """Return the end of an attempt."""
    reply = Reply(250 if outcome is Outcome.ACCEPTED else 451, "", "said")
    result = AttemptResult(one.service_id, outcome, reply, NOW, 5, "main")
    return Recorded(result, one.attempt_number, state_of(outcome), next_attempt_at)


def test_a_request_reaches_an_address_once(store, seal_keys):
    """Writing it again is nothing; another purpose or request is another mail."""
    assert write(store, seal_keys)
    assert write(store, seal_keys) is None
    assert write(store, seal_keys, request="alert-2")
    assert write(store, seal_keys, purpose=ServicePurpose.TEST_SEND)


def test_it_opens_as_it_was_written_and_only_in_its_row(store, seal_keys):
    """The bytes are pinned; sealed for one row, they open in no other."""
    first = write(store, seal_keys)
    second = write(store, seal_keys, request="alert-2")
    with store.write() as connection:
        rows = {row.id: row for row in connection.execute(tables.service_mail.select())}
        connection.execute(
            tables.service_mail.update()
            .where(tables.service_mail.c.id == second)
            .values(mail_sealed=rows[first].mail_sealed)
        )
    one, two = claimed(store)
    opened = open_mail(seal_keys, one)
    assert (ADDRESS, b"Subject: hello\r\n\r\nhello\r\n") == (opened.address, opened.content)
    with pytest.raises(WrongSealKey):
        open_mail(seal_keys, two)
    assert ADDRESS.encode() not in rows[first].address_sealed + rows[first].mail_sealed


def test_each_relays_mails_are_claimed_by_its_own_sender_and_once(store, seal_keys):
    """What is claimed is not due; given back it is, and that attempt does not count."""
    mine = write(store, seal_keys)
    other = write(store, seal_keys, request="alert-2", relay="second")
    (one,) = claimed(store)
    assert (mine, 1) == (one.service_id, one.attempt_number)
    assert [] == claimed(store)
    with store.write() as connection:
        assert [mine] == [claim.delivery_id for claim in open_service_claims(connection, "w")]
        give_back_service(connection, "w", [mine], NOW)
    assert [(mine, 1)] == [(one.service_id, one.attempt_number) for one in claimed(store)]
    assert [other] == [one.service_id for one in claimed(store, "second")]


def test_what_it_said_is_forgotten_when_it_is_over(store, seal_keys):
    """Deferred and in doubt it is kept; a second record of the same changes nothing."""
    for number, (outcome, kept) in enumerate(
        ((Outcome.ACCEPTED, False), (Outcome.REFUSED, False), (Outcome.DEFERRED, True),
         (Outcome.IN_DOUBT, True))
    ):  # fmt: skip
        service_id = write(store, seal_keys, request=f"alert-{number}")
        (one,) = claimed(store)
        later = NOW + timedelta(days=1) if outcome is Outcome.DEFERRED else None
        with store.write() as connection:
            record_service(connection, "w", [ended(one, outcome, later)], NOW)
            record_service(connection, "w", [ended(one, Outcome.REFUSED)], NOW)
            (row,) = connection.execute(
                tables.service_mail.select().where(tables.service_mail.c.id == service_id)
            ).all()
            (shown,) = service_rows(connection, [service_id])
        assert (state_of(outcome), kept) == (row.state, row.mail_sealed is not None)
        assert (state_of(outcome), "said") == (shown.state, shown.reply)


def test_what_waits_can_be_cancelled_and_what_is_being_sent_cannot(store, seal_keys):
    """A claim is settled by its sender alone."""
    waiting = write(store, seal_keys, relay="second")
    sending = write(store, seal_keys, request="alert-2")
    claimed(store)
    with store.write() as connection:
        assert 1 == cancel_service(connection, [waiting, sending], NOW)
        states = [one.state for one in service_rows(connection, [waiting, sending])]
    assert [DeliveryState.CANCELLED, DeliveryState.SENDING] == states


def test_facts_of_a_test_send_are_found_by_its_id(store, seal_keys):
    """Those of other purposes are none."""
    facts = {"message_id": "m"}
    test = write(store, seal_keys, purpose=ServicePurpose.TEST_SEND, facts=facts)
    alert = write(store, seal_keys, facts=facts)
    with store.read() as connection:
        assert facts == find_sent_facts(connection, test, "main")
        assert find_sent_facts(connection, alert, "main") is None
        assert find_sent_facts(connection, 99, "main") is None
