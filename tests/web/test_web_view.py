"""A statement's web page: what it shows, to whom, in which language, and from when."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from mailer.store.documents import with_digest
from mailer.store.engine import create_tables, open_store
from mailer.store.statements import publish, save_revision
from mailer.tokens import Purpose
from tests.support.mails import library_revision
from tests.support.public_web import public_site
from tests.support.subscriptions import NOON, SetClock, Subscriptions, define_list


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """A database with the library's statement, mailed to a list that tries Russian first."""
    opened = open_store(f"sqlite:///{tmp_path_factory.mktemp('web') / 'test.db'}")
    create_tables(opened)
    with opened.write() as connection:
        stored = save_revision(connection, library_revision(), NOON)
    Subscriptions(opened).start_mailing(
        "library",
        stored.statement_id,
        stored.revision_id,
        1,
        NOON,
        (define_list("letters", "harbor", ("ru",)),),
    )
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def site(database, tokens):
    """The public pages."""
    with public_site(database, tokens, SetClock()) as running:
        yield running


@pytest.fixture
def visitor(site):
    """A browser without languages."""
    with site.visitor() as opened:
        yield opened


def test_the_page_holds_the_whole_statement(visitor):
    """Title, body, pictures, quotes, demands, signatories, links: all of it, in its language."""
    page = visitor.get("/w/library/en").text

    for part in (
        '<html lang="en" dir="ltr">',
        '<article lang="en" dir="ltr">',
        "<h1>Give the Quiet Harbor Library its books back</h1>",
        "<h2>What happened</h2>",
        'class="quote quote-italic"',
        '<blockquote class="quote-text" lang="fa" dir="rtl">',
        'class="demand"',
        'class="note"',
        'alt="A library by the water."',
        "Harbor Solidarity",
        "Moldova",
        "Lithuania",
        "and others",
        'href="https://tags.example.org/open-shelves"',
        'href="https://campaigns.example.net/books"',
    ):
        assert part in page
    assert "<script" not in page
    assert "style=" not in page


def test_names_and_countries_are_in_the_editions_language(visitor):
    """Signatories, countries and fixed words speak the language of the edition."""
    page = visitor.get("/w/library/fa").text

    for part in ('<html lang="fa" dir="rtl">', "شبکهٔ فانوس", "لیتوانی", "مولداوی"):
        assert part in page


def test_nothing_of_a_person_is_in_it(visitor):
    """Slots are filled for nobody: defaults stand, conditions do not hold, no slot is left."""
    page = visitor.get("/w/library/en").text

    assert "Give the register back, friend." in page
    assert "You know the house" not in page
    assert "supporter" not in page
    assert "{{" not in page
    assert "/u/" not in page


def test_a_token_in_the_address_finds_nothing(visitor, tokens):
    """A web view has no address for one person."""
    token = tokens.person(Purpose.UNSUBSCRIBE, 1, 1)
    for path in (f"/w/library/{token}", f"/w/library/en/{token}", f"/w/{token}"):
        assert visitor.get(path).status_code == 404
    assert visitor.get(f"/w/library/en?u={token}").text == visitor.get("/w/library/en").text


@pytest.mark.parametrize(
    ("accept", "page_language", "edition", "notice"),
    [
        ("", "ru", "ru", False),
        ("ru-RU,ru;q=0.9,en;q=0.5", "ru", "ru", False),
        ("en-GB", "en", "en", False),
        ("fa;q=0.9, ru;q=0.8", "fa", "fa", False),
        ("ro, fa;q=0.5", "ro", "fa", True),
        ("de", "de", "ru", True),
        ("fr", "ru", "ru", True),
        ("uk", "ru", "ru", True),
        ("ru;q=0, *;q=0.5", "en", "en", False),
        ("ru;q=0, en;q=0, fa;q=0", "ru", "ru", False),
    ],
)
def test_the_browser_chooses_by_its_languages(site, accept, page_language, edition, notice):
    """The visitor's languages in their order, then what the lists try, with a notice if so."""
    with site.visitor(**{"accept-language": accept}) as visitor:
        answer = visitor.get("/w/library")

    assert answer.status_code == 200
    assert f'<html lang="{page_language}"' in answer.text
    assert f'<article lang="{edition}"' in answer.text
    assert notice == ('class="notice"' in answer.text)
    assert answer.headers["vary"] == "Accept-Language"
    expected = ", ".join(dict.fromkeys((page_language, edition)))
    assert expected == answer.headers["content-language"]


