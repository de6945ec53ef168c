"""Compose the mails of one mailing, a message per delivery.

In: the revision, design, sender and lists a mailing pins, and one delivery after another with its
person unsealed. Out: `ComposedMail`: envelope and bytes, signed, as they go over the wire. Messages
are compiled when the first supporter of their kind comes and kept. Standards: RFC 5322, RFC 8058
(one-click), RFC 6532 (SMTPUTF8), RFC 3834 §5 (Auto-Submitted), RFC 6376 (DKIM).
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import date, datetime

from mailer.compose.cleaning import clean_value
from mailer.compose.compiled import CompiledMessage, compile_message
from mailer.compose.conditions import TruthVector, truth_vector
from mailer.compose.context import Reading
from mailer.compose.dkim import Signer
from mailer.compose.fixed import FixedHeaders, fixed_headers
from mailer.compose.headers import (
    Header,
    UnfitForHeader,
    address_header,
    check_address,
    date_header,
    list_unsubscribe_headers,
    plain_header,
)
from mailer.compose.ledger import Slot, SlotKind
from mailer.compose.rendering import EditionTemplates
from mailer.compose.return_path import return_path
from mailer.compose.wire import MalformedMail, check_message
from mailer.model.audience import ListDefinition
from mailer.model.faults import Fault, FaultsFound
from mailer.model.mailing import ComposedMail, Design, Envelope, OutgoingDelivery, Sender
from mailer.model.relays import AS_IT_IS, RelayHandling
from mailer.model.statement import Revision, localized
from mailer.tokens import Purpose, Tokens

#: Compiled messages kept; the one unused for longest is forgotten and compiled anew when needed.
KEPT_MESSAGES = 128


class CannotCompose(Exception):
    """A mail that cannot be made or must not leave; says why, never for whom."""

    def __init__(self, delivery_id: int, problem: str) -> None:
        self.delivery_id = delivery_id
        self.problem = problem
        super().__init__(f"delivery {delivery_id}: {problem}")


class MailingComposer:
    """Composes the mails of one mailing; may be used by several threads at once."""

    def __init__(
        self,
        revision: Revision,
        design: Design,
        sender: Sender,
        targets: Sequence[ListDefinition],
        tokens: Tokens,
        signers: Sequence[Signer],
        handling: RelayHandling = AS_IT_IS,
        *,
        corrects: date | None = None,
    ) -> None:
        """Keep what a mailing pins; nothing is rendered yet.

        Args:
            revision: The statement.
            design: How it looks.
            sender: Who it comes from.
            targets: The lists it goes to.
            tokens: Makes what identifies deliveries.
            signers: Make the DKIM signatures; none when the relay signs.
            handling: What the relay asks of the mails it is handed.
            corrects: The day on which what it corrects was sent; None for most.
        """
        self._revision = revision
        self._design = design
        self._sender = sender
        self._lists: Mapping[str, ListDefinition] = {one.key: one for one in targets}
        self._fields = frozenset(name for one in targets for name in one.attributes)
        self._tokens = tokens
        self._signers = tuple(signers)
        self._corrects = corrects
        self._return_path = handling.return_path
        # Not signed: they are for the relay, which takes them out.
        self._relay_headers = tuple(plain_header(*one) for one in handling.headers)
        self._relay_names = frozenset(name.encode("ascii") for name, _ in handling.headers)
        self._templates: dict[str, EditionTemplates] = {}
        self._messages: OrderedDict[tuple[Reading, TruthVector], CompiledMessage] = OrderedDict()
        self._headers: dict[tuple[str, str, bool], FixedHeaders] = {}
        self._lock = threading.Lock()

    def compose(self, outgoing: OutgoingDelivery, now: datetime) -> ComposedMail:
        """Return a delivery's mail.

        The Message-ID, the return path and the links of a delivery are the same at every attempt,
        and so is its Date.

        Args:
            outgoing: The delivery with its person unsealed.
            now: This instant.

        Raises:
            CannotCompose: when this person's address cannot stand in a header.
            FaultsFound: when nobody's mail can be made: a text of the sender, the list or the
                statement fits no header, the templates are not what `check_revision_with_design`
                lets pass, or a message comes out otherwise than every message of ours must.
        """
        try:
            return self._compose(outgoing, now)
        except UnfitForHeader as error:
            if error.field == "To":
                problem = f"{error.field} {error.problem}"
                raise CannotCompose(outgoing.delivery_id, problem) from error
            raise FaultsFound([Fault("", 0, error.field, error.problem)]) from error
        except MalformedMail as error:
            raise FaultsFound([Fault("", 0, "message", error.problem)]) from error

    def _compose(self, outgoing: OutgoingDelivery, now: datetime) -> ComposedMail:
        utf8 = outgoing.needs_smtputf8
        address = outgoing.address
        check_address("To", address, utf8=utf8)
        fields = {name: clean_value(value) for name, value in outgoing.fields.items()}
        definition = self._lists[outgoing.list_key]
        fixed = self._fixed(outgoing.language, definition, utf8=utf8)
        message = self._message(outgoing, fields)
        token = self._tokens.person(
            Purpose.UNSUBSCRIBE, outgoing.delivery_id, outgoing.supporter_id
        )
        unsubscribe = f"{self._sender.base_url}/u/{token}"

        def value_of(slot: Slot) -> str:
            match slot.kind:
                case SlotKind.FIELD:
                    return fields.get(slot.field, "") or clean_value(slot.default)
                case SlotKind.UNSUBSCRIBE_URL:
                    return unsubscribe
                case SlotKind.LIST_NAME:
                    language = message.reading.reader
                    return clean_value(localized(definition.name, language, outgoing.language))

        body = message.merge(value_of)
        message_id = self._tokens.message_id(outgoing.delivery_id)
        headers = (
            *fixed.before,
            address_header("To", address, utf8=utf8),
            date_header(outgoing.first_attempt_at or now),
            Header("Message-ID", f"<{message_id}@{self._sender.return_path_domain}>".encode()),
            fixed.list_id,
            *list_unsubscribe_headers(unsubscribe),
            *fixed.after,
            message.content_type,
        )
        signatures: tuple[Header, ...] = ()
        if self._signers:
            # The body was written as its own relaxed form (RFC 6376 §3.4.4).
            body_hash = hashlib.sha256(body).digest()
            signatures = tuple(signer.sign(headers, body_hash, now) for signer in self._signers)
        content = b"".join(
            [*(one.wire for one in (*signatures, *headers, *self._relay_headers)), b"\r\n", body]
        )
        check_message(content, address, utf8=utf8, also=self._relay_names)
        mail_from = return_path(
            self._sender,
            self._return_path,
            lambda: self._tokens.return_path(outgoing.delivery_id),
        )
        return ComposedMail(Envelope(mail_from, address), content)

    def _message(self, outgoing: OutgoingDelivery, fields: Mapping[str, str]) -> CompiledMessage:
        """Return the compiled message for a supporter, compiling it if it is the first."""
        with self._lock:
            templates = self.templates(outgoing.language)
            vector = truth_vector(templates.ledger.conditions, fields)
            reading = templates.reading(outgoing.wanted)
            key = (reading, vector)
            message = self._messages.get(key)
            if message is None:
                domain = self._sender.return_path_domain
                message = compile_message(templates, vector, reading, domain)
                self._messages[key] = message
                if len(self._messages) > KEPT_MESSAGES:
                    self._messages.popitem(last=False)
            else:
                self._messages.move_to_end(key)
            return message

    def templates(self, language: str) -> EditionTemplates:
        """Return the edition's templates, lifted at their first use.

        Raises:
            FaultsFound: with everything wrong in them.
        """
        if language not in self._templates:
            self._templates[language] = EditionTemplates(
                self._revision,
                self._design,
                self._sender,
                language,
                self._fields,
                corrects=self._corrects,
            )
        return self._templates[language]

    def _fixed(self, language: str, definition: ListDefinition, *, utf8: bool) -> FixedHeaders:
        key = (language, definition.key, utf8)
        if key not in self._headers:
            self._headers[key] = fixed_headers(
                self._revision, self._sender, definition, language, utf8=utf8
            )
        return self._headers[key]
