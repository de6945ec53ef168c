"""The preferences link, and the choices beside unsubscribing, as supporters use them."""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from mailer.feedback.preferences import pause_end
from mailer.model.audience import LanguageProfile, MembershipState, SuppressionReason
from mailer.store import tables
from mailer.store.audience import SCOPE_ALL, profile_id, sync_lists
from mailer.store.engine import create_tables, open_store
from mailer.store.preferences import standing_of
from mailer.store.suppression_log import SuppressionLog
from mailer.store.suppressions import Suppressed, suppress
from mailer.tokens import Purpose, Tokens
from tests.support.factories import make_list
from tests.support.public_web import public_site
from tests.support.subscriptions import NOON, SetClock, Subscriptions

TOPICS = {"women": {"en": "Women's rights", "ru": "Права женщин"}, "press": {"en": "Press"}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the database and the log of these tests lie."""
    return tmp_path_factory.mktemp("preferences")


@pytest.fixture(scope="module")
def database(folder):
    """One database for all of these tests; each has its own people."""
    opened = open_store(f"sqlite:///{folder / 'test.db'}")
    create_tables(opened)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def log(folder):
    """The log of who left."""
    return SuppressionLog(folder / "suppressions.log")


@pytest.fixture(scope="module")
def site(database, tokens, log):
    """The public pages, at noon."""
    with public_site(database, tokens, SetClock(), log=log.path) as running:
        yield running


@pytest.fixture(scope="module")
def people(database):
    """Two organisations; one has a list with topics."""
    made = Subscriptions(database)
    made.add_list("letters", "harbor")
    made.add_list("network", "lantern")
    with database.write() as connection:
        appeals = make_list("appeals", "harbor", topics=TOPICS)
        made.lists |= sync_lists(connection, [appeals], NOON)
    made.owners["appeals"] = "harbor"
    return made


class Person:
    """On both lists of the organisation, with the links of one mail."""

    def __init__(self, people, tokens) -> None:
        self.store = people.store
        self.id = people.add_supporter(secrets.token_hex(8), "letters", "appeals")
        self.delivery = people.add_delivery(
            people.add_mailing(), ("letters", self.id), ("appeals", self.id)
        )
        self.unsubscribe = f"/u/{tokens.person(Purpose.UNSUBSCRIBE, self.delivery, self.id)}"
        self.preferences = f"/p/{tokens.person(Purpose.PREFERENCES, self.delivery, self.id)}"

    def standing(self):
        """Return what stands for the person."""
        with self.store.read() as connection:
            return standing_of(connection, self.id)

    def row(self):
        """Return everything on record of the person, but when it was last written and chosen."""
        with self.store.read() as connection:
            row = connection.execute(
                select(tables.supporter).where(tables.supporter.c.id == self.id)
            ).one()
            memberships = connection.execute(
                select(tables.membership).where(tables.membership.c.supporter_id == self.id)
            ).all()
            topics = connection.execute(
                select(tables.membership_topic).where(
                    tables.membership_topic.c.supporter_id == self.id
                )
            ).all()
        return {**row._mapping, "updated_at": None, "chosen_at": None}, memberships, topics


@pytest.fixture
def ana(people, tokens):
    """Ana."""
    return Person(people, tokens)


@pytest.fixture
def boris(people, tokens):
    """Boris, on the same lists."""
    return Person(people, tokens)


class _Form(HTMLParser):
    """Collects what a browser would post with the first button of a page's first form."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: list[tuple[str, str]] = []
        self.done = False
        self._select = ""
        self._options: list[tuple[str, bool]] = []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if self.done:
            return
        if tag == "input" and (given["type"] == "hidden" or "checked" in given):
            self.fields.append((given["name"], given["value"]))
        elif tag == "select":
            self._select, self._options = given["name"], []
        elif tag == "option":
            self._options.append((given["value"], "selected" in given))

    def handle_endtag(self, tag):
        if tag == "select" and not self.done:
            chosen = [value for value, selected in self._options if selected]
            self.fields.append((self._select, chosen[-1] if chosen else self._options[0][0]))
        elif tag == "form":
            self.done = True


def form_of(page: str) -> list[tuple[str, str]]:
    """Return the fields of the form, as a browser would post them untouched."""
    form = _Form()
    form.feed(page)
    return form.fields


def changed(fields, *, without=(), **values) -> list[tuple[str, str]]:
    """Return the fields with these values, and without these (name, value) pairs."""
    kept = [one for one in fields if one not in without and one[0] not in values]
    return kept + [
        (name, value)
        for name, given in values.items()
        for value in ([given] if isinstance(given, str) else given)
    ]


@pytest.fixture(scope="module")
def browser_of(site):
    """A visitor who reads English."""
    with site.visitor() as visitor:
        yield visitor


def post(visitor, path, fields):
    """Post fields in their order, as a browser does."""
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    return visitor.post(path, content=urlencode(fields, errors="replace"), headers=kind)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"])
def test_only_post_changes_anything(browser_of, ana, method):
    """Whatever opens the link, as often as it likes, changes nothing."""
    before = ana.row()
    for path in (ana.preferences, ana.unsubscribe):
        answer = browser_of.request(method, path, params={"pause": "begin", "action": "pause"})
        assert (200 if method in ("GET", "HEAD") else 405) == answer.status_code
    assert before == ana.row()


def test_the_form_posted_untouched_changes_nothing(browser_of, ana):
    """What is shown is what is on record."""
    before = ana.row()
    page = browser_of.get(ana.preferences)

    answer = post(browser_of, ana.preferences, form_of(page.text))

    assert (200, True) == (answer.status_code, "Saved" in answer.text)
    assert before == ana.row()
    assert form_of(page.text) == form_of(answer.text)


@pytest.mark.parametrize(
    ("posted", "expected"),
    [
        ({"language": ["ru", "en", ""]}, {"profile": LanguageProfile(("ru", "en"), ())}),
        ({"language": ["ru", "ru", "fa"]}, {"profile": LanguageProfile(("ru", "fa"), ())}),
        ({"language": ["", "", ""]}, {"profile": LanguageProfile((), ())}),
        (
            {"language": ["en"], "never": ["ru", "fa"]},
            {"profile": LanguageProfile(("en",), ("fa", "ru"))},
        ),
        ({"time_zone": "Europe/Chisinau"}, {"time_zone": "Europe/Chisinau"}),
        ({"text_only": "yes"}, {"text_only": True}),
        ({"only_urgent": "yes"}, {"only_urgent": True}),
        ({"pause": "begin"}, {"paused_until": datetime(2027, 2, 2, 12, tzinfo=UTC)}),
        ({"pause": "keep"}, {"paused_until": None}),
    ],
)
def test_each_choice_is_put_on_record(browser_of, ana, posted, expected):
    """One form, one transaction; what was not touched stays, and the page shows what stands."""
    before = ana.standing()
    fields = form_of(browser_of.get(ana.preferences).text)

    answer = post(browser_of, ana.preferences, changed(fields, **posted))

    assert 200 == answer.status_code
    after = ana.standing()
    assert {**vars(before), **expected} == vars(after)
    assert form_of(answer.text) == form_of(browser_of.get(ana.preferences).text)


def test_choices_are_taken_back_by_the_same_form(browser_of, ana):
    """A pause ends, marks come off."""
    before = ana.row()
    fields = form_of(browser_of.get(ana.preferences).text)
    wanted = changed(fields, pause="begin", text_only="yes", only_urgent="yes", never="fa")
    page = post(browser_of, ana.preferences, wanted).text
    assert ("pause", "keep") in form_of(page)

    post(browser_of, ana.preferences, changed(form_of(page), pause="none", text_only=(),
         only_urgent=(), never=()))  # fmt: skip

    assert before == ana.row()


def test_a_list_is_left_as_by_unsubscribing_and_come_back_to(browser_of, ana, people, log):
    """Senders see it, the log has it before the answer, and coming back lifts it there."""
    fields = form_of(browser_of.get(ana.preferences).text)
    lines = len(list(log.read()))

    page = post(browser_of, ana.preferences, changed(fields, without=[("stay", "letters")])).text

    assert {"appeals"} == people.on(ana.id)
    assert [("preferences", False, {(people.lists["letters"], ana.id)})] == people.unsubscriptions(
        ana.delivery
    )
    told = [entry for _, entry in log.read()][lines:]
    assert [("list:harbor/letters", "barred")] == [(one.scope, one.mark.value) for one in told]

    post(browser_of, ana.preferences, [*form_of(page), ("return", "letters")])

    assert {"letters", "appeals"} == people.on(ana.id)
    assert "lifted" == [entry for _, entry in log.read()][-1].mark.value


def test_a_page_that_lay_open_brings_nobody_back(browser_of, ana, people):
    """Who unsubscribed since it was shown is not put back by saving something else on it."""
    fields = form_of(browser_of.get(ana.preferences).text)
    left = browser_of.post(ana.unsubscribe, data={"List-Unsubscribe": "One-Click"})
    assert (200, set()) == (left.status_code, people.on(ana.id))

    post(browser_of, ana.preferences, changed(fields, text_only="yes"))

    assert set() == people.on(ana.id)
    assert ana.standing().text_only


def test_without_a_consent_on_record_there_is_no_coming_back(browser_of, ana, people, database):
    """A list that was left is not offered, and not come back to, when nobody can say why."""
    with database.write() as connection:
        connection.execute(
            tables.membership.update()
            .where(tables.membership.c.supporter_id == ana.id)
            .values(state=MembershipState.LEFT, left_at=NOON, consent_basis="")
        )
    page = browser_of.get(ana.preferences).text
    assert "Letters" not in page

    post(browser_of, ana.preferences, [*form_of(page), ("return", "letters")])

    assert set() == people.on(ana.id)


def test_topics_are_chosen_list_by_list(browser_of, ana, people):
    """None marked stands for all; a topic that the list does not have is passed over."""
    fields = form_of(browser_of.get(ana.preferences, headers={"Accept-Language": "en"}).text)
    posted = [
        *fields,
        ("topic", "appeals/women"),
        ("topic", "appeals/x"),
        ("topic", "letters/press"),
    ]

    page = post(browser_of, ana.preferences, posted).text

    topics = {one.definition.key: one.topics for one in ana.standing().lists}
    assert {"appeals": {"women"}, "letters": frozenset()} == topics
    assert ("topic", "appeals/women") in form_of(page)


def test_a_language_that_is_wanted_and_never_wanted_is_told(browser_of, ana):
    """The mistake stands at the top and beside the field, in words; nothing is changed."""
    before = ana.row()
    fields = form_of(browser_of.get(ana.preferences).text)

    answer = post(
        browser_of,
        ana.preferences,
        changed(fields, language=["ru", "en"], never=["ru", "fa"], text_only="yes"),
    )

    assert 400 == answer.status_code
    assert '<a href="#never">' in answer.text
    assert 'id="never-problem"' in answer.text
    assert "Russian" in re.search(r'id="never-problem">([^<]*)', answer.text)[1]
    assert ("text_only", "yes") in form_of(answer.text)
    assert before == ana.row()


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [("language", "tlh")],
        [("language", "en"), ("time_zone", "Mars/Olympus"), ("pause", "none")],
        [("language", "en"), ("time_zone", ""), ("pause", "for ever")],
        [("language", "en"), ("time_zone", ""), ("pause", "none"), ("never", "<script>")],
        [("language", "en"), ("time_zone", ""), ("time_zone", "UTC"), ("pause", "none")],
    ],
)
def test_what_is_not_from_the_form_changes_nothing(browser_of, ana, fields):
    """A form without the marks of ours would leave every list: it is not read as one."""
    before = ana.row()

    answer = post(browser_of, ana.preferences, fields)

    assert 400 == answer.status_code
    assert before == ana.row()