def test_a_missing_edition_is_said_and_another_shown(visitor):
    """`/w/library/ro`: 200, Romanian page and notice, content by the chain, canonical to it."""
    answer = visitor.get("/w/library/ro")
    page = answer.text

    assert answer.status_code == 200
    assert "vary" not in answer.headers
    assert '<html lang="ro" dir="ltr">' in page
    assert '<article lang="ru" dir="ltr">' in page
    notice = re.search(r'<aside class="notice".*?</aside>', page, re.DOTALL)[0]
    assert ["/en", "/ru", "/fa"] == re.findall(r'href="[^"]*/w/library(/\w+)"', notice)
    for word in ("engleză", "rusă", "persană"):
        assert word in notice
    assert '<link rel="canonical" href="https://mail.example.org/w/library/ru">' in page


def test_every_edition_is_linked_from_every_other(visitor):
    """The head names each edition's address, and a visible switch leads to it."""
    page = visitor.get("/w/library/en").text
    base = "https://mail.example.org/w/library"

    for language in ("en", "ru", "fa"):
        assert f'<link rel="alternate" hreflang="{language}" href="{base}/{language}">' in page
    assert f'<link rel="alternate" hreflang="x-default" href="{base}">' in page
    assert f'<link rel="canonical" href="{base}/en">' in page
    for language, name in (("ru", "русский"), ("fa", "فارسی")):
        assert re.search(rf'<a href="../../w/library/{language}" [^>]*>{name}</a>', page)


@pytest.mark.parametrize(
    "path",
    [
        "/w/unknown",
        "/w/unknown/en",
        "/w/library/xx",
        "/w/library/e",
        "/w/library/%F0%9F",
        "/w/library/picture",
    ],
)
def test_what_is_not_there_is_not_found(visitor, path):
    """Unknown slugs and tags that are no language answer alike."""
    answer = visitor.get(path)

    assert answer.status_code == 404
    assert answer.headers["cache-control"] == "no-store"


def test_before_its_hour_a_statement_is_as_if_it_were_not(sqlite_store, tokens):
    """Before publication or a mailing's start the answer equals that for an unknown slug."""
    clock = SetClock(NOON - timedelta(minutes=1))
    with sqlite_store.write() as connection:
        stored = save_revision(connection, library_revision(), NOON)
        publish(connection, "library", stored.revision_id, NOON)
    with public_site(sqlite_store, tokens, clock) as site, site.visitor() as visitor:
        for path in ("/w/{}", "/w/{}/en", "/w/{}/fa"):
            hidden, unknown = visitor.get(path.format("library")), visitor.get(path.format("x"))
            assert (404, unknown.text) == (hidden.status_code, hidden.text)
            without_date = [
                {name: value for name, value in answer.headers.items() if name != "date"}
                for answer in (hidden, unknown)
            ]
            assert without_date[0] == without_date[1]
        clock.forward(minutes=1)
        assert visitor.get("/w/library/en").status_code == 200


def test_a_newer_revision_is_seen_when_it_is_mailed(sqlite_store, tokens):
    """Loading shows nothing new; the next mailing's start does, its pictures included."""
    people = Subscriptions(sqlite_store)
    clock = SetClock()
    with sqlite_store.write() as connection:
        first = save_revision(connection, library_revision(en="The first.\n"), NOON)
    people.start_mailing("library", first.statement_id, first.revision_id, 1, NOON)
    with public_site(sqlite_store, tokens, clock) as site, site.visitor() as visitor:
        before = visitor.get("/w/library/en")
        with sqlite_store.write() as connection:
            second = save_revision(connection, library_revision(en="The second.\n"), NOON)
        assert before.text == visitor.get("/w/library/en").text
        people.start_mailing("library", first.statement_id, second.revision_id, 2, NOON)
        after = visitor.get("/w/library/en")

    assert "The first." in before.text
    assert "The second." in after.text
    assert before.headers["etag"] != after.headers["etag"]


