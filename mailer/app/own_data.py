"""Send the links by which people see, erase and move what is held about them.

In: a workspace. Out: an `OwnDataDesk` for the public pages. It needs `seal.key`, since a mail wants
an address. Whether a mail goes out is never told to who asked: what stands in its way is logged.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any

from mailer.app.service import digest_of, write_service
from mailer.app.workspace import Workspace
from mailer.audience.addresses import NormalAddress
from mailer.audience.merging import ADDRESS, TABLE
from mailer.compose.headers import UnfitForHeader
from mailer.compose.service import ServiceText
from mailer.compose.wire import MalformedMail
from mailer.events import emit, failed
from mailer.feedback.own_data import (
    DAY,
    MAILS_A_DAY,
    confirm_change,
    fresh_token,
    held,
    note_change,
)
from mailer.keys import KeyFileError, SealKeys, WrongSealKey
from mailer.model.faults import FaultsFound
from mailer.model.mailing import Sender
from mailer.model.service import ServicePurpose
from mailer.store.audience import profile_from_text
from mailer.store.engine import Connection, WrongKeys
from mailer.store.own_data import changes_since
from mailer.store.service_mails import count_service_since
from mailer.store.supporters import change_request, notice_request, row_of, rows_of_person
from mailer.store.suppressions import is_barred
from mailer.tokens import Purpose
from mailer.web.public.own_data import Letter, Notice, NotNow


class OwnDataDesk:
    """Does what the pages of own data ask for, see `mailer.web.public.own_data.Desk`."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def _seal_keys(self) -> SealKeys:
        try:
            keys = self._workspace.seal_keys
        except (KeyFileError, WrongKeys) as error:
            failed("own data cannot be sealed or opened", reason=type(error).__name__)
            raise NotNow from error
        return keys

    def open(self) -> None:
        """See that addresses can be opened and sealed.

        Raises:
            NotNow: when they cannot.
        """
        self._seal_keys()

    def held(self, supporter_id: int) -> dict[str, Any] | None:
        """Return all that is on record of a person; None when nothing is.

        Raises:
            NotNow: when it cannot be opened.
            StoreUnavailable: when the database does not answer.
        """
        with _opened():
            return held(self._workspace.store, self._seal_keys(), supporter_id)

    def send_link(self, supporter_id: int, letter: Letter) -> None:
        """Send a fresh link to a person's address on record, three times a day at most.

        Raises:
            NotNow: when the address cannot be opened.
            StoreUnavailable: when the database does not answer.
        """
        self._seal_keys()
        with self._workspace.store.write() as connection:
            person = row_of(connection, supporter_id)
            if person is not None:
                # Counted by itself: strangers who type the address in use none of these up.
                self._send_link(connection, person, letter, "own-link")

    def send_links(self, address: NormalAddress, letter: Letter) -> None:
        """Send a fresh link from each organisation that knows an address.

        A row that does not open is passed over.

        Raises:
            NotNow: when addresses cannot be opened.
            StoreUnavailable: when the database does not answer.
        """
        self._seal_keys()
        digest = digest_of(self._workspace, address.address)
        with self._workspace.store.write() as connection:
            for person in rows_of_person(connection, digest):
                with suppress(NotNow):
                    self._send_link(connection, person, letter, "link")

    def _send_link(
        self,
        connection: Connection,
        person: Any,  # noqa: ANN401  (A row.)
        letter: Letter,
        way: str,
    ) -> None:
        workspace = self._workspace
        now = workspace.clock.now()
        sender = self._sender(person.organisation)
        request = f"{way}-{person.organisation_id}-"
        with _opened():
            address = self._seal_keys().unseal(person.address_sealed, TABLE, ADDRESS, person.id)
        if sender is None:
            return
        link = f"{sender.base_url}/data/{fresh_token(workspace.tokens, person.id, now)}"
        said = letter(profile_from_text(person.languages, person.never).languages, link)
        asked = count_service_since(
            connection, ServicePurpose.FRESH_LINK, request, now - DAY, person.address_digest
        )
        if asked < MAILS_A_DAY:
            # Numbered: of two that come together one is written.
            request += f"{now:%Y-%m-%dT%H:%M}-{asked}"
            self._write(connection, ServicePurpose.FRESH_LINK, request, sender, address, said)

    def ask_change(self, supporter_id: int, address: NormalAddress, letter: Letter) -> None:
        """Send to a person's new address what confirms it, three times a day at most.

        Nothing is sent to an address that the organisation may not write to.

        Raises:
            NotNow: when the address cannot be sealed.
            StoreUnavailable: when the database does not answer.
        """
        workspace = self._workspace
        keys = self._seal_keys()
        now = workspace.clock.now()
        digest = digest_of(workspace, address.address)
        purpose = ServicePurpose.ADDRESS_CHANGE
        with workspace.store.write() as connection:
            person = row_of(connection, supporter_id, lock=True)
            sender = self._sender(person.organisation) if person is not None else None
            if (
                sender is None
                or is_barred(connection, digest, person.organisation_id)
                or changes_since(connection, supporter_id, now - DAY) >= MAILS_A_DAY
                or count_service_since(connection, purpose, "", now - DAY, digest) >= MAILS_A_DAY
            ):
                return
            change_id = note_change(connection, keys, supporter_id, address, digest, now)
            token = workspace.tokens.person(Purpose.ADDRESS_CHANGE, change_id, supporter_id)
            link = f"{sender.base_url}/address/{token}"
            said = letter(profile_from_text(person.languages, person.never).languages, link)
            request = change_request(change_id)
            self._write(connection, purpose, request, sender, address.address, said)

    def confirm_change(self, token: str, notice: Notice) -> bool:
        """Move a person to their new address; tell if the token was good for that.

        The old address is told of it; where that cannot be, the change holds all the same.

        Raises:
            NotNow: when addresses cannot be opened or sealed.
            LogNotWritten: when `suppressions.log` cannot be written; nothing is changed then.
            StoreUnavailable: when it could not be put on record; nothing is changed then.
        """
        workspace = self._workspace
        with _opened():
            return confirm_change(
                workspace.store,
                self._seal_keys(),
                workspace.service_keys,
                workspace.tokens,
                token,
                workspace.clock.now(),
                workspace.suppression_log,
                partial(self._tell_old, notice),
            )

    def _tell_old(
        self,
        notice: Notice,
        connection: Connection,
        person: Any,  # noqa: ANN401  (A row.)
        change_id: int,
    ) -> None:
        sender = self._sender(person.organisation)
        if sender is None:
            return
        try:
            with _opened():
                address = self._seal_keys().unseal(person.address_sealed, TABLE, ADDRESS, person.id)
        except NotNow:
            return
        said = notice(profile_from_text(person.languages, person.never).languages)
        # Whoever did not change it answers, and must be heard.
        said = replace(said, reply_to=sender.reply_to)
        purpose = ServicePurpose.ADDRESS_NOTICE
        self._write(connection, purpose, notice_request(change_id), sender, address, said)

    def _sender(self, organisation: str) -> Sender | None:
        """Return the first sender of an organisation; None, and a line in the log, without one."""
        config = self._workspace.config
        keys = [one.key for one in config.senders if one.organisation == organisation]
        if not keys:
            failed("no sender for mails about own data", organisation=organisation)
            return None
        return config.sender(keys[0])

    def _write(
        self,
        connection: Connection,
        purpose: ServicePurpose,
        request: str,
        sender: Sender,
        address: str,
        said: ServiceText,
    ) -> None:
        try:
            write_service(self._workspace, connection, purpose, request, sender, address, said)
        except (FaultsFound, UnfitForHeader, MalformedMail):
            # Whoever asked has the same answer: it must not tell who is on record.
            failed("a mail about own data cannot be sent", purpose=purpose.value)
        else:
            emit("mail about own data", purpose=purpose.value)


@contextmanager
def _opened() -> Iterator[None]:
    try:
        yield
    except WrongSealKey as error:
        failed("own data does not open", table=error.table, row=error.row_id)
        raise NotNow from error
