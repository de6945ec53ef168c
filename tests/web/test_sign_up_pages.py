"""Signing up: the form, its one answer, the limits, and the link that confirms."""

from __future__ import annotations

import asyncio
import re
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from mailer.app.sign_up import SignUpDesk
from mailer.audience.addresses import normalize_address
from mailer.audience.consent import opened_source
from mailer.audience.joining import Wish
from mailer.audience.lists import load_lists
from mailer.compose.service import ServiceText
from mailer.model.alerts import AlertKind
from mailer.model.audience import MembershipState, SuppressionReason
from mailer.schedule.housekeeping import Housekeeper, Retention
from mailer.store import tables
from mailer.store.alerts import last_alerts
from mailer.store.audience import SCOPE_ALL, organisation_scope, sync_lists
from mailer.store.engine import StoreUnavailable
from mailer.store.supporters import erase, organisation_ids
from mailer.store.suppression_log import Mark
from mailer.store.suppressions import Suppressed, standing, suppress
from mailer.tokens import UNSUBSCRIBE_TOKEN_CHARACTERS
from tests.support.clocks import FixedClock
from tests.support.factories import Ground
from tests.support.sign_ups import (
    VERSION,
    Mails,
    form,
    on_record,
    sign_up_site,
    sign_up_workspace,
)
from tests.support.subscriptions import SetClock

ANNA = "anna@example.org"
YES = {"action": "confirm"}


@pytest.fixture
def workspace(tmp_path, sqlite_store):
    """One list can be signed up for."""
    return sign_up_workspace(tmp_path, sqlite_store, FixedClock())


@pytest.fixture
def mails(workspace):
    """Its confirmations."""
    return Mails(workspace)


@pytest.fixture
def site(workspace):
    """Its pages."""
    with sign_up_site(workspace) as running:
        yield running


def known(workspace, address=ANNA, *lists, **columns):
    """Put a person on record; return the supporter's id."""
    ground = Ground(workspace.store, workspace.seal_keys, workspace.service_keys)
    with workspace.store.write() as connection:
        for key in lists or ("harbor-news",):
            one = workspace.lists[0][key]
            ground.lists[key] = (
                sync_lists(connection, [one], workspace.clock.now())[key], one
            )  # fmt: skip
    return ground.add_supporter(address, *(lists or ("harbor-news",)), **columns)


def digest(workspace, address=ANNA):
    """Return an address's digest."""
    return workspace.service_keys.address_digest(address)


def barred(workspace, reason, scope=SCOPE_ALL):
    """Suppress Anna."""
    now = workspace.clock.now()
    with workspace.store.write() as connection:
        suppress(connection, [Suppressed(digest(workspace), scope, reason, "test", now)])


def test_nothing_is_there_until_a_list_is_named(sqlite_store, tokens):
    """Without [sign_up] the addresses lead nowhere."""
    from tests.support.public_web import public_site

    with public_site(sqlite_store, tokens, FixedClock()) as site, site.visitor() as visitor:
        assert 404 == visitor.get("/join").status_code
        assert 404 == visitor.post("/join", data=form(ANNA)).status_code


def test_a_person_signs_up_and_is_on_the_list(site, workspace, mails):
    """Form, mail, link, button: then they are on record, sealed, with what they agreed to and when."""
    with site.visitor() as visitor:
        page = visitor.get("/join", headers={"Accept-Language": "ru"})
        assert 200 == page.status_code
        assert "Я хочу получать письма" in page.text
        assert '<option value="ru" selected>' in page.text
        asked = visitor.post("/join", data=form("Anna@Example.org", language="ru"))
        assert 200 == asked.status_code
        assert on_record(workspace, ANNA) == {}
        link = mails.link()
        workspace.clock.forward(hours=1)
        for _ in range(3):
            question = visitor.get(link)
            assert 200 == question.status_code
        assert on_record(workspace, ANNA) == {}
        done = visitor.post(link, data=YES)
        again = visitor.post(link, data=YES)
    assert (200, done.content) == (again.status_code, again.content)
    found = on_record(workspace, ANNA)
    assert {"harbor-news"} == set(found)
    row = found["harbor-news"]
    assert MembershipState.SUBSCRIBED is row.state
    assert ("consent", "ru") == (row.consent_basis, row.languages)
    assert workspace.clock.now() == row.consented_at
    source = opened_source(
        workspace.seal_keys, row.consent_source_sealed, row.list_id, row.supporter_id
    )
    assert (
        f"sign-up form, consent text {VERSION}, "
        "asked 2026-12-01 07:00 UTC, confirmed 2026-12-01 08:00 UTC"
    ) == source
    assert "Anna@example.org" == workspace.seal_keys.unseal(
        row.address_sealed, "supporter", "address_sealed", row.supporter_id
    )


