"""Service mails as work for an engine: claimed, opened, and sent as they were composed.

In: rows of `service_mail`, sealed. Out: claims that an engine's lane handles like any other. The
bytes were pinned when the mail was written; a mail that does not open or may not go over the wire is
refused with the reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from mailer.clock import Clock
from mailer.compose.composer import CannotCompose
from mailer.compose.headers import UnfitForHeader, check_address
from mailer.delivery.claims import Claim, Claimed, Material
from mailer.delivery.session import dot_stuffed
from mailer.delivery.work import SERVICE_MAILS, OpenGate, Work
from mailer.keys import SealKeys, WrongSealKey
from mailer.model.mailing import ComposedMail, Envelope, OutgoingDelivery
from mailer.store.engine import Store
from mailer.store.outcomes import NO_MAILING
from mailer.store.relays import relays_aside
from mailer.store.service_mails import (
    ClaimedService,
    OpenedMail,
    claim_service,
    has_due,
    open_mail,
)

#: How often due service mails are looked for, in seconds.
SERVICE_IDLE_S = 1.0
#: Connections for service mails, of their own: they never wait behind a mailing.
SERVICE_CONNECTIONS = 1


@dataclass(frozen=True, repr=False)
class PinnedMail:
    """Gives the bytes that were composed when the mail was written."""

    mail: OpenedMail
    #: It is made already.
    is_slow: ClassVar[bool] = False

    def compose(self, outgoing: OutgoingDelivery, now: datetime) -> ComposedMail:
        """Return the mail.

        Raises:
            CannotCompose: when it may not go over the wire.
        """
        del now
        try:
            check_address("MAIL FROM", self.mail.mail_from, utf8=False)
            check_address("RCPT TO", self.mail.address, utf8=outgoing.needs_smtputf8)
            dot_stuffed(self.mail.content)
        except UnfitForHeader as error:
            raise CannotCompose(outgoing.delivery_id, f"{error.field} {error.problem}") from error
        except ValueError as error:
            raise CannotCompose(outgoing.delivery_id, str(error)) from error
        envelope = Envelope(self.mail.mail_from, self.mail.address)
        return ComposedMail.whole(envelope, self.mail.content)


class ServiceClaimer:
    """Claims the service mails of one relay for one worker."""

    def __init__(
        self,
        store: Store,
        seal_keys: SealKeys,
        worker: str,
        relay: str,
        clock: Clock,
        prepare: Callable[[], None],
        gate: OpenGate,
    ) -> None:
        """Keep what it works with.

        Args:
            store: the database.
            seal_keys: open the mails.
            worker: whose claims these are.
            relay: key of the relay whose mails it claims.
            clock: says when.
            prepare: called before each look: makes service mails of what waits to be one.
            gate: told whether the relay is aside.
        """
        self._store = store
        self._seal_keys = seal_keys
        self._worker = worker
        self._relay = relay
        self._clock = clock
        self._prepare = prepare
        self._gate = gate

    def claim(self, limit: int) -> Claimed:
        """Claim up to `limit` service mails and open them.

        Raises:
            StoreUnavailable: when the database did not answer; nothing is claimed then.
        """
        self._prepare()
        now = self._clock.now()
        found = Claimed([], {}, [], [])
        with self._store.read() as connection:
            self._gate.aside_until = relays_aside(connection).get(self._relay)
            # Nearly always there is none, and looking takes no write lock.
            if self._gate.aside_until is not None or not has_due(connection, self._relay, now):
                return found
        claimed_at = self._clock.monotonic()
        with self._store.write(patient=True) as connection:
            rows = claim_service(connection, self._worker, self._relay, limit, now)
        for one in rows:
            try:
                mail = open_mail(self._seal_keys, one)
            except WrongSealKey:
                found.sealed.append(one)
            else:
                found.claims.append(Claim(_outgoing(one, mail), _material(mail), claimed_at))
        return found

    def forget(self, mailing_id: int) -> None:
        """Do nothing: each service mail brings what it is made of."""


def _material(mail: OpenedMail) -> Material:
    return Material(PinnedMail(mail), {})


def _outgoing(one: ClaimedService, mail: OpenedMail) -> OutgoingDelivery:
    return OutgoingDelivery(
        delivery_id=one.service_id,
        mailing_id=NO_MAILING,
        supporter_id=0,
        address_digest=one.address_digest,
        address=mail.address,
        needs_smtputf8=not mail.address.isascii(),
        fields={},
        list_key="",
        language="",
        wanted=None,
        domain_class="",
        attempt_number=one.attempt_number,
        first_attempt_at=one.first_attempt_at,
    )


def service_work(
    store: Store,
    seal_keys: SealKeys,
    relay: str,
    clock: Clock,
    prepare: Callable[[], None] = lambda: None,
    idle_s: float = SERVICE_IDLE_S,
) -> Work:
    """Return the service mails of one relay as work for an engine.

    Args:
        store: the database.
        seal_keys: open the mails.
        relay: its key.
        clock: says when.
        prepare: called before each look for due mails.
        idle_s: how often is looked.
    """
    gate = OpenGate()

    def claims_for(worker: str) -> ServiceClaimer:
        return ServiceClaimer(store, seal_keys, worker, relay, clock, prepare, gate)

    return Work(SERVICE_MAILS, claims_for, gate, idle_s)