def test_a_person_changes_their_own_row_alone(browser_of, ana, boris):
    """What Ana posts by her link never touches Boris, whatever lists it names."""
    before = boris.row()
    fields = form_of(browser_of.get(ana.preferences).text)

    post(browser_of, ana.preferences, changed(fields, pause="begin", stay=(), shown=[
        "letters", "appeals", "network"]))  # fmt: skip
    browser_of.post(ana.unsubscribe, data={"action": "only-urgent"})

    assert before == boris.row()


@pytest.mark.parametrize("purpose", [one for one in Purpose if one is not Purpose.PREFERENCES])
def test_a_token_for_something_else_opens_nothing(browser_of, ana, tokens, purpose):
    """Tokens are not interchangeable: each other purpose is a stranger's."""
    token = tokens.person(purpose, ana.delivery, ana.id)
    before = ana.row()
    fields = form_of(browser_of.get(ana.preferences).text)

    shown = browser_of.get(f"/p/{token}")
    posted = post(browser_of, f"/p/{token}", changed(fields, text_only="yes"))

    assert shown.text == posted.text == browser_of.get(f"/p/{'x' * 39}").text
    assert before == ana.row()


def test_after_erasure_the_link_is_as_any_stranger_s(browser_of, ana, database):
    """The page says that nothing is on record, in the same bytes; old links still ask nothing."""
    fields = form_of(browser_of.get(ana.preferences).text)
    with database.write() as connection:
        for table in (tables.membership, tables.supporter):
            column = table.c.id if table is tables.supporter else table.c.supporter_id
            connection.execute(delete(table).where(column == ana.id))

    stranger = f"/p/{secrets.token_urlsafe(29)[:39]}"
    for answer in (browser_of.get(ana.preferences), post(browser_of, ana.preferences, fields)):
        assert 200 == answer.status_code
        assert browser_of.get(stranger).content == answer.content
    assert 200 == browser_of.post(ana.unsubscribe, data={"action": "pause"}).status_code


