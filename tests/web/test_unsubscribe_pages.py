"""The unsubscribe link as mail programs, scanners, people and strangers use it."""

from __future__ import annotations

import random
import re
import secrets
import statistics
import string
import time
from urllib.parse import urlencode

import pytest

from mailer.store.engine import create_tables, open_store
from mailer.tokens import UNSUBSCRIBE_TOKEN_CHARACTERS, Purpose
from tests.support.public_web import hidden_fields, public_site
from tests.support.subscriptions import NOON, SetClock, Subscriptions

BUTTON = {"action": "unsubscribe"}
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
ALPHABET = string.ascii_letters + string.digits + "-_"


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """One database for all of these tests; each has its own people."""
    opened = open_store(f"sqlite:///{tmp_path_factory.mktemp('web') / 'test.db'}")
    create_tables(opened)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def set_clock():
    """A clock that stands still."""
    return SetClock()


@pytest.fixture
def clock(set_clock):
    """A clock the test moves."""
    set_clock.put(NOON)
    return set_clock


@pytest.fixture(scope="module")
def site(database, tokens, set_clock):
    """The public pages."""
    with public_site(database, tokens, set_clock) as running:
        yield running


@pytest.fixture
def people(database):
    """Two organisations, one with two lists."""
    return two_organisations(database)


def two_organisations(store) -> Subscriptions:
    """Make the lists that these tests leave."""
    made = Subscriptions(store)
    made.add_list("letters", "harbor")
    made.add_list("appeals", "harbor")
    made.add_list("network", "lantern")
    return made


class Ana:
    """On two lists of one organisation and one of another, mailed through two of the three."""

    def __init__(self, people, tokens) -> None:
        person = secrets.token_hex(8)
        self.harbor = people.add_supporter(person, "letters", "appeals")
        self.lantern = people.add_supporter(person, "network")
        self.delivery = people.add_delivery(
            people.add_mailing(), ("letters", self.harbor), ("network", self.lantern)
        )
        self.token = tokens.person(Purpose.UNSUBSCRIBE, self.delivery, self.harbor)
        self.path = f"/u/{self.token}"


@pytest.fixture
def ana(people, tokens, clock):
    """Ana, at noon."""
    return Ana(people, tokens)


def stranger_token(draw: random.Random) -> str:
    """Return a token of the right shape that is not ours."""
    return "".join(draw.choice(ALPHABET) for _ in range(UNSUBSCRIBE_TOKEN_CHARACTERS))


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "PROPFIND"])
def test_only_post_changes_anything(site, people, ana, method):
    """Scanners may ask as often and in any way they like: nobody is unsubscribed."""
    with site.visitor() as visitor:
        for _ in range(20):
            answer = visitor.request(method, ana.path)
            assert (200 if method in ("GET", "HEAD") else 405) == answer.status_code
            if answer.status_code == 405:
                # RFC 9110 §15.5.6: Allow names every method there is.
                assert {"GET", "HEAD", "POST"} == set(answer.headers["allow"].split(", "))
        visitor.request(method, ana.path, params=ONE_CLICK)

    assert {"letters", "appeals"} == people.on(ana.harbor)
    assert people.unsubscriptions(ana.delivery) == []


def test_the_page_has_one_large_button_and_no_script(site, ana):
    """The page asks one thing first, names nobody, and has forms that need no JavaScript."""
    with site.visitor() as visitor:
        page = visitor.get(ana.path).text

    assert page.count("<button") == page.count('<button class="secondary"') + 1
    assert page.index("<button name") < page.index('<button class="secondary"')
    assert '<form method="post">' in page
    assert "<script" not in page
    assert ana.token not in page


