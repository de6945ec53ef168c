"""The list of all statements, and what becomes of pages that are unlisted or withdrawn."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from mailer.model.statement import Appeal, StatementKind, Visibility
from mailer.store.documents import document_digest, revision_to_document, with_digest
from mailer.store.tables import revision, statement
from mailer.web.public.views import picture_path
from tests.support.archive import DISCREET, OPEN, a_statement, decide, mail_out
from tests.support.mails import library_revision
from tests.support.newsletters import harbor_issue, make_public
from tests.support.public_web import BASE_URL, public_site
from tests.support.subscriptions import NOON, SetClock

HOUR = timedelta(hours=1)


@pytest.fixture
def clock():
    """A clock that stands at noon."""
    return SetClock()


@pytest.fixture
def site(sqlite_store, tokens, clock):
    """The public pages of a database of this test's own."""
    with public_site(sqlite_store, tokens, clock) as running:
        yield running


@pytest.fixture
def visitor(site):
    """A browser without languages."""
    with site.visitor() as opened:
        yield opened


def titles(page: str) -> list[str]:
    """Return the headings of the list, in order."""
    return re.findall(r'<h2><a href="[^"]+" hreflang="[^"]+"><bdi [^>]*>(.*?)</bdi>', page)


def languages_of(page: str) -> set[str]:
    """Return the languages that the head says the page is there in."""
    return set(re.findall(r'hreflang="([^"]+)" href="https://[^"]+/(?:in/[^"]+)?">', page))


def test_an_empty_archive_says_so(visitor):
    """Nothing is public: a page that says so, in one language, and a feed that is there."""
    answer = visitor.get("/")
    assert 200 == answer.status_code
    assert "There is nothing here yet." in answer.text
    assert {"en", "x-default"} == languages_of(answer.text)


def test_statements_are_listed_in_the_visitors_language(sqlite_store, site):
    """Title and lead of the edition that suits, marked with its language where it is another."""
    mail_out(sqlite_store, library_revision(), NOON - HOUR)
    make_public(sqlite_store, a_statement("only-english", "en"), NOON)
    with site.visitor(**{"accept-language": "fa, ru;q=0.5"}) as visitor:
        answer = visitor.get("/")
    page = answer.text

    assert '<html lang="fa" dir="rtl">' in page
    assert ("fa", "Accept-Language") == (
        answer.headers["content-language"],
        answer.headers["vary"],
    )
    assert ["Title of only-english in en", "کتاب‌های کتابخانهٔ بندر آرام را پس بدهید"] == titles(page)
    assert '<a href="./w/only-english/en" hreflang="en"><bdi lang="en" dir="ltr">' in page
    assert '<a href="./w/library/fa" hreflang="fa"><bdi lang="fa" dir="rtl">' in page
    assert "دفتر خوانندگان را بردند." in page
    assert '<a href="./w/library/ru" lang="ru" hreflang="ru" dir="ltr">русский</a>' in page
    assert '<time datetime="2026-11-02">' in page
    assert {"en", "ru", "fa", "x-default"} == languages_of(page)
    assert f'<link rel="canonical" href="{BASE_URL}/in/fa">' in page


def test_the_list_in_a_language_has_an_address(sqlite_store, visitor):
    """`/in/ru` is Russian whatever the browser says; what no page speaks is not found."""
    make_public(sqlite_store, library_revision(), NOON)
    answer = visitor.get("/in/ru")

    assert '<html lang="ru" dir="ltr">' in answer.text
    assert "vary" not in answer.headers
    assert ["Верните библиотеке «Тихая гавань» её книги"] == titles(answer.text)
    assert '<a href="../w/library/ru"' in answer.text
    assert '<a href="../feed/ru.atom"' in answer.text
    assert "<title>Заявления – «Гавань солидарности»</title>" in answer.text
    for path in ("/in/fr", "/in/xx", "/in/%F0", "/in/", "/?after=5", "/?after=1-2-3"):
        assert 404 == visitor.get(path).status_code, path