def test_links_work_after_the_token_key_was_changed(database, ana, service_keys):
    """Tokens made with the key before are read for years."""
    rotated = replace(
        service_keys,
        token_roots={**service_keys.token_roots, "b": secrets.token_bytes(32)},
        current_token="b",
        path=None,
    )
    with public_site(database, Tokens(rotated), SetClock()) as site, site.visitor() as visitor:
        assert (
            "Saved"
            in post(visitor, ana.preferences, form_of(visitor.get(ana.preferences).text)).text
        )
        link = visitor.get(ana.unsubscribe, params={"to": "preferences"}).headers["location"]
        assert link.startswith("../p/b")
        assert "Letters" in visitor.get(link.removeprefix("..")).text


def test_it_is_said_when_nothing_is_sent_whatever_is_chosen(browser_of, ana, database):
    """A suppression stands above all choices, and the page does not promise otherwise."""
    told = "At present no messages are sent to your address"
    assert told not in browser_of.get(ana.preferences).text
    digest = ana.standing().address_digest
    with database.write() as connection:
        suppress(
            connection,
            [Suppressed(digest, SCOPE_ALL, SuppressionReason.BOUNCED, "bounce", NOON)],
        )

    assert told in browser_of.get(ana.preferences).text


def test_the_page_names_nobody_and_needs_no_script(browser_of, ana):
    """Neither name nor address stands on it, and every control has its label."""
    page = browser_of.get(ana.preferences).text
    controls = set(re.findall(r'<(?:input|select) id="([^"]+)"', page))
    assert controls == set(re.findall(r'<label for="([^"]+)"', page))
    assert "<script" not in page
    assert "@" not in page


