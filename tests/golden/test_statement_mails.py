"""Whole mails as people get them, held against golden files that a person has read.

After a change that is meant, write them anew with GOLDEN=write and read what has changed: the files
are what an editor sees of a mail.
"""

import json
import os
import re
import shutil
from dataclasses import replace
from datetime import date
from email import message_from_bytes
from pathlib import Path

import pytest

from mailer.app.languages import resolver
from mailer.audience.lists import load_lists
from mailer.compose.composer import MailingComposer
from mailer.compose.design import read_design
from mailer.config import load_config, share_dir
from mailer.keys import ServiceKeys
from mailer.model.audience import LanguageProfile
from mailer.model.mailing import ComposedMail
from mailer.model.statement import StatementKind
from mailer.statements.catalog import load_catalogs
from mailer.statements.source import read_statement
from mailer.tokens import Tokens
from tests.support.mail import WILD, assert_same_mail, html_of, parse, text_of
from tests.support.mails import NOW, composer, outgoing

FOLDER = Path(__file__).parent
HOST = "https://mail.harbor.example.org"
#: Headers that are new in every run; the last names a picture.
_WILD = (*WILD, "Content-ID")
#: What else is new in every run, or for every person, wherever it stands: tokens and content ids.
_NEW = (
    (re.compile(r"/(u|p)/[\w-]{39}(?![\w-])"), r"/\1/*"),
    (re.compile(r"cid:[0-9a-f]{20}@"), "cid:*@"),
    (re.compile(r"\bb\+[a-z2-7]{40}@"), "b+*@"),
)

#: Mail of the sample statement → languages its reader reads, in order; what is known of them.
HER_RIGHTS = {
    "her-rights-en": (("en",), {"name": "Ana", "country": "RO", "city": "Iași", "member": "yes"}),
    "her-rights-ru": (("ru",), {}),
    "her-rights-en-for-uk": (("uk",), {"name": "Оксана"}),
    "her-rights-ru-for-uk": (("uk", "ru"), {"name": "Оксана"}),
    "her-rights-en-for-ro": (("ro",), {}),
    "her-rights-en-for-fa": (("fa",), {"name": "مهسا"}),
    "her-rights-en-for-ky": (("ky",), {}),
    "her-rights-en-for-be": (("be",), {}),
    "her-rights-en-for-de": (("de-AT",), {}),
    # There is no catalog in this language: the notice speaks that of the edition.
    "her-rights-en-for-ka": (("ka",), {}),
}
#: Mail of the statement about the library → what is special about the delivery.
LIBRARY = {
    "library-fa": {"language": "fa"},
    "library-en-slots-filled": {"fields": {"name": "Mara Lind", "country": "MD", "city": "Orlesk"}},
    "library-en-slots-empty": {"fields": {}},
    "library-fa-for-ro": {"language": "fa", "wanted": "ro"},
}
#: Mail of the sample appeal → languages its reader reads.
APPEAL = {"appeal-en": ("en",), "appeal-ru": ("ru",), "appeal-en-for-fa": ("fa",)}
#: Correction of the sample statement → the edition, and what its reader wanted.
CORRECTIONS = {"correction-ru": ("ru", None), "correction-en-for-de": ("en", "de")}
WITH_HTML = (*HER_RIGHTS, *LIBRARY, *APPEAL, *CORRECTIONS)
#: Mail without HTML → the mail with it that says the same.
TEXT_ONLY = {"text-only-ru": "her-rights-ru"}
NAMES = (*WITH_HTML, *TEXT_ONLY)