@pytest.mark.parametrize("encoding", ["urlencoded", "multipart"])
def test_one_click_unsubscribes_at_once(site, people, ana, encoding):
    """RFC 8058: both encodings, 200, no redirect, no cookie, nothing but the token needed."""
    body = (
        {"data": ONE_CLICK}
        if encoding == "urlencoded"
        else {"files": {"List-Unsubscribe": (None, "One-Click")}}
    )
    with site.visitor() as provider:
        answer = provider.post(ana.path, **body)

    assert (200, [], []) == (answer.status_code, answer.history, list(answer.cookies))
    assert set() == people.on(ana.lantern)
    assert {"appeals"} == people.on(ana.harbor)
    lists = people.lists
    assert [
        ("one_click", False, {(lists["letters"], ana.harbor), (lists["network"], ana.lantern)})
    ] == people.unsubscriptions(ana.delivery)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        pytest.param(
            b"Content-Type: application/x-www-form-urlencoded\r\nUser-Agent: Google-Mail-Unsubscribe\r\n"
            b"Accept: */*\r\nAccept-Encoding: gzip, deflate\r\n",
            b"List-Unsubscribe=One-Click",
            id="urlencoded, as a provider sends it",
        ),
        pytest.param(
            b"Content-Type: application/x-www-form-urlencoded; charset=UTF-8\r\nX-Forwarded-For: 192.0.2.7\r\n",
            b"List-Unsubscribe=One-Click\r\n",
            id="urlencoded with charset and a line's end",
        ),
        pytest.param(
            b'Content-Type: multipart/form-data; boundary="----=_Part_7"\r\nUser-Agent: YahooMailProxy\r\n',
            b'------=_Part_7\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\n'
            b"One-Click\r\n------=_Part_7--\r\n",
            id="multipart as in RFC 8058 section 8.2",
        ),
        pytest.param(
            b"Content-Type: multipart/form-data; boundary=x\r\n",
            b"--x\r\nContent-Disposition: form-data; name=List-Unsubscribe\r\n"
            b"Content-Type: text/plain; charset=utf-8\r\n\r\nOne-Click\r\n--x--",
            id="multipart with a bare name and a type",
        ),
    ],
)
def test_one_click_as_providers_write_it(site, people, ana, headers, body):
    """The bytes that large providers send are understood as they are."""
    head = (
        f"POST {ana.path} HTTP/1.1\r\nHost: mail.example.org\r\nConnection: close\r\n"
        f"Content-Length: {len(body)}\r\n"
    ).encode()

    answer = site.raw(head + headers + b"\r\n" + body)

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"set-cookie" not in answer.lower()
    assert b"\r\nserver:" not in answer.lower()
    assert set() == people.on(ana.lantern)