def test_kinds_days_and_deadlines_are_told(sqlite_store, visitor):
    """An appeal with its last day, a newsletter as its last issue, the author's day of a text."""
    appeal = Appeal({"en": "Sign"}, "https://act.example.org", {"en": "Now."}, date(2026, 12, 9))
    make_public(
        sqlite_store, a_statement("line", kind=StatementKind.APPEAL, appeal=appeal), NOON - HOUR
    )
    mail_out(sqlite_store, harbor_issue(), NOON)
    written = datetime(2026, 10, 5, 9, tzinfo=UTC)
    make_public(sqlite_store, a_statement("dated", published=written), NOON - 2 * HOUR)
    page = visitor.get("/in/en").text

    assert "Last day: December 9, 2026" in page
    kinds = re.findall(r'<p class="day">(\w+)\s+· <time datetime="([^"]+)">', page)
    expected = [
        ("Newsletter", "2026-11-02"),
        ("Appeal", "2026-11-02"),
        ("Statement", "2026-10-05"),
    ]
    assert expected == kinds


def test_the_list_is_paged_by_statement(sqlite_store, visitor):
    """Following "older" from the first page meets each once, also when another comes meanwhile."""
    for number in range(45):
        make_public(sqlite_store, a_statement(f"s-{number}"), NOON - number * HOUR)
    address, seen = "/in/en", []
    for _ in range(3):
        answer = visitor.get(address)
        seen += titles(answer.text)
        make_public(sqlite_store, a_statement(f"new-{len(seen)}"), NOON)
        older = re.search(r'href="([^"]+)">Older statements', answer.text)
        if older:
            address = str(answer.url.join(older[1]))
            assert "?after=" in address
    assert not older
    assert [f"Title of s-{number} in en" for number in range(45)] == seen
    assert 'hreflang="ru"' not in answer.text
    assert f'<link rel="canonical" href="{BASE_URL}/in/en?after=' in answer.text


def test_pages_are_public_and_kept_for_minutes_only(sqlite_store, visitor):
    """The same for everyone: no cookie, a tag, 304 to who has it, and new when something is."""
    make_public(sqlite_store, a_statement("letter"), NOON)
    for path in ("/", "/in/en", "/feed/en.atom"):
        answer = visitor.get(path, headers={"cookie": "a=b"})
        tag = answer.headers["etag"]
        again = visitor.get(path, headers={"if-none-match": tag})
        assert (304, b"") == (again.status_code, again.content)
        assert "public, max-age=300" == answer.headers["cache-control"]
        assert "set-cookie" not in answer.headers
        assert "no-referrer" == answer.headers["referrer-policy"]
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert visitor.head(path).headers["etag"] == tag
        decide(sqlite_store, "letter", Visibility.UNLISTED)
        after = visitor.get(path, headers={"if-none-match": tag})
        assert 200 == after.status_code
        assert "letter" not in after.text
        decide(sqlite_store, "letter", Visibility.LISTED)


def test_the_page_of_a_statement_says_what_it_is_to_those_who_link_to_it(sqlite_store, visitor):
    """Open Graph with absolute addresses, the picture, the feed, the way to all statements."""
    written = datetime(2026, 11, 1, 9, tzinfo=UTC)
    make_public(sqlite_store, with_digest(replace(library_revision(), published=written)), NOON)
    page = visitor.get("/w/library/ru").text

    graph = re.findall(r'<meta property="([^"]+)" content="([^"]*)">', page)
    named = dict(graph)
    expected = {
        "og:type": "article",
        "og:title": "Верните библиотеке «Тихая гавань» её книги",
        "og:description": "Забрали журнал читателей. Что можно сделать.",
        "og:url": f"{BASE_URL}/w/library/ru",
        "og:site_name": "«Гавань солидарности»",
        "og:locale": "ru_RU",
        "article:published_time": "2026-11-01T09:00:00+00:00",
    }
    assert expected.items() <= named.items()
    alternates = {value for name, value in graph if name == "og:locale:alternate"}
    assert {"en_US", "fa_IR"} == alternates
    picture = named["og:image"].removeprefix(BASE_URL)
    assert library_revision().pictures["harbor.png"].content == visitor.get(picture).content
    assert (
        f'type="application/atom+xml" hreflang="ru" title="«Гавань солидарности»" href="{BASE_URL}/feed/ru.atom"'
        in page
    )
    assert '<a href="../../in/ru">Все заявления</a>' in page
    assert "og:image" not in visitor.get("/in/en").text


