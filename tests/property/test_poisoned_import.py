"""Poisoned people, from their CSV over a real import and a real sender to a real SMTP server."""

import asyncio
import csv
import io
import re
import time
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from mailer.app.languages import resolver_for
from mailer.audience.imports import import_csv
from mailer.clock import SYSTEM_CLOCK
from mailer.compose.composer import MailingComposer
from mailer.delivery.claims import Material
from mailer.delivery.engine import DeliveryEngine, EngineParts
from mailer.delivery.retry import RetryPolicy
from mailer.delivery.session import Encryption, RelaySettings, Timeouts
from mailer.model.audience import Attribute, AttributeType
from mailer.model.states import DeliveryState, MailingState
from mailer.schedule.ticker import Ticker
from mailer.store.audience import sync_lists
from mailer.store.documents import with_digest
from mailer.store.mailings import has_open_deliveries
from mailer.store.reports import report
from mailer.store.statements import load_revision
from mailer.store.suppression_log import SuppressionLog
from tests.property.poison import ATTRIBUTES, FIELDS, POISONS, head_of, is_unfit, readable
from tests.support.factories import Ground
from tests.support.mail import assert_wire_form, header, raw_headers
from tests.support.mails import harbor_list, harbor_sender, mail_design, one_edition

COLUMNS = ["email", "name", "country", "city", "skills", "hours", "since", "member", "languages",
           "note"]  # fmt: skip
GOOD = {"name": "Mara Lind", "country": "MD", "city": "Orlesk", "skills": "law", "hours": "4",
        "since": "2025-03-31", "member": "yes", "languages": "en", "note": "by post"}  # fmt: skip
#: Field that wants more than text → why a row is refused.
REFUSALS = {
    "country": "country: not a two-letter country code",
    "hours": "hours: not a number",
    "since": "since: not a date",
    "member": "member: neither yes nor no",
}
UNFIT_ADDRESS = "the address holds a control or invisible character"
NO_ADDRESS = "this is not a mail address"
BODY = """\
Dear {{ supporter.name | default("friend") }}, {{ supporter.city }}, {{ supporter.country }}:
{{ supporter.skills }}, {{ supporter.hours }}, {{ supporter.since }}, {{ supporter.member }}

{% if supporter.member %}You are a member.{% endif %}
"""


#: Attributes that stay readable in the database.
CLEAR = frozenset(name for name, one in ATTRIBUTES.items() if one.clear)


@dataclass
class File:
    """A CSV being written, and what ought to become of its rows."""

    text: io.StringIO = field(default_factory=lambda: io.StringIO(newline=""))
    #: Whom the rows that can be taken are for.
    taken: list[str] = field(default_factory=list)
    #: Line → reason.
    rejects: dict[int, str] = field(default_factory=dict)

    @property
    def line(self) -> int:
        """The line the next row begins on: a row may have several."""
        return 1 + len(re.findall(r"\r\n|\r|\n", self.text.getvalue()))

    def add(self, reason: str = "", **cells: str) -> None:
        """Write a row; a reason says that it cannot be taken."""
        address = f"person{len(self.taken) + len(self.rejects)}@example.org"
        row = {"email": address, **GOOD, **cells}
        self._expect(row["email"], reason)
        csv.writer(self.text, quoting=csv.QUOTE_ALL).writerow([row[name] for name in COLUMNS])

    def add_line(self, reason: str, line: str) -> None:
        """Write a line as it is."""
        self._expect(line.partition(",")[0], reason)
        self.text.write(f"{line}\r\n")

    def _expect(self, address: str, reason: str) -> None:
        if reason:
            self.rejects[self.line] = reason
        else:
            self.taken.append(address)


def _poisoned_file() -> File:
    made = File()
    made.text.write(",".join(COLUMNS) + "\r\n")
    for poison in POISONS.values():
        for name in ("name", "city", "skills", "note"):
            readable_at = name in CLEAR and "@" in unicodedata.normalize("NFKC", readable(poison))
            reason = f"{name}: holds an at sign; what stays readable may be no address"
            made.add(reason if readable_at else "", **{name: poison})
        for name, reason in REFUSALS.items():
            # A cell with nothing to be read in it is an empty one.
            made.add(reason if readable(poison).strip() else "", **{name: poison})
        if is_unfit(poison):
            made.add(UNFIT_ADDRESS, email=f"person{poison}s@example.org")
            made.add(UNFIT_ADDRESS, email=f"person@exam{poison}ple.org")
    made.add(UNFIT_ADDRESS, email="person@example.org\r\nBcc: bcc@example.net")
    for name in ("addresses", "a group", "script", "template", "encoded-word, q", "full width"):
        made.add(NO_ADDRESS, email=POISONS[name])
        made.add(NO_ADDRESS, email=f"person@{POISONS[name]}")
    made.add("languages: not language tags like ru;uk", languages="en\r\nBcc: bcc@example.net")
    made.add("name: longer than 2000 characters", name="x" * 2001)
    made.add_line("a quotation mark is misplaced", 'person@example.org,"Mara" Lind,MD')
    made.add_line("it has 11 cells, the header 10", "person@example.org" + ",x" * 10)
    made.add()
    made.add_line("a quotation mark is not closed", 'person@example.org,"Mara')
    made.add_line("", "the-next-line@example.org,Mara,MD")
    return made