def test_pages_are_kept_by_caches_for_a_while(visitor):
    """A page is public, has a tag, and is not sent again to who has it."""
    answer = visitor.get("/w/library/en")
    tag = answer.headers["etag"]
    again = visitor.get("/w/library/en", headers={"if-none-match": f'"x", W/{tag}'})

    assert answer.headers["cache-control"].startswith("public, max-age=")
    assert (304, b"", tag) == (again.status_code, again.content, again.headers["etag"])


def test_pictures_are_those_of_the_public_revision_only(visitor):
    """It comes under an address that names its content, for a day and once; others do not."""
    page = visitor.get("/w/library/en").text
    address = re.search(r'<img [^>]*src="\.\./\.\./([^"]+)"', page)[1]
    shown = visitor.get(f"/{address}")
    expected = library_revision().pictures["harbor.png"].content

    assert expected == shown.content
    assert shown.headers["content-type"] == "image/png"
    assert "public, max-age=86400" == shown.headers["cache-control"]
    again = visitor.get(f"/{address}", headers={"if-none-match": shown.headers["etag"]})
    assert (304, b"") == (again.status_code, again.content)
    assert visitor.get(f"/{address}x").status_code == 404
    digest = address.split("/")[-2]
    assert visitor.get("/" + address.replace(digest, "0" * 16)).status_code == 404
    assert visitor.get("/" + address.replace("library", "unknown")).status_code == 404


def test_the_pages_of_both_depths_find_style_and_pictures(visitor):
    """Relative addresses lead to the same places from `/w/x` and from `/w/x/ru`."""
    found = set()
    for path in ("/w/library", "/w/library/ru"):
        answer = visitor.get(path)
        links = re.findall(r'(?:src|href)="(\.\.?/[^"]+)"', answer.text)
        found.add(tuple(sorted(str(answer.url.join(link).path) for link in links)))
        for link in links:
            assert visitor.get(str(answer.url.join(link))).status_code == 200

    assert len(found) == 1


def test_hostile_words_stay_words(sqlite_store, tokens):
    """Markup and templates in titles, names and bodies are shown and do nothing."""
    payload = '"><script>alert(1)</script>{{ 7*7 }}\u202e'
    whole = library_revision(
        en=f'{payload}\n\n<img src=x onerror="alert(1)">\n\n[x](javascript:alert(1))\n\n'
        "<style>p{}</style>\n".replace("{{ 7*7 }}", "")
    )
    editions = dict(whole.editions)
    editions["en"] = replace(editions["en"], title=payload, preheader=payload)
    signatory = replace(whole.signatories[0], name={"en": payload}, address="javascript:alert(1)")
    hostile = with_digest(
        replace(
            whole,
            editions=editions,
            signatories=(signatory,),
            hashtags=(replace(whole.hashtags[0], tag=payload, address='https://x"onclick="a'),),
        )
    )
    with sqlite_store.write() as connection:
        stored = save_revision(connection, hostile, NOON)
        publish(connection, "library", stored.revision_id, NOON)
    with public_site(sqlite_store, tokens, SetClock()) as site, site.visitor() as visitor:
        page = visitor.get("/w/library/en").text

    # What stands in quotes or between tags as words is harmless; here is what must not be.
    tags = re.findall(r"<[a-z][^>]*>", page)
    assert not [
        tag
        for tag in tags
        if re.search(r"script|onerror|onclick=|javascript:", re.sub(r'"[^"]*"', '""', tag))
    ]
    assert 'href="javascript:' not in page
    assert "<style" not in page
    assert "{{ 7*7 }}" in page