def test_an_unlisted_page_is_for_who_knows_its_address(sqlite_store, visitor):
    """The page is there and search engines are told to leave it; list and feeds do not name it."""
    pictures = library_revision().pictures
    make_public(sqlite_store, a_statement("letter", pictures=pictures), NOON)
    picture = f"/{picture_path('letter', pictures['harbor.png'])}"
    assert "x-robots-tag" not in visitor.get(picture).headers
    decide(sqlite_store, "letter", Visibility.UNLISTED)
    answer = visitor.get("/w/letter/en")

    assert 200 == answer.status_code
    assert "Words of letter." in answer.text
    for one in (answer, visitor.get(picture)):
        assert 200 == one.status_code
        assert "noindex, nofollow" == one.headers["x-robots-tag"]
    assert '<meta name="robots" content="noindex, nofollow">' in answer.text
    for path in ("/", "/in/en", "/feed/en.atom"):
        assert "letter" not in visitor.get(path).text.replace("letters", "")


@pytest.mark.parametrize(("lists", "found"), [((DISCREET,), False), ((OPEN, DISCREET), True)])
def test_search_engines_leave_out_what_went_to_discreet_lists_only(
    sqlite_store, visitor, lists, found
):
    """Whoever got the mail reads the page; nobody else is led there."""
    mail_out(sqlite_store, a_statement("letter"), NOON, *lists)
    answer = visitor.get("/w/letter/en")
    assert 200 == answer.status_code
    assert found is ("x-robots-tag" not in answer.headers)
    assert found is ("noindex" not in answer.text)


def test_a_withdrawn_page_says_so_and_shows_nothing_else_of_it(sqlite_store, visitor, clock):
    """410 in the visitor's language, the day by the workspace's zone; no title, text, picture."""
    make_public(sqlite_store, library_revision(), NOON - HOUR)
    picture = re.search(r'src="\.\./\.\.(/[^"]+)"', visitor.get("/w/library/en").text)[1]
    assert 200 == visitor.get(picture).status_code
    # Past midnight in Chișinău already.
    clock.put(datetime(2026, 11, 3, 22, 30, tzinfo=UTC))
    decide(sqlite_store, "library", Visibility.WITHDRAWN, clock.now())

    for path, language, said, day in (
        ("/w/library/en", "en", "This statement was withdrawn", "November 4, 2026"),
        ("/w/library/ru", "ru", "Это заявление отозвано", "4 ноября 2026"),
        ("/w/library/fa", "fa", "این بیانیه پس گرفته شده است", "نوامبر ۲۰۲۶"),
        ("/w/library", "en", "This statement was withdrawn", "November 4, 2026"),
    ):
        answer = visitor.get(path)
        assert 410 == answer.status_code
        assert f'<html lang="{language}"' in answer.text
        assert f"<h1>{said}</h1>" in answer.text
        assert day in answer.text
        assert "noindex, nofollow" == answer.headers["x-robots-tag"]
        assert "public, max-age=300" == answer.headers["cache-control"]
        for gone in ("Quiet Harbor", "Тихая", "og:", "Nadia", "canonical", "picture"):
            assert gone not in answer.text
    assert 404 == visitor.get(picture).status_code
    assert [] == titles(visitor.get("/").text)


