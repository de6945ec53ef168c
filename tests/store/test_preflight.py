"""Preflight in a real workspace: nothing is found where all is well, and each code where it is not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta

import pytest

from mailer.app.newsletters import draft_issue, load_newsletter
from mailer.app.planning import Plan, Wish, make_plan
from mailer.app.preflight import (
    FindingCode,
    PreflightBlocks,
    Weight,
    When,
    ask_domain,
    preflight,
    refuse_blocking,
)
from mailer.app.preflight.leaving import domains_digest
from mailer.app.preflight.links import links_of
from mailer.app.preflight.words import WORDS, English, phrases, say
from mailer.app.routing import relay_digest
from mailer.app.scheduling import schedule
from mailer.app.workspace import Workspace
from mailer.cli.workspace import make_workspace
from mailer.domains.resolver import SystemResolver
from mailer.model.findings import Finding as DomainFinding
from mailer.model.findings import Grade, ok, wrong
from mailer.model.links import LinkAnswer, LinkLook
from mailer.model.staff import BY_ITSELF
from mailer.model.statement import Appeal, Picture, Signatory, StatementKind, Visibility
from mailer.model.states import MailingState
from mailer.model.timing import NO_QUIET_DAYS, Timing, parse_quiet_days
from mailer.statements.newsletters import read_newsletter
from mailer.store import tables
from mailer.store.archive import set_visibility
from mailer.store.audience import sync_lists
from mailer.store.looks import DomainLook, keep_domain_look, keep_link_looks
from mailer.store.relays import mark_relay_verified
from mailer.store.statements import save_revision
from tests.support.clocks import NOW, FixedClock
from tests.support.dns_server import dns_server
from tests.support.factories import Ground, make_edition, make_revision
from tests.support.newsletters import make_public

SLUG = "free-the-library"
LIST = "harbor-news"
LONG = timedelta(days=30)


@dataclass
class World:
    """A live workspace in which a statement could be scheduled, and how to spoil it."""

    workspace: Workspace

    @property
    def now(self):
        """The instant the workspace's clock stands at."""
        return self.workspace.clock.now()

    @property
    def sender(self):
        """The one that lists come from."""
        return self.workspace.config.sender("harbor")

    def change(self, name, *pairs):
        """Change a file of the workspace, and read it anew."""
        path = self.workspace.config.root / name
        text = path.read_text(encoding="utf-8")
        for old, new in pairs:
            assert old in text, old
            text = text.replace(old, new, 1)
        path.write_text(text, encoding="utf-8")
        self.workspace = self.workspace.reread()

    def load(self, **fields):
        """Store the statement's next revision; its links have been looked at."""
        revision = make_revision(**{"slug": SLUG, **fields})
        with self.workspace.store.write() as connection:
            save_revision(connection, revision, self.now)
        self.look_at_links(revision)
        return revision

    def load_body(self, body, language="en", **fields):
        """Store a revision whose one edition has this body."""
        edition = make_edition(language, body=body)
        return self.load(languages=(language,), editions={language: edition}, **fields)

    def look_at_links(self, revision, answer=LinkAnswer.FINE, ago=timedelta(), **answered):
        """Write that a statement's links were looked at."""
        at = self.now - ago
        looks = [LinkLook(one, at, answer, **answered) for one in links_of(revision)]
        with self.workspace.store.write() as connection:
            keep_link_looks(connection, looks, self.now)

    def ask_dns(self, *findings, ago=timedelta()):
        """Write that the DNS was asked about the sender's domains."""
        look = DomainLook("harbor", self.now - ago, findings)
        with self.workspace.store.write() as connection:
            keep_domain_look(connection, look, domains_digest(self.workspace, self.sender))

    def add_person(self, address, **fields):
        """Write somebody on the list."""
        workspace = self.workspace
        ground = Ground(workspace.store, workspace.seal_keys, workspace.service_keys, self.now)
        definition = workspace.list_of(LIST)
        with workspace.store.write() as connection:
            ground.lists[LIST] = (sync_lists(connection, [definition], self.now)[LIST], definition)
        return ground.add_supporter(address, LIST, **fields)

    def plan(self, **fields) -> Plan:
        """Return the plan of the statement to the list, some of it otherwise."""
        return replace(make_plan(self.workspace, Wish(SLUG, (LIST,))), **fields)

    def look(self, when=None, **wish):
        """Return what preflight finds of the statement to the list."""
        return preflight(self.workspace, replace(Wish(SLUG, (LIST,)), **wish), when)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A workspace, live, with a verified relay that signs; to be copied."""
    folder = tmp_path_factory.mktemp("preflight") / "campaign"
    make_workspace(folder).store.close()
    path = folder / "config.toml"
    text = path.read_text(encoding="utf-8")
    for old, new in {
        "live = false": "live = true",
        'base_url = "http://127.0.0.1:8025"': 'base_url = "https://mail.harbor.example.org"',
        'signs = "mailer"': 'signs = "relay"',
    }.items():
        assert old in text, old
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def world(made, tmp_path):
    """A workspace in which all is well: one person, a statement, everything asked and answered."""
    folder = tmp_path / "campaign"
    shutil.copytree(made, folder)
    opened = World(Workspace.open(folder, FixedClock()))
    try:
        with opened.workspace.store.write() as connection:
            for one in opened.workspace.config.relays:
                mark_relay_verified(connection, one.key, relay_digest(one))
        opened.ask_dns(ok("SPF", "is there"))
        opened.load()
        opened.add_person("anna@example.org")
        yield opened
    finally:
        opened.workspace.store.close()


def test_nothing_is_found_where_all_is_well(world):
    """Neither what blocks nor what is worth a look; the mails are weighed, people counted."""
    found = world.look(When(NOW + timedelta(hours=2), "Europe/Chisinau", 7200))
    assert [] == [say(one).text for one in found.findings]
    assert ["en", "ru"] == [one.language for one in found.mails]
    assert all(5_000 < one.html_bytes < one.whole_bytes for one in found.mails)
    assert 1 == found.coverage.to_mail
    refuse_blocking(world.workspace, world.plan())


def hour(ahead=timedelta(hours=2), **timing):
    """Return an hour so far ahead of now, in Chișinău."""
    return When(NOW + ahead, "Europe/Chisinau", 7200, Timing(**timing))


def picture(alternative, name="harbor.png"):
    """Return Markdown of a picture."""
    return f"Text.\n\n![{alternative}]({name})\n\n"


PICTURES = {
    "pictures": {
        name: Picture(name, "image/png", 10, 10, bytes(100)) for name in ("harbor.png", "bay.png")
    }
}
Case = tuple[Weight, Callable[[World], object]]
CASES: dict[FindingCode, Case] = {}


def blocks(code):
    """Take a function for the case in which `code` is found, and blocks."""
    return lambda function: CASES.update({code: (Weight.BLOCKING, function)})


def advises(code):
    """Take a function for the case in which `code` is found, and is worth a look."""
    return lambda function: CASES.update({code: (Weight.ADVISORY, function)})


@blocks(FindingCode.STATEMENT_UNKNOWN)
def _(world):
    return world.look(slug="nobody-knows")


@blocks(FindingCode.STATEMENT_WITHDRAWN)
def _(world):
    with world.workspace.store.write() as connection:
        set_visibility(connection, SLUG, Visibility.WITHDRAWN, world.now)
    return world.look()


@blocks(FindingCode.ISSUE_UNRELEASED)
def _(world):
    workspace, slug = world.workspace, "harbor-letters"
    make_public(workspace.store, make_revision(slug="told-of"), world.now)
    folder = workspace.config.templates_dir / "newsletters" / slug
    seen = load_newsletter(workspace, read_newsletter(folder, workspace.config.root).newsletter)
    assert draft_issue(workspace, seen, None) is not None
    return world.look(slug=slug)


@blocks(FindingCode.LIST_UNUSABLE)
def _(world):
    return world.look(lists=("nobody-knows",))


@blocks(FindingCode.SENDER_UNUSABLE)
def _(world):
    return world.look(sender="nobody")


@blocks(FindingCode.SEGMENT_UNUSABLE)
def _(world):
    return world.look(segment="shoe_size = 44")


@blocks(FindingCode.TOPIC_UNUSABLE)
def _(world):
    world.load(topics=("gardening",))
    return world.look()


@advises(FindingCode.EDITION_MISSING)
def _(world):
    world.add_person("oksana@example.org", languages=("uk", "ru"))
    return world.look()


@blocks(FindingCode.EDITION_STALE)
def _(world):
    source, old = make_edition("en"), make_edition("ru", translated_from="0" * 12)
    world.load(editions={"en": source, "ru": old})
    return world.look()


@advises(FindingCode.EDITION_UNDISCREET)
def _(world):
    world.add_person("hidden@example.org", discreet=True)
    world.load(languages=("en",), editions={"en": make_edition("en", discreet_subject="")})
    return world.look()


@blocks(FindingCode.EDITION_FAULT)
def _(world):
    world.load_body("# A heading of the first level\n\nText.\n")
    return world.look()


@blocks(FindingCode.LETTERS)
def _(world):
    world.load_body("Слово и cвобода.\n", "ru")
    return world.look()


@blocks(FindingCode.CATALOG_LACKS)
def _(world):
    world.load(languages=("pl",))
    return world.look()


@blocks(FindingCode.PICTURE_SILENT)
def _(world):
    world.load_body(picture(""), **PICTURES)
    return world.look()


@advises(FindingCode.PICTURE_FILE_NAME)
def _(world):
    world.load_body(picture("IMG_2034.jpg"), **PICTURES)
    return world.look()


@advises(FindingCode.PICTURE_EMPTY_WORDS)
def _(world):
    world.load_body(picture("Photo"), **PICTURES)
    return world.look()


@advises(FindingCode.PICTURE_REPEATED)
def _(world):
    same = picture("A quiet harbor") + picture("a quiet harbor.", "bay.png")
    world.load_body(same, **PICTURES)
    return world.look()


@blocks(FindingCode.UNKNOWN_VARIABLE)
def _(world):
    world.load_body("Dear {{ supporter.nickname }}.\n")
    return world.look()


@blocks(FindingCode.TEMPLATE_FAULT)
def _(world):
    path = "templates/mail/base/layout.html"
    world.change(path, ('href="{{ unsubscribe_url }}"', 'href="https://example.org"'))
    return world.look()


@blocks(FindingCode.MAIL_FAULT)
def _(world):
    asked = " ".join(f'{{% if supporter.country == "{one}" %}}a{{% endif %}}' for one in "ABCDEFG")
    other = " ".join(f'{{% if supporter.city == "{one}" %}}a{{% endif %}}' for one in "ABCDEFG")
    world.load_body(f"Text {asked} {other}.\n")
    return world.look()


@blocks(FindingCode.HEADER_UNFIT)
def _(world):
    return preflight(world.workspace, world.plan(sender=replace(world.sender, reply_to="a b@c")))


@blocks(FindingCode.MAIL_UNMADE)
def _(world):
    address = f"https://{'a' * 990}.example.org"
    return preflight(world.workspace, world.plan(sender=replace(world.sender, base_url=address)))


@advises(FindingCode.MAIL_CLIPPED)
def _(world):
    world.load_body("Solidarity is a word. " * 5_000)
    return world.look()


@advises(FindingCode.MAIL_HEAVY)
def _(world):
    content = bytes(range(256)) * 4_000
    heavy = {"harbor.png": Picture("harbor.png", "image/png", 10, 10, content)}
    world.load_body(picture("A quiet harbor"), pictures=heavy)
    return world.look()


@blocks(FindingCode.UNSUBSCRIBE_HEADER)
def _(world):
    # One click works by https alone (RFC 8058 §3.1).
    sender = replace(world.sender, base_url="http://mail.harbor.example.org")
    return preflight(world.workspace, world.plan(sender=sender))


@blocks(FindingCode.UNSUBSCRIBE_LINK)
def _(world):
    path = "templates/mail/base/layout.txt"
    world.change(path, ("{{ unsubscribe_url }}", "https://example.org"))
    return world.look()


@advises(FindingCode.TEXT_PALE)
def _(world):
    path = "templates/mail/statement/style.css"
    world.change(path, ("/* Nothing", ".card .sender { color: #aaaaaa }\n/* Nothing"))
    return world.look()


@advises(FindingCode.NOT_LIVE)
def _(world):
    world.change("config.toml", ("live = true", "live = false"))
    return world.look()


@blocks(FindingCode.SENDING_UNREADY)
def _(world):
    (world.workspace.config.service_key_path).write_text("garbage", encoding="utf-8")
    world.workspace = world.workspace.reread()
    return world.look()


@blocks(FindingCode.RELAY_UNVERIFIED)
def _(world):
    world.change("config.toml", ('host = "smtp.example.org"', 'host = "other.example.org"'))
    return world.look()


@advises(FindingCode.DOMAIN_NOT_ASKED)
def _(world):
    world.change("config.toml", ('address = "news@', 'address = "letters@'))
    return world.look()


@advises(FindingCode.DOMAIN_ASKED_LONG_AGO)
def _(world):
    world.ask_dns(ok("SPF", "is there"), ago=LONG)
    return world.look()


@advises(FindingCode.DOMAIN_WRONG)
def _(world):
    world.ask_dns(wrong("SPF", "is missing", "Add it"))
    return world.look()


@advises(FindingCode.DOMAIN_OFFLINE)
def _(world):
    world.ask_dns(DomainFinding(Grade.UNKNOWN, "SPF", "nobody answered"))
    return world.look()


@advises(FindingCode.LINKS_NOT_ASKED)
def _(world):
    signatory = Signatory({"en": "New"}, "MD", "https://new.example.org")
    with world.workspace.store.write() as connection:
        save_revision(
            connection, make_revision(slug="not-asked", signatories=(signatory,)), world.now
        )
    return world.look(slug="not-asked")


@advises(FindingCode.LINKS_ASKED_LONG_AGO)
def _(world):
    world.look_at_links(make_revision(slug=SLUG), ago=LONG)
    return world.look()


def _link_case(answer, code, **answered):
    def look(world):
        world.look_at_links(make_revision(slug=SLUG), answer, **answered)
        return world.look()

    CASES[code] = (Weight.ADVISORY, look)


_link_case(LinkAnswer.LEADS_ON, FindingCode.LINK_LEADS_ON, status=301, leads_to="https://b.example")
_link_case(LinkAnswer.GONE, FindingCode.LINK_GONE, status=404)
_link_case(LinkAnswer.CLOSED, FindingCode.LINK_CLOSED, status=403)
_link_case(LinkAnswer.FAILING, FindingCode.LINK_FAILING, status=502)
_link_case(LinkAnswer.SILENT, FindingCode.LINK_SILENT)
_link_case(LinkAnswer.UNTRUSTED, FindingCode.LINK_UNTRUSTED)
_link_case(LinkAnswer.PRIVATE, FindingCode.LINK_PRIVATE)
_link_case(LinkAnswer.OFFLINE, FindingCode.LINK_OFFLINE)


@advises(FindingCode.HOUR_PASSED)
def _(world):
    return world.look(hour(-timedelta(hours=1)))


@blocks(FindingCode.HOUR_TOO_LATE)
def _(world):
    return world.look(hour(-timedelta(hours=3)))


@advises(FindingCode.QUIET_DAY)
def _(world):
    # A Tuesday, which the person who schedules chose all the same.
    world.change("config.toml", ("quiet_days = []", 'quiet_days = ["tue"]'))
    return world.look(hour(quiet_days=NO_QUIET_DAYS))


@advises(FindingCode.CLASH)
def _(world):
    schedule(world.workspace, BY_ITSELF, world.plan(), due_at=NOW, time_zone="UTC", grace_s=7200)
    return world.look(hour())


@advises(FindingCode.DEADLINE_PASSED)
def _(world):
    appeal = Appeal({"en": "Sign"}, "https://example.org/sign", {"en": "Now"}, date(2026, 11, 1))
    world.load(kind=StatementKind.APPEAL, appeal=appeal, slug="sign-now")
    return world.look(slug="sign-now")


@blocks(FindingCode.NOBODY)
def _(world):
    return world.look(segment="country = FR")


@advises(FindingCode.PEOPLE_WITHOUT_EDITION)
def _(world):
    world.add_person("oksana@example.org", languages=("uk",), never=("en", "ru"))
    return world.look()


@advises(FindingCode.PEOPLE_DISCREET)
def _(world):
    world.add_person("hidden@example.org", discreet=True)
    return world.look()


@pytest.mark.parametrize("code", FindingCode)
def test_each_code_is_found_where_it_ought_to_be(world, code):
    """It blocks or not as it should, has words for people, and says where it is."""
    weight, look = CASES[code]
    found = look(world)
    of_code = [one for one in found.findings if one.code is code]
    assert of_code, [say(one).text for one in found.findings]
    assert {weight} == {one.weight for one in of_code}
    for one in of_code:
        said = say(one)
        assert said.text.endswith(".")
        if one.fault is None:
            assert "%(" not in said.text + said.remedy
            assert ".." not in said.text + said.remedy
        place = one.place
        assert any((place.statement, place.file, place.sender, place.list, place.field))
        # What blocks is told first.
    weights = [one.weight for one in found.findings]
    assert weights == sorted(weights, key=lambda one: one is Weight.ADVISORY)


def test_every_code_has_words_and_every_word_is_a_phrase_to_translate():
    """A new code without words, or a sentence that a catalog would not hold, is found here."""
    assert set(FindingCode) == set(WORDS)
    told = {text for phrase in phrases() for text in phrase if text}
    for words in WORDS.values():
        assert {words.text, words.remedy, words.plural} - {""} <= told


def test_counts_are_said_in_the_singular_and_the_plural(world):
    """One person is not "people"."""
    world.add_person("oksana@example.org", languages=("uk", "ru"))
    (one,) = [f for f in world.look().findings if f.code is FindingCode.EDITION_MISSING]
    assert say(one).text.startswith("1 person would want")
    many = replace(one, values={**one.values, "people": 1_200})
    assert say(many, English()).text.startswith("1,200 people would want")


def test_a_day_that_is_quiet_by_the_mailings_own_rule_blocks(world):
    """Unlike one that is quiet in config.toml, and was chosen all the same."""
    quiet = hour(quiet_days=parse_quiet_days(["tue"]))
    (found,) = [one for one in world.look(quiet).findings if one.code is FindingCode.QUIET_DAY]
    assert Weight.BLOCKING is found.weight


def test_what_blocks_is_refused_when_a_plan_is_scheduled(world):
    """A plan made before its relay's host was changed cannot be scheduled after."""
    plan = world.plan()
    world.change("config.toml", ('host = "smtp.example.org"', 'host = "other.example.org"'))
    with pytest.raises(PreflightBlocks) as caught:
        refuse_blocking(world.workspace, plan)
    assert [FindingCode.RELAY_UNVERIFIED] == [one.code for one in caught.value.findings]