@pytest.mark.parametrize(
    ("wish", "column", "value"),
    [
        ("pause", "paused_until", datetime(2027, 2, 2, 12, tzinfo=UTC)),
        ("only-urgent", "only_urgent", True),
    ],
)
def test_less_than_unsubscribing_is_one_press_and_is_taken_back(
    browser_of, ana, people, wish, column, value
):
    """The page says what holds now; its button takes it back; no list is left."""
    before = ana.row()

    page = browser_of.post(ana.unsubscribe, data={"action": wish}).text
    assert value == ana.row()[0][column]
    back = re.search(r'name="action" value="([^"]+)"', page)[1]
    again = browser_of.post(ana.unsubscribe, data={"action": back})

    assert 200 == again.status_code
    assert before == ana.row()
    assert {"letters", "appeals"} == people.on(ana.id)


@pytest.mark.parametrize("wish", ["pause", "only-urgent", "resume", "all-mails"])
def test_a_stranger_s_token_gets_the_same_pages(browser_of, ana, wish):
    """Byte for byte, and nothing else happens."""
    pages = {
        browser_of.post(path, data={"action": wish}).content
        for path in (ana.unsubscribe, f"/u/{'x' * 39}")
    }
    assert 1 == len(pages)


def test_the_unsubscribe_page_leads_to_the_preferences(browser_of, ana):
    """One large button first; the quiet link to the rest names no token."""
    page = browser_of.get(ana.unsubscribe).text
    assert page.index('value="unsubscribe"') < page.index('value="pause"')
    link = re.search(r'href="([^"#]+)#languages"', page)[1]
    answer = browser_of.get(f"{ana.unsubscribe}{link}")
    assert (303, f"..{ana.preferences}") == (answer.status_code, answer.headers["location"])