def test_a_chunked_one_click_is_read(site, people, ana):
    """A body without a declared length counts as well."""
    head = (
        f"POST {ana.path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n"
    ).encode()

    answer = site.raw(head + b"10\r\nList-Unsubscribe\r\na\r\n=One-Click\r\n0\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert set() == people.on(ana.lantern)


def test_a_hundred_times_is_once(site, people, ana, clock):
    """Repeating is answered the same for ever and puts one unsubscription on record."""
    answers = set()
    with site.visitor() as provider:
        for _ in range(100):
            answer = provider.post(ana.path, data=ONE_CLICK)
            answers.add((answer.status_code, answer.text))
            clock.forward(days=9)

    assert {200} == {status for status, _ in answers}
    assert len(answers) == 1
    assert len(people.unsubscriptions(ana.delivery)) == 1


def test_the_button_unsubscribes_and_offers_to_undo(site, people, ana):
    """The page's own button does the same, on record as such, and undo is one more button."""
    with site.visitor() as visitor:
        done = visitor.post(ana.path, data=BUTTON)
        assert set() == people.on(ana.lantern)
        undone = visitor.post("/undo", data=hidden_fields(done.text))

    assert (200, 200) == (done.status_code, undone.status_code)
    assert {"letters", "appeals"} == people.on(ana.harbor)
    assert {"network"} == people.on(ana.lantern)
    assert [("page", True)] == [entry[:2] for entry in people.unsubscriptions(ana.delivery)]
    assert ana.token not in done.text


def test_one_click_is_answered_without_undo(site, ana):
    """The answer to a program holds nothing that a person would press."""
    with site.visitor() as provider:
        assert "<form" not in provider.post(ana.path, data=ONE_CLICK).text


def test_pressed_twice_undo_still_puts_everything_back(site, people, ana):
    """A double click shows the page of the second press; its undo reaches the first."""
    with site.visitor() as visitor:
        visitor.post(ana.path, data=BUTTON)
        second = visitor.post(ana.path, data=BUTTON)
        visitor.post("/undo", data=hidden_fields(second.text))
        visitor.post("/undo", data=hidden_fields(second.text))

    assert {"letters", "appeals"} == people.on(ana.harbor)


def test_undo_ends_after_half_an_hour_and_says_so(site, people, ana, clock):
    """The 30th minute counts, the 31st does not; the page then says that nothing was changed."""
    with site.visitor() as visitor:
        fields = hidden_fields(visitor.post(ana.path, data=BUTTON).text)
        clock.forward(minutes=30, seconds=1)
        late = visitor.post("/undo", data=fields)
        assert set() == people.on(ana.lantern)
        assert "Too late" in late.text
        clock.forward(seconds=-2)
        visitor.post("/undo", data=fields)

    assert {"network"} == people.on(ana.lantern)


def test_the_hour_in_the_form_decides_nothing(site, people, ana, clock):
    """Who changes the hour in the form gets another page, and nothing back."""
    with site.visitor() as visitor:
        fields = hidden_fields(visitor.post(ana.path, data=BUTTON).text)
        clock.forward(days=2)
        fields["at"] = str(int(clock.now().timestamp()))
        answer = visitor.post("/undo", data=fields)

    assert answer.status_code == 200
    assert set() == people.on(ana.lantern)


@pytest.mark.parametrize("purpose", [one for one in Purpose if one is not Purpose.UNSUBSCRIBE])
def test_tokens_of_other_purposes_do_not_unsubscribe(site, people, ana, tokens, purpose):
    """An undo, preferences or return-path token in the link's place does nothing."""
    other = (
        tokens.feedback(ana.delivery)
        if purpose is Purpose.FEEDBACK
        else tokens.message_id(ana.delivery)
        if purpose is Purpose.MESSAGE_ID
        else tokens.person(purpose, ana.delivery, ana.harbor)
    )
    with site.visitor() as visitor:
        assert visitor.post(f"/u/{other}", data=BUTTON).status_code == 200

    assert {"network"} == people.on(ana.lantern)


def test_an_unsubscribe_token_does_not_undo(site, people, ana):
    """The link of the mail alone cannot take an unsubscription back."""
    with site.visitor() as visitor:
        fields = hidden_fields(visitor.post(ana.path, data=BUTTON).text)
        visitor.post("/undo", data=fields | {"undo": ana.token})

    assert set() == people.on(ana.lantern)


def test_after_the_delivery_is_cleared_away_the_link_still_works(site, people, ana):
    """Years later the link leaves every list of that supporter's organisation."""
    people.forget_delivery(ana.delivery)
    with site.visitor() as provider:
        assert provider.post(ana.path, data=ONE_CLICK).status_code == 200

    assert set() == people.on(ana.harbor)
    assert {"network"} == people.on(ana.lantern)


def _ask_all(site, made_up: list[str]) -> list[str]:
    """Ask for the page of each token, one after the other on one connection."""
    asked = [f"GET /u/{token} HTTP/1.1\r\nHost: x\r\n" for token in made_up]
    answer = site.raw(("\r\n".join(asked) + "Connection: close\r\n\r\n").encode())
    return [
        part.split(b"\r\n\r\n", 1)[1].decode() for part in answer.split(b"HTTP/1.1 200 OK\r\n")[1:]
    ]


def _same(page: str) -> str:
    return re.sub(r'name="undo" value="[^"]{39}"', 'name="undo" value="…"', page)


def test_ten_thousand_strangers_tokens_tell_nothing(site, people, ana):
    """Every token gets the same page, byte for byte, whether it is ours, used, or made up."""
    draw = random.Random(8058)
    made_up = [stranger_token(draw) for _ in range(10_000)]
    with site.visitor() as visitor:
        asked = {visitor.get(ana.path).text}
        answered = {_same(visitor.post(ana.path, data=BUTTON).text)}
        answered |= {_same(visitor.post(ana.path, data=BUTTON).text)}
        people.forget_delivery(ana.delivery)
        answered |= {_same(visitor.post(ana.path, data=BUTTON).text)}
        for token in made_up[:500]:
            answer = visitor.post(f"/u/{token}", data=BUTTON)
            assert answer.status_code == 200
            answered.add(_same(answer.text))
        for odd in ("x", "a" * 2_000, "%00", "%F0%9F%98%80", "a" * 39, "~"):
            asked.add(visitor.get(f"/u/{odd}").text)
            answered.add(_same(visitor.post(f"/u/{odd}", data=BUTTON).text))
    pages = set()
    for first in range(0, 10_000, 250):
        answers = _ask_all(site, made_up[first : first + 250])
        assert len(answers) == 250
        pages |= set(answers)

    assert len(asked | pages) == 1
    assert len(answered) == 1


def test_undo_tokens_of_strangers_look_like_ours(site, ana):
    """The same token gets the same undo token each time, and no two tokens the same."""
    draw = random.Random(8058)
    seen = []
    with site.visitor() as visitor:
        for path in (ana.path, *(f"/u/{stranger_token(draw)}" for _ in range(20))):
            first = hidden_fields(visitor.post(path, data=BUTTON).text)["undo"]
            again = hidden_fields(visitor.post(path, data=BUTTON).text)["undo"]
            assert first == again
            assert len(first) == UNSUBSCRIBE_TOKEN_CHARACTERS
            seen.append(first)
        assert len(seen) == len(set(seen))
        pages = {
            visitor.post("/undo", data={"undo": token, "at": hidden_at}).text
            for token in seen
            for hidden_at in [hidden_fields(visitor.post(ana.path, data=BUTTON).text)["at"]]
        }
    assert len(pages) == 1


def test_the_time_of_an_answer_tells_nothing(database, tokens, clock, people):
    """Tokens that are ours and cost a write are answered no later than those that are not."""
    draw = random.Random(8058)
    mailing_id = people.add_mailing("another")
    ours, others, paths, persons = [], [], [], []
    for number in range(12):
        person = people.add_supporter(f"person {number}", "letters")
        persons.append(person)
        delivery_id = people.add_delivery(mailing_id, ("letters", person))
        paths.append((ours, f"/u/{tokens.person(Purpose.UNSUBSCRIBE, delivery_id, person)}"))
        paths.append((others, f"/u/{stranger_token(draw)}"))
    draw.shuffle(paths)
    with (
        public_site(database, tokens, clock, answer_floor_s=0.1) as site,
        site.visitor() as visitor,
    ):
        visitor.get("/healthz")
        for times, path in paths:
            began = time.perf_counter()
            visitor.post(path, data=BUTTON)
            times.append(time.perf_counter() - began)

    assert min(*ours, *others) >= 0.1
    # Both wait for the same instant; what differs is the noise of the machine.
    assert abs(statistics.median(ours) - statistics.median(others)) < 0.03
    assert not any(people.on(person) for person in persons)


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json", b'{"List-Unsubscribe":"One-Click"}', 415),
        ("text/plain", b"List-Unsubscribe=One-Click", 415),
        ("", b"List-Unsubscribe=One-Click", 415),
        ("application/x-www-form-urlencoded", b"", 400),
        ("application/x-www-form-urlencoded", b"List-Unsubscribe=Two-Clicks", 400),
        ("application/x-www-form-urlencoded", b"action=subscribe", 400),
        ("application/x-www-form-urlencoded", b"a=1&" * 4_000, 400),
        ("application/x-www-form-urlencoded", b"a=" + b"b" * 2_000, 400),
        ("application/x-www-form-urlencoded", b"a" * 17_000, 413),
        ("multipart/form-data", b"--x--", 400),
        ("multipart/form-data; boundary=x", b"--y\r\n\r\n--y--", 400),
        (
            "multipart/form-data; boundary=x",
            b"--x\r\nContent-Disposition: form-data; name=List-Unsubscribe; filename=a\r\n\r\nx\r\n--x--",
            400,
        ),
    ],
)
def test_a_form_that_is_none_changes_nothing(site, people, ana, content_type, body, status):
    """Other types, other words, too much: refused with the status that says why, and a page."""
    headers = {"content-type": content_type} if content_type else {}
    with site.visitor() as visitor:
        answer = visitor.post(ana.path, content=body, headers=headers)

    assert status == answer.status_code
    assert answer.headers["content-type"].startswith("text/html")
    assert people.unsubscriptions(ana.delivery) == []