def test_a_withdrawn_page_leads_to_what_corrects_it(sqlite_store, visitor):
    """To the visitor's edition of it, else another with its language named; never to one gone."""
    make_public(sqlite_store, library_revision(), NOON)
    make_public(sqlite_store, a_statement("again", "en", "ru"), NOON)
    decide(sqlite_store, "library", Visibility.WITHDRAWN, NOON, "again")

    page = visitor.get("/w/library/ru").text
    assert '<a href="../../w/again/ru" hreflang="ru"><bdi lang="ru" dir="ltr">' in page
    assert "Title of again in ru" in page
    page = visitor.get("/w/library/fa").text
    assert '<bdi lang="en" dir="ltr">Title of again in en</bdi></a>' in page
    assert "انگلیسی" in page

    decide(sqlite_store, "again", Visibility.WITHDRAWN)
    assert "again" not in visitor.get("/w/library/ru").text


def test_what_is_withdrawn_before_it_was_public_is_not_found(sqlite_store, visitor):
    """Nobody learns from it that there was to be a statement."""
    make_public(sqlite_store, a_statement("letter"), NOON + HOUR)
    decide(sqlite_store, "letter", Visibility.WITHDRAWN)
    assert visitor.get("/w/unknown").text == visitor.get("/w/letter").text
    assert 404 == visitor.get("/w/letter").status_code


def test_relisting_shows_it_again(sqlite_store, visitor):
    """Page, picture and list as they were."""
    make_public(sqlite_store, library_revision(), NOON)
    before = visitor.get("/w/library/en").text
    decide(sqlite_store, "library", Visibility.WITHDRAWN)
    assert 410 == visitor.get("/w/library/en").status_code
    decide(sqlite_store, "library", Visibility.LISTED)
    assert before == visitor.get("/w/library/en").text


def test_an_issue_tells_no_more_of_what_was_unlisted_or_withdrawn(sqlite_store, visitor):
    """Title and lead of such a statement are gone from the newsletter's page at once."""
    make_public(sqlite_store, harbor_issue(), NOON)
    make_public(sqlite_store, a_statement("open-shelves"), NOON)
    make_public(sqlite_store, a_statement("lantern", "fa"), NOON)
    assert "open-shelves" in visitor.get("/w/harbor-letters/en").text
    decide(sqlite_store, "open-shelves", Visibility.WITHDRAWN)
    decide(sqlite_store, "lantern", Visibility.UNLISTED)
    for path in ("/w/harbor-letters/en", "/feed/en.atom"):
        page = visitor.get(path).text
        assert "her-rights" in page
        assert "The shelves are empty." not in page
        assert "نوری" not in page


def test_a_withdrawn_issue_is_called_a_newsletter(sqlite_store, visitor):
    """Its page does not speak of a statement."""
    make_public(sqlite_store, harbor_issue(), NOON)
    decide(sqlite_store, "harbor-letters", Visibility.WITHDRAWN)
    assert "<h1>Dieser Rundbrief wurde zurückgezogen</h1>" in (
        visitor.get("/w/harbor-letters/de").text
    )


def test_a_thousand_statements_are_listed_quickly(sqlite_store, visitor):
    """A page of the list and a feed take a tenth of a second, once the words are known."""
    _write_thousand(sqlite_store)
    for path in ("/in/en", "/feed/ru.atom"):
        assert 200 == visitor.get(path).status_code
        took_s = []
        for _ in range(5):
            began = time.process_time()
            visitor.get(path)
            took_s.append(time.process_time() - began)
        # The work of both ends, whatever else the machine does meanwhile.
        assert min(took_s) < 0.1


def _write_thousand(store) -> None:
    document = revision_to_document(a_statement("first", "en", "ru", "fa"))
    numbers = range(1, 1001)
    documents = {number: {**document, "slug": f"s-{number}"} for number in numbers}
    with store.write() as connection:
        connection.execute(
            statement.insert(),
            [
                {
                    "id": number,
                    "slug": f"s-{number}",
                    "kind": StatementKind.STATEMENT,
                    "latest_revision_id": number,
                    "published_revision_id": number,
                    "published_at": NOON - number * HOUR,
                    "created_at": NOON,
                }
                for number in numbers
            ],
        )
        connection.execute(
            revision.insert(),
            [
                {
                    "id": number,
                    "statement_id": number,
                    "number": 1,
                    "digest": document_digest(documents[number]),
                    "document": documents[number],
                    "loaded_at": NOON,
                }
                for number in numbers
            ],
        )
