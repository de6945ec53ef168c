"""A desk on which there is something behind every address: for tests that open all of its pages.

In: a folder, and what each text is to say. Out: `Rooms`: a workspace with a statement that is being
written, mailings in every state that has a page, people, imports, links and a bounce. What people type
goes in by the ways they have; what only a relay or a scheduler does is written as rows.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from PIL import Image

from mailer.app import approving, barring, supporters, uploading, writing
from mailer.app.accounts import Accounts
from mailer.app.api_tokens import ApiTokens
from mailer.app.planning import Wish, make_plan
from mailer.app.saving_segments import save_segment
from mailer.app.scheduling import make_draft
from mailer.app.workspace import Workspace
from mailer.app.writing_files import add_picture
from mailer.app.writing_rights import Writer
from mailer.cli.workspace import make_workspace
from mailer.clock import Clock
from mailer.desk.app import desk_routes
from mailer.desk.ground import Desk
from mailer.desk.pages import DeskPages
from mailer.desk.routes import Method, Route
from mailer.feedback.taking import Taker
from mailer.model.api_token import Purpose
from mailer.model.approval import Vote
from mailer.model.audit import AuditAction
from mailer.model.feedback_policy import SoftLimits
from mailer.model.staff import Actor, ActorKind, StaffRole
from mailer.model.statement import (
    Edition,
    RelatedItem,
    RelatedKind,
    Revision,
    Signatory,
    StatementKind,
    Supported,
    SupportedKind,
)
from mailer.model.states import DeliveryState, MailingState, SkipReason
from mailer.statements.drafts import EditionDraft, HeadDraft, RowDraft
from mailer.statements.source import read_statement
from mailer.store import tables
from mailer.store.audit import write_audit
from mailer.store.statements import publish, save_revision
from mailer.tokens import Tokens
from tests.support.came_back import dsn
from tests.support.clocks import FixedClock
from tests.support.factories import Ground, make_edition, make_revision

ANA = Actor(ActorKind.STAFF, "ana")
LIST = "harbor-news"
SLUG = "her-rights"
#: A statement that is being written, and says what the texts say.
WRITTEN = "written-here"
#: An address that runs something where a page makes a link of it.
RUNS = "javascript:alert(document.domain)//"
#: What a statement is refused with: it would be for the template.
_MARKS = re.compile(r"\{\{.*?\}\}|\{%.*?%\}")
#: What a browser saves, or shows by itself: it styles a picture, which its policy forbids.
_DOWNLOADS = frozenset({"statement-files", "statement-picture"})
_PLACEHOLDER = re.compile(r"\{(\w+)(?::\w+)?\}")


class Say(Protocol):
    """Says a text for a place, of so many characters at most."""

    def __call__(self, place: str, most: int = 200) -> str:
        """Return the text."""
        ...


def plainly(place: str, most: int = 200) -> str:
    """Say what nobody stumbles over."""
    return f"A text for the {place}"[:most]


@dataclass
class Rooms:
    """A workspace, and what its addresses are of."""

    workspace: Workspace
    #: Path of a route → what its placeholders are there; "" → what they are elsewhere.
    places: dict[str, dict[str, str]] = field(default_factory=dict)

    #: Path of a route → what its placeholders are there once more.
    more: dict[str, dict[str, str]] = field(default_factory=dict)

    def paths(self) -> Iterator[tuple[Route, str]]:
        """Yield every page of the desk, with an address behind which there is something."""
        desk = Desk(self.workspace, Accounts(self.workspace), DeskPages("Harbor"))
        for route in desk_routes(desk):
            if route.method is Method.SEE:
                yield route, self._path(route, self.places.get(route.path, {}))
                if route.path in self.more:
                    yield route, self._path(route, self.more[route.path])

    def shown(self) -> Iterator[tuple[Route, str]]:
        """Yield of those what a browser shows: pages, and the mails in their frames."""
        for route, path in self.paths():
            # The page that listens to it is shown, too.
            if route.name not in _DOWNLOADS and not route.name.endswith("-live"):
                yield route, path

    def pages(self) -> Iterator[tuple[str, str]]:
        """Yield the whole pages: a name of its own for each, for its picture, and the address."""
        names: set[str] = set()
        for route, path in self.shown():
            if route.name.endswith("-frame"):
                continue
            name = route.name
            while name in names:
                name += "-more"
            names.add(name)
            yield name, path

    def _path(self, route: Route, there: dict[str, str]) -> str:
        """Return an address of a route; raises KeyError where there is nothing for it."""
        places = {**self.places[""], **there}
        query = places.get("?", "")
        path = _PLACEHOLDER.sub(lambda one: places[one[1]], route.path).rstrip("/")
        return f"/desk{path}{query}"


@contextlib.contextmanager
def furnished(folder: Path, say: Say = plainly) -> Iterator[Rooms]:
    """Give a workspace with something behind every address, as of now, until the block ends."""
    made = furnish(folder, FixedClock(datetime.now(UTC)), say)
    try:
        yield made
    finally:
        made.workspace.store.close()


def furnish(folder: Path, clock: Clock, say: Say = plainly) -> Rooms:
    """Make a workspace with something behind every address."""
    make_workspace(folder).store.close()
    _declare(folder, say)
    workspace = Workspace.open(folder, clock)
    rooms = Rooms(workspace)
    rooms.places[""] = {"slug": SLUG, "language": "ru", "key": f"{SLUG}-1", "name": "harbor.jpg"}
    _write(rooms, say)
    _people(rooms, say)
    _mailings(rooms, say)
    _staff(rooms, say)
    return rooms


def _declare(folder: Path, say: Say) -> None:
    """Let the files of the workspace say what the texts say: the names of workspace and list."""
    for path, before, place in (
        (folder / "config.toml", 'name = "Harbor Solidarity"', "workspace"),
        (folder / "lists" / f"{LIST}.toml", 'en = "Harbor News"', "list"),
    ):
        text = path.read_text(encoding="utf-8")
        assert before in text, before
        after = f"{before.partition(' = ')[0]} = {json.dumps(say(place, 100), ensure_ascii=False)}"
        path.write_text(text.replace(before, after, 1), encoding="utf-8")


def _write(rooms: Rooms, say: Say) -> None:
    """Begin a statement, with a text in every field, and load the one that ships."""
    workspace = rooms.workspace
    writer = Writer(ANA, None)
    writing.new_statement(workspace, WRITTEN, StatementKind.APPEAL, "en", say("title"), writer)
    add_picture(workspace, WRITTEN, "harbor.jpg", _picture(), writer)
    edition = EditionDraft(
        title=say("title"), subject=say("subject"), preheader=say("preheader"),
        discreet_subject=say("discreet subject"), discreet_preheader=say("discreet preheader"),
        body=f"{say('body')}\n\n![{say('alternative text')}](harbor.jpg)\n\n[{say('link')}](https://a.example.org)\n\n"
        f"[Run]({RUNS}) <{RUNS}>",
    )  # fmt: skip
    for language in ("en", "ru"):
        file = writing.read_edition(workspace, WRITTEN, language).file
        writing.save_edition(
            workspace, WRITTEN, language, edition, file.version if file else None, writer
        )
    row = RowDraft(
        kind="organisation", names={"en": say("name"), "ru": say("имя")},
        address=RUNS,
    )  # fmt: skip
    head = HeadDraft(
        WRITTEN, kind="appeal", source_language="en", supports=(row,), related=(row,),
        signatories=(replace(row, kind="", country="MD"),), hashtags=(RowDraft(tag=say("hashtag")),),
        deadline=say("deadline"), why_now={"en": say("why now")},
        action_label={"en": say("label")}, action_address=say("address"),
    )  # fmt: skip
    opened = writing.read_head(workspace, WRITTEN)
    writing.save_head(workspace, WRITTEN, head, opened.file.version, writer)
    there = {"slug": WRITTEN}
    rooms.places["/statements/{slug}/pictures/{name}"] = there
    for page in ("", "/checks", "/head", "/pictures", "/editions/{language}",
                 "/editions/{language}/preview", "/editions/{language}/mail"):  # fmt: skip
        rooms.more[f"/statements/{{slug}}{page}"] = there


def _picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (40, 30), "navy").save(file, "JPEG")
    return file.getvalue()


def _people(rooms: Rooms, say: Say) -> None:
    """Put somebody on a list, and bring in a file of which some lines are faulty."""
    workspace = rooms.workspace
    person, _ = supporters.add_person(
        workspace, ANA, LIST, "vera@example.org",
        {"name": say("supporter"), "languages": "en;ru", "country": "MD", "city": say("city"),
         "tags": say("tag", 100)}, say("source"),
    )  # fmt: skip
    workspace.suppression_log.append([])
    digest = workspace.service_keys.address_digest("vera@example.org")
    barring.suppress_person(workspace, ANA, digest, barring.scope_of(workspace), say("reason"))
    rooms.places[""]["supporter"] = str(person)
    for page in ("", "/correct"):
        rooms.more[f"/supporters/{{supporter}}{page}"] = {"supporter": str(person)}
    said = {"name": say("supporter"), "languages": "en", "country": "MD"}
    mailed, _ = supporters.add_person(workspace, ANA, LIST, "nina@example.org", said, "by letter")
    for page in ("", "/mail"):
        path = f"/mailings/{{key}}/preview/supporter/{{supporter}}{page}"
        rooms.places[path] = {"supporter": str(mailed)}
    cell = say("cell").replace('"', '""')
    lines = f'E-mail,"{cell}",Имя,Страна\nanna@example.org,"{cell}","{cell}",MD\nnone,"{cell}",X,"{cell}"\n'
    name = f"{say('file', 60)}.csv"
    ids = [
        uploading.receive(workspace, ANA, LIST, name, lines.encode()).upload_id for _ in range(3)
    ]
    for upload_id in ids[:2]:
        upload = uploading.upload_of(workspace, upload_id)
        targets = [one.proposed for one in uploading.sample_of(workspace, upload).columns]
        uploading.choose_columns(workspace, upload, targets)
        uploading.begin_check(workspace, upload_id)
        uploading.check(workspace, ANA, upload_id)
    uploading.begin_import(workspace, ANA, ids[0])
    uploading.bring_in(workspace, ANA, ids[0])
    batch = uploading.upload_of(workspace, ids[0]).batch
    rooms.places[""] |= {"upload": str(ids[2]), "batch": str(batch)}
    rooms.more["/audience/import/{upload}"] = {"upload": str(ids[1])}
    save_segment(workspace, ANA, "from-moldova", say("segment", 80), "country = MD")
    rooms.places["/audience/segments/{key}"] = {"key": "from-moldova"}
    for path in ("/audience/count", "/audience/counted"):
        rooms.places[path] = {"?": f"?list={LIST}"}


def _mailings(rooms: Rooms, say: Say) -> None:
    """Make a draft, one that is in review, and one that was sent, with doubts and a bounce."""
    workspace = rooms.workspace
    folder = workspace.config.templates_dir / "statements" / SLUG
    revision, faults = read_statement(folder, workspace.config.templates_dir.parent)
    assert revision is not None, faults
    now = workspace.clock.now()
    with workspace.store.write() as connection:
        save_revision(connection, revision, now)
    writing.open_statement(workspace, SLUG, Writer(ANA, None))
    wish = Wish(SLUG, (LIST,))
    make_draft(workspace, ANA, make_plan(workspace, wish))
    reviewed = make_draft(workspace, ANA, make_plan(workspace, wish)).key
    approving.ask_for_approval(workspace, ANA, reviewed)
    token = approving.make_link(
        workspace, ANA, reviewed, language="en", reviewer=say("reviewer", 60)
    )
    rooms.places["/statements/{slug}/compare"] = {"?": "?before=1"}
    rooms.places["/mailings/{key}/preview/mail"] = {"?": "?language=en"}
    hour = now + timedelta(days=2)
    query = f"?date={hour:%Y-%m-%d}&time=09:00&zone=Europe/Chisinau"
    rooms.places["/mailings/{key}/schedule/confirm"] = {"?": query}
    rooms.more["/mailings/{key}/schedule/confirm"] = {"?": f"{query}&counted=1"}
    rooms.places["/mailings/{key}/approval"] = {"key": reviewed}
    rooms.places["/review/{token}"] = rooms.places["/review/{token}/mail"] = {"token": token}
    returned = make_draft(workspace, ANA, make_plan(workspace, wish)).key
    approving.ask_for_approval(workspace, ANA, returned)
    bohdan = Actor(ActorKind.STAFF, "bohdan")
    seen = approving.review_of(workspace, returned).digest
    approving.vote(
        workspace, bohdan, returned, seen=seen, languages=["en"], given=Vote.RETURNED,
        comment=say("comment"),
    )  # fmt: skip
    rooms.more["/mailings/{key}/approval"] = rooms.more["/mailings/{key}"] = {"key": returned}
    _sent(rooms, say)


def _sent(rooms: Rooms, say: Say) -> None:
    workspace = rooms.workspace
    ground = Ground(
        workspace.store, workspace.seal_keys, workspace.service_keys, workspace.clock.now()
    )
    with workspace.store.read() as connection:
        row_id = (
            connection.execute(
                tables.mailing_list.select().where(tables.mailing_list.c.key == LIST)
            )
            .one()
            .id
        )
    ground.lists[LIST] = (row_id, workspace.lists[0][LIST])
    edition = make_edition(
        "en", title=say("title"), subject=say("subject"), preheader=say("preheader"),
        body=_MARKS.sub("", f"{say('body')}\n\n[{say('link')}](https://a.example.org) [Run]({RUNS})\n"),
    )  # fmt: skip
    names = {"en": say("name")}
    sent = ground.add_mailing(
        [LIST], MailingState.RUNNING, _saying("sent-here", edition, names, RUNS)
    )
    ids = {}
    for name, state, columns in (
        ("olga", DeliveryState.ACCEPTED, {}),
        ("petro", DeliveryState.REFUSED, {"attempts": 1, "code": 550, "enhanced_code": "5.7.1"}),
        ("rosa", DeliveryState.IN_DOUBT, {"attempts": 1}),
        ("sofia", DeliveryState.SKIPPED, {"skip_reason": SkipReason.NO_ACCEPTABLE_EDITION}),
        ("taras", DeliveryState.DUE, {}),
    ):  # fmt: skip
        who = ground.add_supporter(f"{name}@example.org", LIST, fields={"name": say("supporter")})
        ids[name] = ground.add_delivery(sent, who, state, relay=say("relay", 60), **columns)
        rooms.places["/supporters/{supporter}"] = {"supporter": str(who)}
    with workspace.store.write() as connection:
        for name, outcome in (("petro", "refused"), ("rosa", "in_doubt")):
            connection.execute(
                tables.attempt.insert().values(
                    delivery_id=ids[name], number=1, relay=say("relay", 60),
                    started_at=workspace.clock.now(), duration_ms=3, outcome=outcome, code=550,
                    enhanced_code="5.7.1", reply=say("reply"),
                )
            )  # fmt: skip
    words = say("diagnostic").replace("\n", " ")
    report = dsn(
        Tokens(workspace.service_keys).return_path(ids["olga"]), "olga@example.org",
        ("5.1.1", f"550 5.1.1 {words}"), extra=f"Remote-MTA: dns; {words}\r\n",
    )  # fmt: skip
    taker = Taker(
        workspace.store, workspace.service_keys, workspace.suppression_log, workspace.clock,
        SoftLimits(),
    )  # fmt: skip
    subject = b"Undelivered Mail Returned to Sender"
    assert subject in report
    taker.take(report.replace(subject, words.encode()))
    with workspace.store.read() as connection:
        bounced = connection.execute(
            tables.delivery.select().where(tables.delivery.c.id == ids["olga"])
        ).one()
    for path in ("/supporters/{supporter}", "/supporters/{supporter}/correct"):
        rooms.places[path] = {"supporter": str(bounced.supporter_id)}
    with workspace.store.write() as connection:
        publish(connection, "sent-here", sent.revision_id, workspace.clock.now())
        # No mail is made of a statement that links to what runs.
        mailed = _saying("mailed-here", edition, names, "https://a.example.org/")
        save_revision(connection, mailed, workspace.clock.now())
    made = make_draft(workspace, ANA, make_plan(workspace, Wish("mailed-here", (LIST,))))
    rooms.more["/mailings/{key}/preview"] = rooms.more["/mailings/{key}/preview/mail"] = {
        "key": made.key, "?": "?language=en",
    }  # fmt: skip
    for page in ("", "/watch", "/live", "/doubts", "/report", "/catch-up"):
        rooms.places[f"/mailings/{{key}}{page}"] = {"key": sent.key}


def _saying(slug: str, edition: Edition, names: dict[str, str], address: str) -> Revision:
    """Return a statement that says the texts wherever it says anything, and leads to an address."""
    return make_revision(
        ("en",), slug=slug, editions={"en": edition},
        signatories=(Signatory(names, "MD", address),),
        supports=(Supported(SupportedKind.ORGANISATION, names, address),),
        related=(RelatedItem(RelatedKind.CASE, names, address),),
    )  # fmt: skip


def _staff(rooms: Rooms, say: Say) -> None:
    """Invite somebody, make a token, and put on record why something went without approval."""
    workspace = rooms.workspace
    accounts = Accounts(workspace)
    made = accounts.invite(ANA, "nadia", say("staff", 60), [StaffRole.TRANSLATOR], ["ru"])
    rooms.places["/welcome/{token}"] = {"token": made.token}
    rooms.places[""]["login"] = "nadia"
    ends = workspace.clock.now() + timedelta(days=30)
    ApiTokens(workspace).make(ANA, "website", frozenset({Purpose.REPORTS_READ}), ends)
    with workspace.store.write() as connection:
        write_audit(
            connection, ANA, AuditAction.APPROVAL_OVERRIDDEN, f"{SLUG}-1",
            workspace.clock.now(), reason=say("override"),
        )  # fmt: skip