def test_a_body_without_end_is_cut_off(site, people, ana):
    """A chunked body may not grow past the limit either."""
    head = (
        f"POST {ana.path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
    ).encode()
    chunk = b"1000\r\n" + b"a" * 4096 + b"\r\n"

    answer = site.raw(head + chunk * 5)

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert people.unsubscriptions(ana.delivery) == []


@pytest.mark.parametrize(
    ("header", "language", "direction"),
    [("", "en", "ltr"), ("ru-RU, en;q=0.5", "ru", "ltr"), ("fa", "fa", "rtl"), ("xx", "en", "ltr")],
)
def test_pages_speak_the_visitors_language(site, ana, header, language, direction):
    """By Accept-Language alone, before and after the button, errors included."""
    with site.visitor(**{"accept-language": header}) as visitor:
        answers = [
            visitor.get(ana.path),
            visitor.post(ana.path, data=BUTTON),
            visitor.get("/nowhere"),
            visitor.post(ana.path, content=b""),
        ]

    for answer in answers:
        assert f'<html lang="{language}" dir="{direction}">' in answer.text
        assert language == answer.headers["content-language"]
        assert answer.headers["vary"] == "Accept-Language"
        assert answer.headers["cache-control"] == "no-store"
        assert "noindex" in answer.headers["x-robots-tag"]