CASES = {
    "unknown": lambda workspace: None,
    "on the list": known,
    "left": lambda workspace: known(workspace, state=MembershipState.LEFT),
    "bounced": lambda workspace: barred(workspace, SuppressionReason.BOUNCED),
    "complained": lambda workspace: barred(workspace, SuppressionReason.COMPLAINED),
    "erased": lambda workspace: barred(workspace, SuppressionReason.ERASED),
}


@pytest.mark.parametrize("case", CASES)
def test_the_answer_tells_nothing(workspace, mails, case):
    """Octet for octet, whatever is on record, beyond each limit, and for programs; one mail each."""
    CASES[case](workspace)
    with sign_up_site(workspace) as site, site.visitor() as visitor:
        plain = visitor.post("/join", data=form("nobody@example.net"))
        answers = [
            visitor.post("/join", data=form(ANNA)),
            visitor.post("/join", data=form(ANNA)),
            visitor.post("/join", data=form("zoe@example.net", website="https://spam.example.net")),
        ]
        for number in range(30):
            answers.append(visitor.post("/join", data=form(f"a{number}@example.net")))
    assert 200 == plain.status_code
    for answer in answers:
        assert (plain.status_code, plain.content) == (answer.status_code, answer.content)
        assert dict(plain.headers) | {"date": ""} == dict(answer.headers) | {"date": ""}
    to = [mail.address for mail in mails.take()]
    assert ["nobody@example.net", ANNA] == to[:2]
    assert "zoe@example.net" not in to
    # The network's 20 and no more, of which two had no mail to send.
    assert 18 == len(to) == len(set(to))


def test_trouble_does_not_tell_who_signed_up_of_late(workspace, mails, monkeypatch):
    """A database that takes no writing answers of everybody alike, beyond the limit or not."""

    def refuse(*_args):
        raise StoreUnavailable("the database is locked", "Try again")

    with sign_up_site(workspace) as site, site.visitor() as visitor:
        visitor.post("/join", data=form(ANNA))
        assert 1 == mails.count()
        monkeypatch.setattr(type(workspace.store), "write", refuse)
        answers = {
            (one.status_code, one.content)
            for one in (
                visitor.post("/join", data=form(address)) for address in (ANNA, "zoe@example.net")
            )
        }
    assert 1 == len(answers)


def test_no_answer_comes_sooner_than_the_floor(tmp_path, sqlite_store):
    """An address that is sent a mail, one that is not, and a program wait alike."""
    workspace = sign_up_workspace(tmp_path, sqlite_store, SetClock())
    with sign_up_site(workspace, answer_floor_s=0.15) as site, site.visitor() as visitor:
        took = {"first": [], "limited": [], "program": []}
        for number in range(4):
            for case, fields in (
                ("first", form(f"a{number}@example.net")),
                ("limited", form(f"a{number}@example.net")),
                ("program", form(f"b{number}@example.net", website="x")),
            ):
                began = time.perf_counter()
                visitor.post("/join", data=fields)
                took[case].append(time.perf_counter() - began)
    assert 0.15 <= min(map(min, took.values()))
    middle = [statistics.median(one) for one in took.values()]
    assert max(middle) - min(middle) < 0.1


