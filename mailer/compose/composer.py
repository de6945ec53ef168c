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
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from mailer.compose.cleaning import clean_value
from mailer.compose.compiled import CompiledMessage, compile_message
from mailer.compose.conditions import Condition, TruthVector, fields_asked, truth_vector
from mailer.compose.context import Reading
from mailer.compose.dkim import Signer, Signing
from mailer.compose.encoding import SlotUse, encode_value
from mailer.compose.fixed import FixedHeaders, fixed_headers
from mailer.compose.headers import (
    ONE_CLICK,
    Header,
    UnfitForHeader,
    address_header,
    date_header,
    list_unsubscribe_headers,
    plain_header,
)
from mailer.compose.ledger import SlotKind
from mailer.compose.rendering import EditionTemplates
from mailer.compose.return_path import return_path
from mailer.compose.wire import MalformedMail, check_lines, check_message, check_pieces
from mailer.model.audience import ListDefinition
from mailer.model.faults import Fault, FaultsFound
from mailer.model.feedback import UNSUBSCRIBE_LOCAL_PART
from mailer.model.mailing import ComposedMail, Design, Envelope, OutgoingDelivery, Sender
from mailer.model.relays import AS_IT_IS, RelayHandling, ReturnPath
from mailer.model.statement import Revision, localized
from mailer.tokens import (
    UNSUBSCRIBE_IN_MAIL_CHARACTERS,
    UNSUBSCRIBE_TOKEN_CHARACTERS,
    Purpose,
    Tokens,
)

#: Compiled messages kept; the one unused for longest is forgotten and compiled anew when needed.
KEPT_MESSAGES = 128


#: One message in so many is looked at whole before it may leave.
LOOK_AT_ONE_IN = 100
#: Header fields that differ from one supporter to the next.
VARYING = ("To", "Date", "Message-ID", "List-Unsubscribe", "List-Unsubscribe-Post")


class Fill(NamedTuple):
    """A place in a body that is filled for each supporter."""

    #: Among the pieces.
    position: int
    use: SlotUse
    #: What stands before and after the token of a link; None where it is not that simple.
    around: tuple[str, str] | None


class MessageKey(NamedTuple):
    """What mails of one compiled message have in common."""

    reading: Reading
    vector: TruthVector
    text_only: bool


class FrameKey(NamedTuple):
    """What mails of one frame have in common."""

    language: str
    #: The language wanted where it is another; else None.
    wanted: str | None
    vector: TruthVector
    list_key: str
    by_smtputf8: bool
    text_only: bool


class Varying(NamedTuple):
    """Values of the header fields that differ from one supporter to the next."""

    to: bytes
    date: bytes
    message_id: bytes
    leaving: bytes

    def headers(self) -> dict[str, Header]:
        """Return them as fields, by name, for those who sign."""
        values = (*self, ONE_CLICK.value)
        return {name: Header(name, value) for name, value in zip(VARYING, values, strict=True)}


@dataclass
class Frame:
    """What mails of one compiled message that came by one list have in common, ready for the wire."""

    #: The header fields before To.
    first: bytes
    list_id: bytes
    #: What stands before, between and after the tokens in List-Unsubscribe.
    leaving: tuple[str, ...]
    #: The header fields after it, and the empty line.
    last: bytes
    #: The body, and where it is filled.
    pieces: tuple[bytes, ...]
    fills: tuple[Fill, ...]
    #: A link to the person's preferences is among these.
    has_preferences: bool
    signings: tuple[Signing, ...]
    #: How many were made.
    messages: int = 0


#: Where the pages of one person's own are, below the sender's address; a token follows.
_PAGES = {SlotKind.UNSUBSCRIBE_URL: "u", SlotKind.PREFERENCES_URL: "p"}
#: A token like all others: letters and digits stand for themselves wherever a token may.
_SAMPLE_TOKEN = "t" * UNSUBSCRIBE_TOKEN_CHARACTERS
_SAMPLE_IN_MAIL = "m" * UNSUBSCRIBE_IN_MAIL_CHARACTERS


