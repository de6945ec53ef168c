"""Whole mails of a newsletter's issue, held against golden files that a person has read.

After a change that is meant, write them anew with GOLDEN=write and read what has changed.
"""

import json
import os
import re
from pathlib import Path

import pytest

from mailer.keys import ServiceKeys
from mailer.tokens import Tokens
from tests.support.mail import WILD, assert_same_mail, html_of, parse, text_of
from tests.support.mails import NOW, outgoing
from tests.support.newsletters import issue_composer

FOLDER = Path(__file__).parent / "newsletters"
HOST = "https://mail.harbor.example.org"
_OWN = re.compile(r"/(u|p)/[\w-]{39}(?![\w-])")
#: Mail → what is special about the delivery.
MAILS = {
    "harbor-letters-en": {"fields": {"name": "Ana"}},
    "harbor-letters-ru": {"language": "ru", "fields": {}},
    "harbor-letters-fa": {"language": "fa", "fields": {"name": "مهسا"}},
    "harbor-letters-en-for-uk": {"language": "en", "wanted": "uk", "fields": {}},
}


@pytest.fixture(scope="module")
def mails():
    """Every mail by name, with keys that never change."""
    tokens = Tokens(ServiceKeys(b"a" * 32, b"d" * 32, {"a": b"t" * 32}, "a", "0" * 16, b"s" * 32))
    letters = issue_composer(tokens)
    return {name: letters.compose(outgoing(**one), NOW).content for name, one in MAILS.items()}


def _made_wild(text: str) -> str:
    return _OWN.sub(r"/\1/*", text)


@pytest.mark.parametrize("name", MAILS)
def test_a_mail_is_as_it_was_read(mails, name):
    """Headers in order, the tree of parts, all of the text and the HTML."""
    golden = FOLDER / f"{name}.json"
    assert_same_mail(golden, mails[name], WILD)
    if os.environ.get("GOLDEN") == "write":
        golden.write_text(_made_wild(golden.read_text(encoding="utf-8")), encoding="utf-8")
    expected = json.loads(golden.read_text(encoding="utf-8"))
    actual = json.dumps(parse(mails[name], WILD), ensure_ascii=False)
    assert expected == json.loads(_made_wild(actual))


def test_every_golden_file_has_its_mail():
    """None is left of a mail that is not made any more."""
    assert {path.stem for path in FOLDER.glob("*.json")} == set(MAILS)


@pytest.mark.parametrize("name", MAILS)
def test_no_mail_has_what_an_editor_would_not_let_pass(mails, name):
    """No blank too many, no gap, no mark left, nothing of a template or of markup."""
    text, html = (part(mails[name]).replace("\r\n", "\n") for part in (text_of, html_of))
    assert text == text.strip() + "\n"
    assert "\n\n\n" not in text
    assert re.findall(r"[ \t]+\n|  +|\t", text) == []
    assert re.findall(r"\{\w+\}|\{[{%#]|%\(\w+\)s|</?[a-z]+ ?/?>|&\w+;", text) == []
    assert re.findall(r"\{[{%#]|\{(?:date|number)\}|%\(\w+\)s|<img", html) == []


@pytest.mark.parametrize("name", MAILS)
def test_both_parts_lead_to_the_same_places(mails, name):
    """Each web address of the HTML stands in the text, and the other way; one unsubscribes."""
    text, html = text_of(mails[name]), html_of(mails[name])
    of_html = [one.replace("&amp;", "&") for one in re.findall(r'href="(https?://[^"]+)"', html)]
    of_text = re.findall(r"https?://[^\s<>]+", text)
    assert set(of_html) == set(of_text)
    assert sum("/u/" in one for one in of_html) == sum("/u/" in one for one in of_text) == 1


def test_an_edition_holds_its_own_and_names_the_others(mails):
    """The Russian one tells of two and names a Persian and a Ukrainian one, marked as such."""
    html = html_of(mails["harbor-letters-ru"])
    titles = re.findall(r'<h2 class="item-title"[^>]*><a [^>]*>([^<]+)</a>', html)
    assert ["Верните книги библиотеке Тихой гавани", "Её права — наши права"] == titles
    assert f'href="{HOST}/w/open-shelves/ru"' in html
    named = re.findall(
        r'<a href="([^"]+)" hreflang="(\w+)"[^>]*><bdi lang="(\w+)" dir="(\w+)">[^<]+</bdi></a> '
        r"<span[^>]*>([^<]+)</span>",
        html,
    )
    expected = [
        (f"{HOST}/w/lantern/fa", "fa", "fa", "rtl", "персидский"),
        (f"{HOST}/w/willow/uk", "uk", "uk", "ltr", "украинский"),
    ]
    assert expected == named


def test_the_notice_says_newsletter(mails):
    """Who reads Ukrainian is told in Ukrainian, of an issue and not of a statement."""
    text = text_of(mails["harbor-letters-en-for-uk"])
    assert text.startswith("Цього випуску немає вашою мовою.")
    assert "заяв" not in text.split("----")[0]
