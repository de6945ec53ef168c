"""Take wishes to be on lists, send each its confirmation, and heed the answers.

In: a workspace whose config offers lists. Out: a `SignUpDesk` for the public pages. It needs
`seal.key`; while that, a relay or a list's file is not as it must be, it says so for everybody alike,
and nobody is told that a mail is on its way when none is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from mailer.alerts import raise_alert
from mailer.app.service import digest_of, relays_for, service_signers, write_service
from mailer.app.workspace import Workspace
from mailer.audience.addresses import NormalAddress
from mailer.audience.joining import Confirmation, Wish, confirm, sealed_address
from mailer.audience.lists import load_lists
from mailer.compose.headers import UnfitForHeader
from mailer.compose.wire import MalformedMail
from mailer.events import emit, scrub
from mailer.keys import KeyFileError, WrongSealKey
from mailer.model.alerts import AlertKind
from mailer.model.audience import ListDefinition
from mailer.model.faults import Fault, FaultsFound
from mailer.model.mailing import Sender
from mailer.model.service import ServicePurpose
from mailer.store.engine import Connection, WrongKeys, take_ids
from mailer.store.sign_ups import (
    SignUp,
    count_confirmation,
    may_send,
    request_of,
    write_sign_up,
)
from mailer.store.suppression_log import LogNotWritten
from mailer.tokens import BadToken, Purpose
from mailer.web.public.joining import Letter, NotNow, Offer
from mailer.web.public.limits import Limiter

_SEQUENCE = "signup"
#: No wish has this id.
_NONE = 0
#: What all confirmations together are limited by is one network, so to speak.
_ALL = "all"


class SignUpDesk:
    """Does what the sign-up pages ask for, see `mailer.web.public.joining.Desk`."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._section = workspace.config.sign_up
        most = self._section.most_per_hour
        self._all = Limiter(workspace.clock, burst=most, per_hour=most)
        #: Keys of the senders whose signatures were made ready once: reading a key takes its time.
        self._signing: set[str] = set()

    def offer(self) -> Offer:
        """Return what can be signed up for now.

        Raises:
            NotNow: when nothing can.
            StoreUnavailable: when the database does not answer.
        """
        with _not_now():
            # Opened first: without it nothing can be sealed, whatever is asked for.
            _ = self._workspace.seal_keys, self._workspace.service_keys
            return Offer(self._lists(), self._section.consent, self._section.consent_version)

    def _lists(self) -> dict[str, ListDefinition]:
        config = self._workspace.config
        # Read anew each time: what is written here must not go back to how a file was at the start.
        known, _faults = load_lists(config.lists_dir, config)
        lacking = [key for key in self._section.lists if key not in known]
        if lacking:
            problem = f"these lists cannot be used: {', '.join(lacking)}"
            raise FaultsFound([Fault("config.toml", 0, "sign_up.lists", problem, "mailer check")])
        return {key: known[key] for key in self._section.lists}

    def _sender(self, key: str) -> Sender:
        config = self._workspace.config
        sender = config.sender(key)
        if sender is None:
            problem = f'there is no sender "{key}"'
            raise FaultsFound([Fault("config.toml", 0, "senders", problem, "mailer check")])
        return sender

    def ask(
        self, offer: Offer, address: NormalAddress, wish: Wish, letter: Letter, *, send: bool
    ) -> None:
        """Write a wish down and send its confirmation, unless a limit or `send` says no.

        Raises:
            NotNow: when no confirmation can be sent to anybody.
            StoreUnavailable: when the database does not answer; nothing is changed then.
        """
        workspace = self._workspace
        now = workspace.clock.now()
        digest = digest_of(workspace, address.address)
        with _not_now():
            # Of several senders, that of the first list.
            sender = self._sender(offer.lists[wish.lists[0]].sender)
            # Before it is looked whether this one may have a mail: the answer is the same for all.
            self._can_send(sender)
            if not send:
                return
            # The lock is waited for whoever is asked about, so that neither its time nor its failure
            # tells who signed up of late.
            with workspace.store.write() as connection:
                if not may_send(connection, digest, now):
                    return
                if not self._all.allows(_ALL):
                    self._tell_limited(connection, now)
                    return
                if not count_confirmation(connection, digest, now):
                    # PostgreSQL: another process was first.
                    return
                sign_up_id = take_ids(connection, _SEQUENCE, 1)
                write_sign_up(
                    connection,
                    SignUp(
                        sign_up_id,
                        digest,
                        sealed_address(workspace.seal_keys, address, sign_up_id),
                        wish.to_document(),
                        self._section.consent_version,
                        now,
                    ),
                )
                token = workspace.tokens.link(Purpose.SIGN_UP, sign_up_id)
                said = letter(sender, f"{sender.base_url.rstrip('/')}/join/{token}")
                write_service(
                    workspace,
                    connection,
                    ServicePurpose.CONFIRMATION,
                    request_of(sign_up_id),
                    sender,
                    address.address,
                    said,
                )
        emit("sign-up asked for", sign_up=sign_up_id, lists=",".join(wish.lists))

    def _can_send(self, sender: Sender) -> None:
        """See that a confirmation of a sender can go to anybody.

        Raises:
            FaultsFound: when it cannot.
        """
        relays = relays_for(self._workspace, ServicePurpose.CONFIRMATION, "", sender.key)
        if sender.key not in self._signing:
            for one in relays:
                service_signers(self._workspace, sender, one.key)
            self._signing.add(sender.key)

    def _tell_limited(self, connection: Connection, now: datetime) -> None:
        most = self._section.most_per_hour
        raise_alert(connection, AlertKind.SIGN_UPS_LIMITED, "sign_up", now, most=most)

    def confirm(self, token: str) -> Confirmation:
        """Heed a confirmation; for a token that is not ours it looks as for one that is too old.

        Raises:
            NotNow: when nobody can be put on a list.
            StoreUnavailable: when it could not be put on record; nothing is changed then.
        """
        workspace = self._workspace
        try:
            sign_up_id = workspace.tokens.read_link(Purpose.SIGN_UP, token)
        except BadToken:
            sign_up_id = _NONE
        with _not_now():
            done = confirm(
                workspace.store,
                workspace.seal_keys,
                workspace.service_keys,
                sign_up_id,
                self._lists(),
                workspace.clock.now(),
                workspace.suppression_log,
            )
        if done is Confirmation.JOINED:
            emit("sign-up confirmed", sign_up=sign_up_id)
        return done


@contextmanager
def _not_now() -> Iterator[None]:
    """Turn what stands in the way of every sign-up into one error for the pages."""
    try:
        yield
    except FaultsFound as error:
        raise NotNow(scrub("; ".join(str(one) for one in error.faults))) from error
    except (
        KeyFileError,
        WrongKeys,
        WrongSealKey,
        LogNotWritten,
        UnfitForHeader,
        MalformedMail,
    ) as error:
        raise NotNow(scrub(str(error))) from error


__all__ = ["SignUpDesk"]