def _around_token(write: Callable[[str], bytes]) -> tuple[str, str] | None:
    """Return what is written before and after a token; None where a line is broken within it."""
    before, found, after = write(_SAMPLE_TOKEN).decode("ascii").partition(_SAMPLE_TOKEN)
    return (before, after) if found else None


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
        takes_mail: bool = False,
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
            takes_mail: What is mailed to the domain of the return path is read, so that one can
                unsubscribe by it; where the relay has mails return elsewhere, it is not said.
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
        self._leaves_by_mail = takes_mail and self._return_path is ReturnPath.VERP
        # Not signed: they are for the relay, which takes them out.
        self._relay_headers = tuple(plain_header(*one) for one in handling.headers)
        self._relay_names = frozenset(name.encode("ascii") for name, _ in handling.headers)
        self._templates: dict[str, EditionTemplates] = {}
        self._asked: dict[str, tuple[Sequence[Condition], Collection[str]]] = {}
        self._messages: OrderedDict[MessageKey, CompiledMessage] = OrderedDict()
        self._frames: OrderedDict[FrameKey, Frame] = OrderedDict()
        self._headers: dict[tuple[str, str, bool], FixedHeaders] = {}
        self._is_verp_sound = False
        #: A minute since 1970, and its Date.
        self._dated: tuple[int, bytes] = (-1, b"")
        self._lock = threading.Lock()

    @property
    def is_slow(self) -> bool:
        """Whether a mail takes so long to make that it is made in another thread."""
        return any(one.is_slow for one in self._signers)

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
        address, delivery_id = outgoing.address, outgoing.delivery_id
        to = address_header("To", address, utf8=outgoing.needs_smtputf8)
        frame = self._frame(outgoing)
        token, leaving = self._leaving(frame, outgoing)
        message_id = self._tokens.message_id(delivery_id)
        varying = Varying(
            to.value,
            self._date(outgoing.first_attempt_at or now),
            f"<{message_id}@{self._sender.return_path_domain}>".encode("ascii"),
            leaving.encode("ascii"),
        )
        body = self._body(frame, outgoing, token)
        signatures: Sequence[bytes] = ()
        if frame.signings:
            # The body was written as its own relaxed form (RFC 6376 §3.4.4).
            body_hash = hashlib.sha256()
            for piece in body:
                body_hash.update(piece)
            headers = varying.headers()
            digest = body_hash.digest()
            signatures = [one.sign(headers, digest, now).wire for one in frame.signings]
        head = b"".join(
            (
                *signatures,
                frame.first, b"To: ", varying.to,
                b"\r\nDate: ", varying.date,
                b"\r\nMessage-ID: ", varying.message_id, b"\r\n",
                frame.list_id, b"List-Unsubscribe: ", varying.leaving, b"\r\n",
                frame.last,
            )
        )  # fmt: skip
        pieces = (head, *body)
        envelope_id, return_path_token = self._tokens.envelope(delivery_id)
        mail = ComposedMail(
            Envelope(self._mail_from(return_path_token), address), pieces, sum(map(len, pieces)),
            envelope_id, is_plain=True,
        )  # fmt: skip
        self._look_once_more(frame, mail, outgoing)
        return mail

    def _leaving(self, frame: Frame, outgoing: OutgoingDelivery) -> tuple[str, str]:
        """Return the token of the page to unsubscribe, and the value of List-Unsubscribe."""
        ids = outgoing.delivery_id, outgoing.supporter_id
        if not self._leaves_by_mail:
            token = self._tokens.person(Purpose.UNSUBSCRIBE, *ids)
            return token, token.join(frame.leaving)
        token, in_mail = self._tokens.unsubscribe(*ids)
        before, between, after = frame.leaving
        return token, f"{before}{token}{between}{in_mail}{after}"

    def _around_leaving(self) -> tuple[str, ...]:
        """Return what stands before, between and after the tokens in List-Unsubscribe.

        No line of it is ever broken within an address, however long that is.
        """
        link = self._link(SlotKind.UNSUBSCRIBE_URL, _SAMPLE_TOKEN)
        domain = self._sender.return_path_domain
        mailbox = (
            f"{UNSUBSCRIBE_LOCAL_PART}+{_SAMPLE_IN_MAIL}@{domain}" if self._leaves_by_mail else ""
        )
        value = list_unsubscribe_headers(link, mailbox)[0].value.decode("ascii")
        before, _, rest = value.partition(_SAMPLE_TOKEN)
        if not self._leaves_by_mail:
            return before, rest
        between, _, after = rest.partition(_SAMPLE_IN_MAIL)
        return before, between, after

    def _body(self, frame: Frame, outgoing: OutgoingDelivery, token: str) -> list[bytes]:
        """Return the pieces of a body for one supporter: what is constant, and values between."""
        pieces = list(frame.pieces)
        tokens = {SlotKind.UNSUBSCRIBE_URL: token}
        if frame.has_preferences:
            tokens[SlotKind.PREFERENCES_URL] = self._tokens.person(
                Purpose.PREFERENCES, outgoing.delivery_id, outgoing.supporter_id
            )
        for fill in frame.fills:
            slot, flavor = fill.use
            if fill.around is not None:
                pieces[fill.position] = tokens[slot.kind].join(fill.around).encode("ascii")
                continue
            if slot.kind in _PAGES:
                value = self._link(slot.kind, tokens[slot.kind])
            else:
                value = clean_value(outgoing.fields.get(slot.field, "")) or clean_value(
                    slot.default
                )
            pieces[fill.position] = encode_value(value, flavor)
        return pieces

    def _mail_from(self, token: str) -> str:
        if self._return_path is ReturnPath.VERP and self._is_verp_sound:
            sender = self._sender
            return f"{sender.return_path_local}+{token}@{sender.return_path_domain}"
        address = return_path(self._sender, self._return_path, lambda: token)
        # Tokens are all of one length and alphabet: where one fits, all do.
        self._is_verp_sound = True
        return address

    def _look_once_more(self, frame: Frame, mail: ComposedMail, outgoing: OutgoingDelivery) -> None:
        """Look at the whole of the first message of a frame, and at one in a hundred after it.

        All that differs in the others is made of tokens of ours, of encoded values and of an
        address that is no more than one; looking at every octet again costs more than all of it.

        Raises:
            MalformedMail: when it is not as every message of ours must be.
        """
        if frame.messages % LOOK_AT_ONE_IN == 0 or outgoing.needs_smtputf8:
            address, utf8, content = outgoing.address, outgoing.needs_smtputf8, mail.content
            check_message(content, address, utf8=utf8, also=self._relay_names)
            check_lines(content)
        frame.messages += 1

    def _date(self, moment: datetime) -> bytes:
        """Return the value of Date, which is the same for all mails of a minute."""
        minute = int(moment.timestamp()) // 60
        known = self._dated
        if known[0] != minute:
            known = self._dated = (minute, date_header(moment).value)
        return known[1]

    def _frame(self, outgoing: OutgoingDelivery) -> Frame:
        """Return what a delivery's mail has in common with others, making it if it is the first."""
        with self._lock:
            conditions, names = self._conditions(outgoing.language)
            vector: TruthVector = ()
            if conditions:
                fields = {name: clean_value(outgoing.fields.get(name, "")) for name in names}
                vector = truth_vector(conditions, fields)
            key = FrameKey(
                outgoing.language, outgoing.wanted, vector, outgoing.list_key,
                outgoing.needs_smtputf8, outgoing.text_only,
            )  # fmt: skip
            frame = self._frames.get(key)
            if frame is None:
                frame = self._new_frame(outgoing, self._message(outgoing, vector))
                self._frames[key] = frame
                if len(self._frames) > KEPT_MESSAGES:
                    self._frames.popitem(last=False)
            else:
                self._frames.move_to_end(key)
            return frame

    def _conditions(self, language: str) -> tuple[Sequence[Condition], Collection[str]]:
        """Return the conditions of an edition, and the names of the fields they ask for."""
        found = self._asked.get(language)
        if found is None:
            conditions = self.templates(language).ledger.conditions
            found = self._asked[language] = (conditions, fields_asked(conditions))
        return found

    def _new_frame(self, outgoing: OutgoingDelivery, message: CompiledMessage) -> Frame:
        definition = self._lists[outgoing.list_key]
        fixed = self._fixed(outgoing.language, definition, utf8=outgoing.needs_smtputf8)
        # Of the fields that vary only the names count here.
        varying = [Header(name, b"") for name in VARYING]
        headers = [*fixed.before, fixed.list_id, *fixed.after, *message.headers, *varying]
        last = (ONE_CLICK, *fixed.after, *message.headers, *self._relay_headers)
        language = message.reading.reader
        name = clean_value(localized(definition.name, language, outgoing.language))
        slots = {use.slot for use in message.uses if use.slot.kind is SlotKind.LIST_NAME}
        message = message.with_known(dict.fromkeys(slots, name))
        check_pieces(message.pieces)
        return Frame(
            first=b"".join(one.wire for one in fixed.before),
            list_id=fixed.list_id.wire,
            leaving=self._around_leaving(),
            last=b"".join(one.wire for one in last) + b"\r\n",
            pieces=message.pieces,
            fills=tuple(
                self._fill(position, message.uses[index]) for position, index in message.places
            ),
            has_preferences=any(use.slot.kind is SlotKind.PREFERENCES_URL for use in message.uses),
            signings=tuple(signer.prepared(headers, VARYING) for signer in self._signers),
        )

    def _fill(self, position: int, use: SlotUse) -> Fill:
        around = None
        kind = use.slot.kind
        if kind in _PAGES:
            around = _around_token(lambda token: encode_value(self._link(kind, token), use.flavor))
        return Fill(position, use, around)

    def _link(self, kind: SlotKind, token: str) -> str:
        """Return the address of a page of one person's own."""
        return f"{self._sender.base_url}/{_PAGES[kind]}/{token}"

    def _message(self, outgoing: OutgoingDelivery, vector: TruthVector) -> CompiledMessage:
        """Return the compiled message for a supporter, compiling it if it is the first."""
        templates = self.templates(outgoing.language)
        reading = templates.reading(outgoing.wanted)
        key = MessageKey(reading, vector, outgoing.text_only)
        message = self._messages.get(key)
        if message is None:
            domain = self._sender.return_path_domain
            message = compile_message(
                templates, vector, reading, domain, text_only=outgoing.text_only
            )
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