def test_a_thousand_wishes_for_one_address_send_one_mail(workspace, mails):
    """From however many networks, at once, and again only the next day; three in all."""
    desk = SignUpDesk(workspace)
    offer, address = desk.offer(), normalize_address(ANNA)

    def letter(sender, link):
        return ServiceText("Please confirm", f"{sender.address} {link}\n")

    def ask(_number):
        desk.ask(offer, address, Wish(("harbor-news",), "en"), letter, send=True)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ask, range(1_000)))
    assert 1 == mails.count()
    for day in range(1, 6):
        workspace.clock.forward(days=1)
        # Another process, which remembers nothing.
        with sign_up_site(workspace) as site, site.visitor() as visitor:
            for spelling in (ANNA, "ANNA@EXAMPLE.ORG", " Anna@example.org "):
                visitor.post("/join", data=form(spelling))
        assert min(day + 1, 3) == mails.count()


def test_many_addresses_from_one_network_are_limited(workspace, mails):
    """Its burst is sent, and what comes back in the hour; another network is served meanwhile."""
    with sign_up_site(workspace) as site, site.visitor() as visitor:
        for number in range(50):
            visitor.post("/join", data=form(f"a{number}@example.net"))
        assert 20 == mails.count()
        visitor.post("/join", data=form(ANNA), headers={"X-Forwarded-For": "198.51.100.7"})
        assert 21 == mails.count()
        workspace.clock.forward(minutes=15)
        for number in range(50, 60):
            visitor.post("/join", data=form(f"a{number}@example.net"))
        assert 26 == mails.count()


def test_beyond_the_hours_ceiling_nobody_is_sent_one_and_staff_are_told(tmp_path, sqlite_store):
    """However many networks ask; the alert names nobody."""
    workspace = sign_up_workspace(tmp_path, sqlite_store, FixedClock(), most_per_hour=5)
    with sign_up_site(workspace) as site, site.visitor() as visitor:
        for number in range(10):
            network = {"X-Forwarded-For": f"10.0.{number}.7"}
            visitor.post("/join", data=form(f"a{number}@example.net"), headers=network)
    assert 5 == Mails(workspace).count()
    with sqlite_store.read() as connection:
        (alert,) = last_alerts(connection, 10)
    assert (AlertKind.SIGN_UPS_LIMITED, {"most": 5}) == (alert.kind, dict(alert.facts))


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"email": "not an address"}, "email"),
        ({"email": ""}, "email"),
        ({"email": None}, "email"),
        ({"email": "anna@example.org\r\nBcc: boris@example.org"}, "email"),
        ({"consent": "2020-01"}, "consent"),
        ({"consent": None}, "consent"),
    ],
)
def test_what_cannot_be_taken_is_told_at_the_top_and_at_the_field(site, mails, fields, place):
    """Nothing is sent, and what was typed is not shown again."""
    with site.visitor() as visitor:
        answer = visitor.post("/join", data=form(**{"email": ANNA, **fields}))
    assert 400 == answer.status_code
    assert f'<li><a href="#{place}">' in answer.text
    assert f'id="{place}"' in answer.text
    assert "anna" not in answer.text
    assert 0 == mails.count()


def test_lists_are_chosen_where_there_are_several(tmp_path, sqlite_store):
    """None chosen is told; two organisations get a row each; unknown keys are as good as none."""
    workspace = sign_up_workspace(
        tmp_path, sqlite_store, FixedClock(), lists='["harbor-news", "lantern-friends"]'
    )
    with sign_up_site(workspace) as site, site.visitor() as visitor:
        page = visitor.get("/join").text
        assert page.index("Harbor News") < page.index("Friends of the Lantern")
        for chosen in ([], ["harbor-volunteers"]):
            answer = visitor.post("/join", data=form(ANNA, list=chosen))
            assert 400 == answer.status_code
            assert '<li><a href="#lists">' in answer.text
        visitor.post("/join", data=form(ANNA, list=["lantern-friends", "harbor-news", "x"]))
        visitor.post(Mails(workspace).link(), data=YES)
    found = on_record(workspace, ANNA)
    assert {"harbor-news", "lantern-friends"} == set(found)
    assert 2 == len({row.supporter_id for row in found.values()})