_TEXT = st.text(max_size=30)
_FIELDS = st.lists(
    st.tuples(
        st.sampled_from(
            ["language", "never", "time_zone", "pause", "text_only", "only_urgent", "shown",
             "stay", "return", "topic"]
        )
        | _TEXT,
        st.sampled_from(
            ["", "en", "ru", "fa", "yes", "none", "keep", "begin", "letters", "appeals",
             "network", "appeals/women", "appeals/press", "Europe/Kyiv", "Europe/Kiev"]
        )
        | _TEXT,
    ),
    max_size=14,
)  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(fields=_FIELDS, whole=st.booleans())
def test_whatever_is_posted_the_form_shows_what_stands(browser_of, people, tokens, fields, whole):
    """200 or 400, never worse; refused changes nothing, and saved is what the form shows next."""
    person = _someone(people, tokens)
    if whole:
        # A form that is whole but for what is drawn reaches further in.
        drawn = {name for name, _ in fields}
        fields = fields + [
            one
            for one in (("language", "en"), ("time_zone", ""), ("pause", "none"))
            if one[0] not in drawn
        ]
    before = person.row()

    answer = post(browser_of, person.preferences, fields)

    assert answer.status_code in (200, 400)
    if answer.status_code == 400:
        assert before == person.row()
    else:
        shown = browser_of.get(person.preferences).text
        assert form_of(answer.text) == form_of(shown)
        saved = person.row()
        assert "Saved" in post(browser_of, person.preferences, form_of(shown)).text
        assert saved == person.row()


_one: list[Person] = []


def _someone(people, tokens) -> Person:
    if not _one:
        _one.append(Person(people, tokens))
    return _one[0]


@settings(max_examples=20, deadline=None)
@given(token=st.text(min_size=1, max_size=60).filter(lambda text: text.strip("./")))
def test_no_token_breaks_a_page(browser_of, token):
    """Any text in the place of a token has the answer of a stranger's."""
    answer = browser_of.get(f"/p/{quote(token, safe='')}")
    assert answer.status_code in (200, 404)
    if answer.status_code == 200:
        assert browser_of.get(f"/p/{'x' * 39}").content == answer.content


def test_known_and_unknown_links_take_the_same_time(database, ana, tokens):
    """No answer to a form comes before the floor, whether there is somebody or not."""
    with (
        public_site(database, tokens, SetClock(), answer_floor_s=0.15) as site,
        site.visitor() as visitor,
    ):
        fields = form_of(visitor.get(ana.preferences).text)
        for path in (ana.preferences, f"/p/{'x' * 39}"):
            began = time.monotonic()
            post(visitor, path, fields)
            assert 0.15 <= time.monotonic() - began < 1.5


def test_a_pause_lasts_three_calendar_months():
    """The same day of the month, or its last where it has no such day."""
    assert datetime(2027, 2, 28, 1, tzinfo=UTC) == pause_end(datetime(2026, 11, 30, 1, tzinfo=UTC))
    assert datetime(2027, 1, 5, tzinfo=UTC) == pause_end(datetime(2026, 10, 5, tzinfo=UTC))


def test_a_zone_by_its_old_name_stays_until_it_is_touched(browser_of, ana, database):
    """It is shown as the place it is, and saving something else does not rewrite it."""
    with database.write() as connection:
        connection.execute(
            tables.supporter.update()
            .where(tables.supporter.c.id == ana.id)
            .values(
                time_zone="Europe/Kiev",
                profile_id=profile_id(connection, LanguageProfile(("sr-Latn",), ("de-AT",))),
            )
        )
    page = browser_of.get(ana.preferences).text
    assert ("time_zone", "Europe/Kyiv") in form_of(page)

    post(browser_of, ana.preferences, form_of(page))

    assert "Europe/Kiev" == ana.standing().time_zone
    assert LanguageProfile(("sr-Latn",), ("de-AT",)) == ana.standing().profile
