"""A newsletter's files are read with all that is wrong with them; an issue is made of its items."""

from datetime import date

import pytest

from mailer.model.statement import ItemText, NewsletterItem, StatementKind
from mailer.statements.issues import items_elsewhere, items_in, make_issue
from mailer.statements.newsletters import read_newsletter
from mailer.store.newsletters import newsletter_from_document, newsletter_to_document
from tests.support.newsletters import DAY, harbor_issue, harbor_letters

TOML = """\
slug = "letters"
cron = "0 9 * * 1"
time_zone = "Europe/Chisinau"
source_language = "en"
lists = ["harbor-news"]
"""
HEAD = """\
---
title: Letters {number}, {date}
subject: Letters
preheader: New
discreet_subject: A letter
discreet_preheader: From us
---
"""


@pytest.fixture
def folder(tmp_path):
    """A newsletter in English without a fault."""
    made = tmp_path / "templates" / "newsletters" / "letters"
    made.mkdir(parents=True)
    (made / "newsletter.toml").write_text(TOML)
    (made / "en.md").write_text(HEAD)
    return made


def faults(folder):
    """What is wrong, each as (file, line, field, problem)."""
    found = read_newsletter(folder, folder.parents[2])
    return [(one.file.split("/")[-1], one.line, one.field, one.problem) for one in found.faults]


def item(slug, *languages):
    """An item with editions in these languages, the first its source."""
    return NewsletterItem(
        slug, 1, languages[0], {one: ItemText(f"{slug} {one}", "") for one in languages}
    )


def test_the_shortest_newsletter_has_no_fault(folder):
    """There need be no words before the items; both kinds are told of."""
    found = read_newsletter(folder, folder.parents[2])
    assert () == found.faults
    assert (StatementKind.STATEMENT, StatementKind.APPEAL) == found.newsletter.kinds
    assert ("", None) == (found.newsletter.segment, found.newsletter.since)


@pytest.mark.parametrize(
    ("old", "new", "line", "field", "problem"),
    [
        ('slug = "letters"', 'slug = "other"', 1, "slug", 'is "other" in the folder "letters"'),
        ('slug = "letters"', 'slug = "A B"', 1, "slug", '"A B" cannot stand in an address'),
        ('cron = "0 9 * * 1"\n', "", 0, "cron", "is missing"),
        ('"Europe/Chisinau"', '"Europe/Nowhere"', 3, "time_zone",
         '"Europe/Nowhere" is no time zone'),
        ('"en"', '"EN"', 4, "source_language", '"EN" is not a language'),
        ('"en"', '"ru"', 4, "source_language",
         "ru.md, in the source language, is missing or cannot be read"),
        ('["harbor-news"]', "[]", 5, "lists", "names none"),
        ('["harbor-news"]', '["a", "a"]', 5, "lists", 'names "a" twice'),
        ('["harbor-news"]', "[1]", 5, "lists", "holds something that is no text in quotes"),
        ("lists", "list", 5, "list", "is not a key known here"),
        ("lists =", 'kinds = ["newsletter"]\nlists =', 5, "kinds",
         '"newsletter" cannot be told of'),
        ("lists =", 'since = "2026-01-01"\nlists =', 5, "since", "is not a day"),
        ("lists =", "segment = 1\nlists =", 5, "segment", "is not a text in quotes, or empty"),
        ("slug =", "slug", 1, "", "is not TOML: expected '=' after a key in a key/value pair"),
    ],
)  # fmt: skip
def test_faults_of_the_declaration_have_line_and_field(folder, old, new, line, field, problem):
    """Whatever is wrong is told at its place."""
    (folder / "newsletter.toml").write_text(TOML.replace(old, new))
    assert ("newsletter.toml", line, field, problem) in faults(folder)
    assert read_newsletter(folder, folder.parents[2]).newsletter is None


@pytest.mark.parametrize(
    ("old", "new", "line", "field", "problem"),
    [
        ("{number}", "{nummer}", 2, "title", "{nummer} stands for nothing here"),
        ("subject: Letters\n", "", 1, "subject", "is missing"),
        ("title: Letters {number}", "title: {{ supporter.name }}", 2, "title",
         "holds a slot or a condition"),
        ("preheader: New", "translated_from: 3c1f09a2b7d4", 4, "translated_from",
         "is for statements: each language of a newsletter has words of its own"),
        ("---\n", "---\n![A boat](boat.png)\n", None, "picture",
         "a newsletter carries no pictures"),
    ],
)  # fmt: skip
def test_faults_of_a_language_have_line_and_field(folder, old, new, line, field, problem):
    """A mark that stands for nothing, a field that is missing or not for newsletters, a picture."""
    text = HEAD.replace(old, new) if line else HEAD + "![A boat](boat.png)\n"
    (folder / "en.md").write_text(text)
    assert ("en.md", line or 8, field, problem) in faults(folder)


def test_a_newsletter_is_kept_whole():
    """What is stored is what was read."""
    newsletter = harbor_letters()
    assert newsletter == newsletter_from_document(newsletter_to_document(newsletter))


def test_marks_are_filled_in_the_language_of_the_edition(folder):
    """Day and number are written as the language writes them."""
    (folder / "fa.md").write_text(HEAD)
    newsletter = read_newsletter(folder, folder.parents[2]).newsletter
    issue = make_issue(newsletter, [item("one", "en", "fa")], 12, date(2026, 11, 30))
    titles = [edition.title for edition in issue.editions.values()]
    assert ["Letters 12, November 30, 2026", "Letters ۱۲, ۳۰ نوامبر ۲۰۲۶"] == titles


def test_an_issue_has_the_editions_that_have_an_item():
    """Where the newsletter's own language has none, the first that has one is the source."""
    newsletter = harbor_letters()
    assert make_issue(newsletter, [], 1, DAY) is None
    assert make_issue(newsletter, [item("one", "ky")], 1, DAY) is None
    issue = make_issue(newsletter, [item("one", "ru"), item("two", "ky")], 1, DAY)
    assert ("ru", ("ru",)) == (issue.source_language, issue.languages)


def test_every_item_is_in_every_edition_once():
    """Shown or only named, in the order of the issue."""
    issue = harbor_issue()
    for language in issue.languages:
        shown = [one.slug for one in items_in(issue, language)]
        named = [one.slug for one in items_elsewhere(issue, language)]
        assert sorted([*shown, *named]) == sorted(one.slug for one in issue.items)
        assert shown
    english = [one.slug for one in items_in(issue, "en")]
    assert ["open-shelves", "her-rights"] == english


def test_an_item_in_another_script_or_near_language_is_only_named():
    """Ukrainian is no Russian, and Serbian in Latin letters is none in Cyrillic."""
    issue = harbor_issue([item("one", "en", "uk"), item("two", "sr-Latn"), item("three", "en-GB")])
    assert ["one", "three"] == [one.slug for one in items_in(issue, "en")]
    assert ["en", "en-GB"] == [one.language for one in items_in(issue, "en")]
    assert ["one", "two", "three"] == [one.slug for one in items_elsewhere(issue, "ru")]