def test_a_link_works_for_three_days(workspace, site, mails):
    """After that it answers as one that never was, whether the row is cleared away yet or not."""
    with site.visitor() as visitor:
        visitor.post("/join", data=form(ANNA))
        link = mails.link()
        workspace.clock.forward(hours=71, minutes=59)
        assert 1 == _rows(workspace, tables.signup)
        _clear(workspace)
        assert 1 == _rows(workspace, tables.signup)
        workspace.clock.forward(minutes=2)
        strange = visitor.post("/join/" + "a" * UNSUBSCRIBE_TOKEN_CHARACTERS, data=YES)
        late = visitor.post(link, data=YES)
        _clear(workspace)
        assert 0 == _rows(workspace, tables.signup)
        later = visitor.post(link, data=YES)
    assert 200 == strange.status_code
    assert strange.content == late.content == later.content
    assert on_record(workspace, ANNA) == {}


def test_of_who_never_confirmed_nothing_sealed_stays(workspace, site, mails):
    """After 72 hours the mail that asked them is gone as well, sent or not."""
    with site.visitor() as visitor:
        visitor.post("/join", data=form(ANNA))
    assert 1 == mails.count()
    workspace.clock.forward(hours=72)
    _clear(workspace)
    assert (0, 0) == (mails.count(), _rows(workspace, tables.signup))


def _rows(workspace, table):
    with workspace.store.read() as connection:
        return len(connection.execute(select(table)).all())


def _clear(workspace):
    days = timedelta(days=900)
    folder = workspace.config.data_dir
    keeper = Housekeeper(workspace.store, workspace.clock, Retention(*[days] * 6, folder, folder))
    while keeper.step():
        pass


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"])
def test_only_the_button_confirms(site, workspace, mails, method):
    """Scanners follow links as often as they like, in any way."""
    with site.visitor() as visitor:
        visitor.post("/join", data=form(ANNA))
        link = mails.link()
        for _ in range(3):
            answer = visitor.request(method, link)
            assert (200 if method in ("GET", "HEAD") else 405) == answer.status_code
        assert 400 == visitor.post(link, data={"other": "1"}).status_code
        one = visitor.get(link).content
        assert one == visitor.get("/join/" + "b" * UNSUBSCRIBE_TOKEN_CHARACTERS).content
    assert on_record(workspace, ANNA) == {}


def test_two_confirmations_at_once_are_one(site, workspace, mails):
    """Both are answered, and one row is there."""
    import httpx

    with site.visitor() as visitor:
        visitor.post("/join", data=form(ANNA))
    link = mails.link()

    async def all_at_once():
        async with httpx.AsyncClient(base_url=site.url, trust_env=False, timeout=30) as client:
            return await asyncio.gather(*(client.post(link, data=YES) for _ in range(8)))

    answers = asyncio.run(all_at_once())
    assert {200} == {answer.status_code for answer in answers}
    assert 1 == len({answer.content for answer in answers})
    assert 1 == _rows(workspace, tables.supporter) == _rows(workspace, tables.membership)


def test_who_is_known_keeps_what_a_form_does_not_say(site, workspace, mails):
    """Nothing changes before they confirm; then the language comes first, what is never used stays."""
    known(workspace, languages=("uk", "en"), never=("ru",), discreet=True)
    with site.visitor() as visitor:
        visitor.post("/join", data=form(ANNA, language="fa"))
        link = mails.link()
        assert "uk,en" == on_record(workspace, ANNA)["harbor-news"].languages
        visitor.post(link, data=YES)
        row = on_record(workspace, ANNA)["harbor-news"]
        assert ("fa,uk,en", "ru", True) == (row.languages, row.never, row.discreet)
        workspace.clock.forward(days=1)
        visitor.post("/join", data=form(ANNA, language="ru"))
        visitor.post(mails.link(), data=YES)
    row = on_record(workspace, ANNA)["harbor-news"]
    assert ("fa,uk,en", "ru") == (row.languages, row.never)