@pytest.fixture(scope="module")
def mails(tmp_path_factory):
    """Every mail by name, composed from the files that ship, with keys that never change."""
    tokens = Tokens(ServiceKeys(b"a" * 32, b"d" * 32, {"a": b"t" * 32}, "a", "0" * 16, b"s" * 32))
    share, workspace = share_dir(), tmp_path_factory.mktemp("workspace")
    shutil.copy(share / "config.example.toml", workspace / "config.toml")
    config = load_config(workspace)
    lists, _ = load_lists(share / "lists", config)
    news = lists["harbor-news"]
    revision, _ = read_statement(share / "templates" / "statements" / "her-rights", share)
    catalogs = load_catalogs(share / "templates" / "locale")
    design = read_design(share / "templates", StatementKind.STATEMENT, catalogs)
    sender = replace(config.sender("harbor"), base_url=HOST)
    sample = MailingComposer(revision, design, sender, [news], tokens, ())
    made = {}
    for name, (languages, fields) in HER_RIGHTS.items():
        choice = resolver(revision)(LanguageProfile(languages, ()), news)
        reader = outgoing(
            fields=fields,
            language=choice.language,
            wanted=choice.wanted if choice.notice else None,
        )
        made[name] = sample.compose(reader, NOW)
    made["text-only-ru"] = sample.compose(outgoing(fields={}, language="ru", text_only=True), NOW)
    for name, (language, wanted) in CORRECTIONS.items():
        correcting = MailingComposer(
            revision, design, sender, [news], tokens, (), corrects=date(2026, 11, 2)
        )
        made[name] = correcting.compose(outgoing(fields={}, language=language, wanted=wanted), NOW)
    appeal, _ = read_statement(share / "templates" / "statements" / "keep-the-line-open", share)
    design = read_design(share / "templates", StatementKind.APPEAL, catalogs)
    calling = MailingComposer(appeal, design, sender, [news], tokens, ())
    for name, languages in APPEAL.items():
        choice = resolver(appeal)(LanguageProfile(languages, ()), news)
        wanted = choice.wanted if choice.notice else None
        reader = outgoing(fields={}, language=choice.language, wanted=wanted)
        made[name] = calling.compose(reader, NOW)
    library = composer(tokens)
    for name, changes in LIBRARY.items():
        made[name] = library.compose(outgoing(**changes), NOW)
    return made


def _with_envelope(mail: ComposedMail) -> bytes:
    """Return the mail with its envelope before its header, as in a transcript."""
    envelope = f"MAIL-FROM: <{mail.envelope.mail_from}>\r\nRCPT-TO: <{mail.envelope.rcpt_to}>\r\n"
    return envelope.encode("ascii") + mail.content


def _parts(mail: ComposedMail) -> tuple[str, str]:
    """Return the text and the HTML of a mail, their line ends single."""
    return tuple(part(mail.content).replace("\r\n", "\n") for part in (text_of, html_of))


def _made_wild(text: str) -> str:
    """Return text with an asterisk for all that is new in every run."""
    for pattern, wild in _NEW:
        text = pattern.sub(wild, text)
    return text


@pytest.mark.parametrize("name", NAMES)
def test_a_mail_is_as_it_was_read(mails, name):
    """Envelope, headers in order, the tree of parts, all of the text and the HTML."""
    golden, content = FOLDER / f"{name}.json", _with_envelope(mails[name])
    assert_same_mail(golden, content, _WILD)
    if os.environ.get("GOLDEN") == "write":
        golden.write_text(_made_wild(golden.read_text(encoding="utf-8")), encoding="utf-8")
    # The asterisks of the text part are meant: everything but what is new is the same, to the letter.
    expected = json.loads(golden.read_text(encoding="utf-8"))
    actual = json.dumps(parse(content, _WILD), ensure_ascii=False)
    assert expected == json.loads(_made_wild(actual))


def test_every_golden_file_has_its_mail():
    """None is left of a mail that is not made any more."""
    assert {path.stem for path in FOLDER.glob("*.json")} == set(NAMES)