@pytest.fixture
def definition():
    """A list with an attribute of every type, and a name that looks like what it is not."""
    typed = {
        "hours": Attribute("hours", AttributeType.NUMBER, clear=True),
        "since": Attribute("since", AttributeType.DATE, clear=True),
        "member": Attribute("member", AttributeType.BOOLEAN, clear=True),
    }
    name = {"en": f'{POISONS["encoded-word, q"]} {POISONS["emoji"]} "{POISONS["addresses"]}'}
    return harbor_list(name=name, attributes={**ATTRIBUTES, **typed})


@pytest.fixture
def statement():
    """A statement whose subject is long and looks like encoded-words."""
    made = one_edition(BODY, subject=f"{POISONS['encoded-word, b']} {POISONS['a long line']}")
    return with_digest(made)


@pytest.fixture
def sender():
    """A sender with a name that would be two addresses."""
    return harbor_sender(name={"en": f"{POISONS['addresses']} {POISONS['Arabic']}"})


async def _send(engine, ticker, store, mailing, patience_s=60):
    stop = asyncio.Event()
    sending = asyncio.create_task(engine.run(stop))
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline and not sending.done():
        await asyncio.to_thread(ticker.tick)
        with store.read() as connection:
            if report(connection, mailing.row_id).by_state and not has_open_deliveries(
                connection, mailing.row_id
            ):
                break
        await asyncio.sleep(0.1)
    stop.set()
    await sending


def _import(store, seal_keys, service_keys, folder, definition, made):
    path = folder / "people.csv"
    path.write_text(made.text.getvalue(), encoding="utf-8", newline="")
    now = SYSTEM_CLOCK.now()
    return import_csv(
        store, seal_keys, service_keys, path, definition, rejects_dir=folder / "rejects", now=now
    )


def test_what_cannot_be_taken_is_named_by_line_and_reason(
    sqlite_store, seal_keys, service_keys, tmp_path, definition
):
    """Every row is taken or in the reject file, and no reason quotes the row."""
    made = _poisoned_file()
    result = _import(sqlite_store, seal_keys, service_keys, tmp_path, definition, made)
    with result.reject_file.open(encoding="utf-8", newline="") as file:
        rejected = list(csv.DictReader(file))
    assert {int(row["line"]): row["reason"] for row in rejected} == made.rejects
    assert (result.added, result.rejected) == (len(made.taken), len(made.rejects))
    assert result.rows == len(made.taken) + len(made.rejects)
    assert [row for row in rejected if "@" in row["reason"]] == []
    assert [fault.line for fault in result.reject_reasons] == sorted(made.rejects)[:100]


async def test_the_server_sees_one_clean_mail_for_everyone_who_was_taken(
    sqlite_store, seal_keys, service_keys, tokens, tmp_path, smtp_server,
    definition, statement, sender,
):  # fmt: skip
    """As many messages, envelopes and ends of DATA as people, all with the same header."""
    made = _poisoned_file()
    _import(sqlite_store, seal_keys, service_keys, tmp_path, definition, made)
    now = SYSTEM_CLOCK.now()
    ground = Ground(sqlite_store, seal_keys, service_keys, now)
    with sqlite_store.write() as connection:
        list_id = sync_lists(connection, [definition], now)[definition.key]
    ground.lists[definition.key] = (list_id, definition)
    mailing = ground.add_mailing(
        [definition.key], MailingState.SCHEDULED, revision=statement, sender=sender
    )
    with sqlite_store.read() as connection:
        revision = load_revision(connection, mailing.revision_id).revision
    composer = MailingComposer(revision, mail_design(), mailing.sender, [definition], tokens, ())
    server = smtp_server()
    relay = RelaySettings(
        "test", server.host, server.port, Encryption.NONE, timeouts=Timeouts(5, 5, 5, 5, 5)
    )
    policy = RetryPolicy(0.2, 0.2, timedelta(hours=1))
    material = Material(composer, {list_id: definition.key})
    engine = DeliveryEngine(
        EngineParts(
            sqlite_store, seal_keys, tokens, relay, tmp_path / "journal",
            SuppressionLog(tmp_path / "suppressions.log"), policy, SYSTEM_CLOCK,
            lambda _: material, 5.0,
        )
    )  # fmt: skip
    ticker = Ticker(sqlite_store, SYSTEM_CLOCK, resolver_for(sqlite_store))
    await _send(engine, ticker, sqlite_store, mailing)

    with sqlite_store.read() as connection:
        states = report(connection, mailing.row_id).by_state
    assert states == {DeliveryState.ACCEPTED: len(made.taken)}
    assert Counter(server.recipients) == Counter(made.taken)
    assert [mail for mail in server.mails if len(mail.rcpt_tos) != 1] == []
    verbs = Counter(command.split()[0] for command in server.commands)
    assert {verbs[name] for name in ("MAIL", "RCPT", "DATA")} == {len(made.taken)}
    assert verbs.keys() <= {"EHLO", "MAIL", "RCPT", "DATA", "QUIT"}
    said = [b"".join(one.received) for one in server.connections]
    assert sum(one.count(b"\r\n.\r\n") for one in said) == len(made.taken)
    for mail in server.mails:
        assert [name for name, _ in raw_headers(mail.content)] == FIELDS
        assert_wire_form(mail.content)
        assert (header(mail.content, "To"),) == mail.rcpt_tos
    assert len({_shared_head(mail) for mail in server.mails}) == 1


def _shared_head(mail):
    """Return a mail's header without what is its own: the person, the delivery, the minute."""
    own = rb"^(To|Date|Message-ID|List-Unsubscribe): (?:\r\n )?\S[^\r\n]*"
    return re.sub(own, rb"\1: *", head_of(mail.content), flags=re.MULTILINE)