def test_a_locked_database_is_told_and_nobody_is_lost(sqlite_store, tokens, clock, monkeypatch):
    """While the database is locked the answer is 503 with the button again; then it works."""
    people = two_organisations(sqlite_store)
    ana = Ana(people, tokens)

    # Not as patient as in earnest.
    monkeypatch.setattr("mailer.store.engine.BUSY_TIMEOUT_S", 0.2)
    with (
        public_site(sqlite_store, tokens, clock) as site,
        site.visitor(**{"accept-language": "ru"}) as visitor,
    ):
        with sqlite_store.write():
            for form in (ONE_CLICK, BUTTON):
                answer = visitor.post(ana.path, data=form)
                assert answer.status_code == 503
                assert int(answer.headers["retry-after"]) > 0
                assert 'lang="ru"' in answer.text
                assert '<button name="action" value="unsubscribe">' in answer.text
        assert {"network"} == people.on(ana.lantern)
        assert visitor.post(ana.path, data=ONE_CLICK).status_code == 200

    assert set() == people.on(ana.lantern)


def test_nobody_is_told_that_it_is_done_before_the_log_has_it(
    database, people, ana, tokens, clock, tmp_path
):
    """They are out at once; the answer is 503 until a restored database could not undo it."""
    path = tmp_path / "suppressions.log"
    path.mkdir()
    with (
        public_site(database, tokens, clock, log=path) as site,
        site.visitor(**{"accept-language": "ru"}) as visitor,
    ):
        for form in (ONE_CLICK, BUTTON):
            answer = visitor.post(ana.path, data=form)
            assert (503, "30") == (answer.status_code, answer.headers["retry-after"])
            assert set() == people.on(ana.lantern)
        path.rmdir()
        assert 200 == visitor.post(ana.path, data=ONE_CLICK).status_code
    assert 2 == path.read_text().count("barred")


def test_a_query_with_the_whole_form_in_it_is_no_form(site, people, ana):
    """Only a body counts: an address can be fetched by anything that reads the mail."""
    with site.visitor() as visitor:
        answer = visitor.post(f"{ana.path}?{urlencode(ONE_CLICK)}", content=b"")

    assert answer.status_code == 415
    assert people.unsubscriptions(ana.delivery) == []