def test_who_left_is_back_by_their_own_wish(site, workspace, mails):
    """And no restore takes them off again: the log says so."""
    known(workspace, state=MembershipState.LEFT, consent_basis="")
    with site.visitor() as visitor:
        visitor.post("/join", data=form(ANNA))
        visitor.post(mails.link(), data=YES)
    row = on_record(workspace, ANNA)["harbor-news"]
    assert (MembershipState.SUBSCRIBED, None, "consent") == (
        row.state,
        row.left_at,
        row.consent_basis,
    )
    assert workspace.clock.now() == row.added_at
    assert [("list:harbor/harbor-news", Mark.LIFTED)] == log_lines(workspace)


def log_lines(workspace):
    """Return scope and mark of each line of suppressions.log."""
    return [(entry.scope, entry.mark) for _, entry in workspace.suppression_log.read()]


@pytest.mark.parametrize(
    ("reason", "stays"),
    [
        (SuppressionReason.BOUNCED, False),
        (SuppressionReason.SOFT_BOUNCES, False),
        (SuppressionReason.UNSUBSCRIBED, False),
        (SuppressionReason.ERASED, False),
        (SuppressionReason.COMPLAINED, True),
        (SuppressionReason.MANUAL, True),
    ],
)
def test_confirming_lifts_what_it_proves_over_and_nothing_else(
    site, workspace, mails, reason, stays
):
    """The page says the same; a complaint and what staff decided are for staff to lift."""
    barred(workspace, reason)
    with site.visitor() as visitor:
        visitor.post("/join", data=form(ANNA))
        done = visitor.post(mails.link(), data=YES)
        visitor.post("/join", data=form("boris@example.org"))
        assert done.content == visitor.post(mails.link(), data=YES).content
    with workspace.store.read() as connection:
        left = standing(connection, digest(workspace))
    assert ([reason] if stays else []) == [one.reason for one in left]
    assert ([] if stays else [("all", Mark.LIFTED)]) == log_lines(workspace)
    assert {"harbor-news"} == set(on_record(workspace, ANNA))


def test_an_erasure_goes_on_to_stand_for_the_other_organisations(site, workspace, mails):
    """Coming back to one is no wish to be known to another."""
    known(workspace, "zoe@example.net", "lantern-friends")
    barred(workspace, SuppressionReason.ERASED)
    with site.visitor() as visitor:
        visitor.post("/join", data=form(ANNA))
        visitor.post(mails.link(), data=YES)
    with workspace.store.read() as connection:
        lantern = organisation_scope(organisation_ids(connection)["lantern"])
        left = standing(connection, digest(workspace))
    assert [(lantern, SuppressionReason.ERASED)] == [(one.scope, one.reason) for one in left]
    assert [
        ("organisation:lantern", Mark.BARRED),
        ("all", Mark.LIFTED),
    ] == log_lines(workspace)


def test_erasing_forgets_wishes_that_wait(site, workspace, mails):
    """The link is then as one that never was."""
    known(workspace)
    with site.visitor() as visitor:
        visitor.post("/join", data=form(ANNA))
        link = mails.link()
        with workspace.store.write() as connection:
            owners = list(organisation_ids(connection).values())
            erase(connection, digest(workspace), owners)
        visitor.post(link, data=YES)
    assert 0 == _rows(workspace, tables.signup) == _rows(workspace, tables.signup_count)
    assert on_record(workspace, ANNA) == {}


def test_a_confirmed_sign_up_gives_three_confirmations_again(site, workspace, mails):
    """Though not on the same day: who signs up twice is no victim of anybody."""
    with site.visitor() as visitor:
        for _ in range(6):
            visitor.post("/join", data=form(ANNA))
            visitor.post(mails.link(), data=YES)
            visitor.post("/join", data=form(ANNA))
            assert [] == mails.take()
            workspace.clock.forward(days=1)
    assert 6 == mails.count()


def test_a_discreet_list_marks_its_people(tmp_path, sqlite_store):
    """As an import of it does."""
    workspace = sign_up_workspace(tmp_path, sqlite_store, FixedClock())
    file = tmp_path / "lists" / "harbor-news.toml"
    file.write_text("discreet = true\n" + file.read_text())
    with sign_up_site(workspace) as site, site.visitor() as visitor:
        visitor.post("/join", data=form(ANNA))
        visitor.post(Mails(workspace).link(), data=YES)
    assert on_record(workspace, ANNA)["harbor-news"].discreet