@pytest.mark.parametrize("name", WITH_HTML)
def test_no_mail_has_what_an_editor_would_not_let_pass(mails, name):
    """No blank too many, no gap, nothing of a template or of markup in what is read."""
    text, html = _parts(mails[name])
    assert text == text.strip() + "\n"
    assert "\n\n\n" not in text
    assert re.findall(r"[ \t]+\n|  +|\t", text) == []
    assert re.findall(r"\{[{%#]|%\(\w+\)s|</?[a-z]+ ?/?>|&\w+;|supporter\.", text) == []
    assert re.findall(r"\{[{%#]|%\(\w+\)s|supporter\.", html) == []
    # A line is drawn below a heading, as long as the heading and with no gap between them.
    lines = text.split("\n")
    drawn = [at for at, line in enumerate(lines) if re.fullmatch("-+", line) and lines[at - 1]]
    assert [len(lines[at]) for at in drawn] == [min(len(lines[at - 1]), 60) for at in drawn]


@pytest.mark.parametrize("name", WITH_HTML)
def test_both_parts_lead_to_the_same_places(mails, name):
    """Each web address of the HTML stands in the text, and the other way; one unsubscribes."""
    text, html = _parts(mails[name])
    of_html = [one.replace("&amp;", "&") for one in re.findall(r'href="(https?://[^"]+)"', html)]
    of_text = re.findall(r"https?://[^\s<>]+", text)
    assert set(of_html) == set(of_text)
    for page in ("/u/", "/p/"):
        assert [1, 1] == [sum(page in one for one in links) for links in (of_html, of_text)]
    assert [one for one in of_html if not one.isascii()] == []


@pytest.mark.parametrize("name", WITH_HTML)
def test_the_notice_comes_first_and_only_where_it_must(mails, name):
    """Who reads their first language is not told of others; everyone else is, before all else."""
    text, html = _parts(mails[name])
    # What a correction says stands before the notice, and a line after it.
    sections = text.split("\n---", 2)[: 2 if name in CORRECTIONS else 1]
    links = re.findall(rf"^.+: {HOST}/w/[\w-]+/[\w-]+$", "\n".join(sections), re.MULTILINE)
    assert bool(links) == ("-for-" in name) == ('class="notice"' in html)
    if links:
        assert html.index('class="notice"') < html.index('class="card')


def test_nobody_is_given_a_language_for_being_near_theirs(mails):
    """Who reads Ukrainian or Belarusian alone gets the list's chain, which begins with English."""
    given = {
        name: re.search(rb"\r\nContent-Language: (\w+)\r\n", mails[name].content)[1].decode()
        for name in HER_RIGHTS
    }
    assert given == {name: name.split("-")[2] for name in HER_RIGHTS}


def test_a_correction_says_so_before_all_else(mails):
    """In the reader's language, with the day; before the notice that there is no edition in it."""
    said = {
        "correction-ru": "Это письмо — исправление.\n"
        "Оно заменяет письмо, отправленное вам в этот день: 2 ноября 2026\u202fг.\n",
        "correction-en-for-de": "Diese Nachricht ist eine Berichtigung.\n"
        "Sie ersetzt die Nachricht, die Ihnen an diesem Tag gesendet wurde: 2. November 2026\n",
    }
    for name, words in said.items():
        text, html = _parts(mails[name])
        assert words == text[: len(words)]
        first = html.index('class="notice correction"')
        later = [html.find(one) for one in ('class="notice"', 'class="card')]
        assert all(first < place for place in later if place >= 0)


@pytest.mark.parametrize(("name", "twin"), TEXT_ONLY.items())
def test_who_wants_no_html_gets_the_same_text_alone(mails, name, twin):
    """One part of plain text, without pictures; its header says as much as that of any other mail."""
    mail, other = (message_from_bytes(mails[one].content) for one in (name, twin))
    assert not mail.is_multipart()
    assert "text/plain" == mail.get_content_type()
    assert text_of(mails[twin].content) == text_of(mails[name].content)
    assert b"<html" not in mails[name].content
    of_body = {"Content-Type", "Content-Transfer-Encoding"}
    assert {*other.keys()} | of_body == {*mail.keys()}
    same = {*other.keys()} - of_body
    assert {one: other[one] for one in same} == {one: mail[one] for one in same}