def scheduled(world):
    """Return a mailing on record, due in an hour."""
    due_at = NOW + timedelta(hours=1)
    return schedule(
        world.workspace, BY_ITSELF, world.plan(), due_at=due_at, time_zone="UTC", grace_s=60
    )


def test_a_mailing_on_record_is_looked_at_as_it_was_pinned(world):
    """Templates that were changed since do not concern it, and it does not clash with itself."""
    mailing = scheduled(world)
    world.change("templates/mail/base/layout.txt", ("{{ unsubscribe_url }}", "nowhere"))
    assert () == preflight(world.workspace, mailing).findings
    assert preflight(world.workspace, Wish(SLUG, (LIST,))).blocking


def test_the_hour_of_one_that_has_begun_is_no_news(world):
    """Of one that waits a passed hour is told; of one that went it is only how things go."""
    mailing = scheduled(world)
    late = replace(mailing, due_at=NOW - timedelta(hours=1))
    assert [FindingCode.HOUR_TOO_LATE] == [
        one.code for one in preflight(world.workspace, late).findings
    ]
    went = replace(late, state=MailingState.FINISHED)
    assert () == preflight(world.workspace, went).findings


def test_without_counting_nothing_is_said_of_people(world):
    """The desk shows the rest at once, and the numbers when they are there."""
    world.add_person("oksana@example.org", languages=("uk",), never=("en", "ru"))
    found = preflight(world.workspace, Wish(SLUG, (LIST,)), count=False)
    assert (None, ()) == (found.coverage, found.findings)


def test_the_dns_is_asked_on_request_and_its_answer_kept_with_its_time(world):
    """A server that answers nothing is told as off-line, not as records that are missing."""
    with dns_server({}) as server:
        ask_domain(world.workspace, world.sender, SystemResolver(server.host, server.port))
    asked = [one for one in world.look().findings if one.code is FindingCode.DOMAIN_WRONG]
    assert asked
    assert {"2026-12-01 07:00 UTC"} == {one.values["asked"] for one in asked}


def test_what_was_asked_long_ago_is_forgotten(world):
    """A look at a link is kept for ninety days, and one look for each address."""
    old = LinkLook("https://old.example.org", NOW - timedelta(days=91), LinkAnswer.FINE)
    with world.workspace.store.write() as connection:
        keep_link_looks(connection, [old], NOW)
        keep_link_looks(connection, [replace(old, address="https://b.example.org")], NOW)
        rows = connection.execute(tables.metadata.tables["link_look"].select()).all()
    assert "https://old.example.org" not in [row.address for row in rows]
    assert "https://b.example.org" in [row.address for row in rows]