def test_without_the_sealing_key_it_says_not_now(workspace, site, mails, caplog):
    """In the visitor's language, the same for everybody; and it works once the key is back."""
    key = workspace.config.seal_key_path
    content = key.read_bytes()
    key.unlink()
    workspace.__dict__.pop("seal_keys", None)
    with site.visitor(**{"Accept-Language": "de"}) as visitor:
        for answer in (
            visitor.get("/join"),
            visitor.post("/join", data=form(ANNA)),
            visitor.get("/join/" + "a" * UNSUBSCRIBE_TOKEN_CHARACTERS),
            visitor.post("/join/" + "a" * UNSUBSCRIBE_TOKEN_CHARACTERS, data=YES),
        ):
            assert 503 == answer.status_code
            assert '<html lang="de"' in answer.text
        key.touch(mode=0o600)
        key.write_bytes(content)
        assert 200 == visitor.post("/join", data=form(ANNA)).status_code
    assert 1 == mails.count()
    assert "seal.key: is missing" in "".join(str(vars(one)) for one in caplog.records)


def test_a_list_whose_file_is_gone_is_not_offered(workspace, site):
    """Nobody is promised what cannot be kept."""
    (workspace.config.lists_dir / "harbor-news.toml").unlink()
    with site.visitor() as visitor:
        assert 503 == visitor.get("/join").status_code
        assert 503 == visitor.post("/join", data=form(ANNA)).status_code
    assert load_lists(workspace.config.lists_dir, workspace.config)[0]


def test_no_log_holds_an_address(site, workspace, mails, caplog):
    """Nor the token that confirms."""
    with caplog.at_level("DEBUG"), site.visitor() as visitor:
        visitor.post("/join", data=form(ANNA))
        link = mails.link()
        visitor.post(link, data=YES)
        visitor.post("/join", data=form("anna@"))
    assert "sign-up confirmed" in caplog.text
    ours = "\n".join(one.getMessage() for one in caplog.records if one.name.startswith("mailer"))
    assert "anna" not in ours.lower()
    assert link.rpartition("/")[2] not in ours


def test_the_page_needs_no_script_and_nothing_from_elsewhere(site):
    """Every control has its label, and the field for programs is out of everybody's way."""
    with site.visitor(**{"Accept-Language": "fa"}) as visitor:
        answer = visitor.get("/join")
    page = answer.text
    assert '<html lang="fa" dir="rtl">' in page
    assert "<script" not in page
    assert not re.search(r'(src|href|action)="(https?:)?//', page)
    controls = set(re.findall(r'<(?:input|select) id="([^"]+)"', page))
    assert controls == set(re.findall(r'<label for="([^"]+)"', page))
    assert '<div class="trap" aria-hidden="true">' in page
    assert 'tabindex="-1" autocomplete="off"' in page
    assert "set-cookie" not in answer.headers


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["email", "language", "list", "consent", "website", "other"]),
            st.text(max_size=80) | st.sampled_from([VERSION, ANNA, "ru", "harbor-news"]),
        ),
        max_size=8,
    )
)
def test_whatever_a_form_says_is_answered(site, fields):
    """With the answer, or with what is wrong."""
    from urllib.parse import urlencode

    body = urlencode([(name, value.encode("utf-8", "replace")) for name, value in fields])
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    with site.visitor() as visitor:
        assert visitor.post("/join", content=body, headers=headers).status_code in (200, 400)


@given(token=st.text(min_size=1, max_size=60).filter(lambda text: text.strip("./") == text))
@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_whatever_a_link_says_is_answered_as_one_that_is_too_old(site, token):
    """No token but ours does anything, and none breaks a page."""
    from urllib.parse import quote

    with site.visitor() as visitor:
        path = "/join/" + quote(token.encode("utf-8", "replace"), safe="")
        assert visitor.post(path, data=YES).status_code in (200, 404)
