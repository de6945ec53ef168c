"""Every fault of a statement's folder is named with file, line and field."""

import shutil

import pytest
from PIL import Image

from mailer.model.faults import Severity, errors_in
from mailer.statements.catalog import Catalog
from mailer.statements.checks import check_revision, check_statement
from mailer.statements.source import read_folder, read_statement

TOML = """\
slug = "letter"
kind = "statement"
source_language = "en"

[[related]]
kind = "report"
title = { en = "Report", ru = "Доклад" }
address = "https://harbor.example.org/report"

[[signatories]]
name = { en = "Harbor", ro = "Portul" }
country = "MD"
"""

ENGLISH = """\
---
title: Stand with the center
subject: Stand with her
preheader: The doors are sealed
discreet_subject: Our letter
discreet_preheader: News
---

Dear {{ supporter.name | default("friend") }}, read [the report](https://harbor.example.org/report).

{% if supporter.country == "MD" %}
Come to the square.
{% endif %}

## What happened

![A light](light.png)

::: quote
attribution: Dina Karelova
source: https://willow.example.org/words
language: ru

Слова, которые были сказаны.
:::

::: demand
Open the doors.
:::
"""

RUSSIAN = """\
---
title: Поддержите центр
subject: Поддержите её
preheader: Двери опечатаны
discreet_subject: Наше письмо
discreet_preheader: Новости
translated_from: HASH
---

Прочитайте [доклад](https://harbor.example.org/report).
"""


@pytest.fixture
def folder(tmp_path):
    """A statement without a fault, in a workspace."""
    place = tmp_path / "templates" / "statements" / "letter"
    place.mkdir(parents=True)
    (place / "statement.toml").write_text(TOML, encoding="utf-8")
    (place / "en.md").write_text(ENGLISH, encoding="utf-8")
    Image.new("RGB", (60, 30), "navy").save(place / "light.png")
    source = read_folder(place, tmp_path).editions["en"]
    russian = RUSSIAN.replace("HASH", source.content_hash[:12])
    (place / "ru.md").write_text(russian, encoding="utf-8")
    return place


def root_of(folder):
    """Return the workspace a statement's folder is in."""
    return folder.parent.parent.parent


def replace(folder, name, old, new):
    """Change a file of the statement."""
    path = folder / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def faults_of(folder, severity=Severity.ERROR):
    """Return the faults as (file name, line, field, problem)."""
    _, faults = read_statement(folder, root_of(folder))
    return [
        (fault.file.rsplit("/", 1)[-1], fault.line, fault.field, fault.problem)
        for fault in faults
        if fault.severity is severity
    ]


def test_a_statement_without_faults_is_a_revision(folder):
    """Everything in the folder comes out, source edition first, with a digest."""
    revision, faults = read_statement(folder, root_of(folder))
    assert () == faults
    assert ("en", "ru") == revision.languages
    assert ["light.png"] == list(revision.pictures)
    assert 64 == len(revision.digest)
    assert revision.editions["en"].content_hash == revision.editions["ru"].translated_from
    assert 9 == revision.editions["en"].body_line
    assert revision.digest == read_statement(folder, root_of(folder))[0].digest


# Line 9 is the first of the body, right in the file.
FAULTS = [
    # Front matter.
    ("en.md", "subject: Stand with her\n", "", (1, "subject", "is missing")),
    ("en.md", "subject: Stand with her", "subject:", (3, "subject", "is empty")),
    ("en.md", "subject:", "Subject:", (3, "Subject", "is not a field known here")),
    ("en.md", "title: S", "author: X\ntitle: S", (2, "author", "is not a field known here")),
    ("en.md", "with her", "with {{ supporter.name }}", (3, "subject", "holds a slot or a condition")),
    ("en.md", "her\n", "her\ntranslated_from: aaaaaaaaaaaa\n",
     (4, "translated_from", "this is the source edition, translated from nothing")),
    ("ru.md", "её\n", "eё\n",
     (3, "subject", 'in the word "eё" letter 1 (e) is Latin and the others Cyrillic')),
    # Links.
    ("en.md", "(https://harbor.example.org/report)", "(/report)",
     (9, "link", '"/report" is relative: a mail belongs to no site')),
    ("en.md", "(https://harbor", "(http://harbor",
     (9, "link", '"http://harbor.example.org/report" is not https')),
    ("en.md", "](https", "] (https", (9, "link", "a broken link: it leads nowhere")),
    ("en.md", "[the report](", "[](", (9, "link", "a link without words")),
    ("en.md", "Come to", "Come\nto [x](mailto:nobody)",
     (13, "link", "the mail link is not a mail address")),
    # Hosts that only look right; what stands in the file may be an A-label when it is checked.
    ("en.md", "(https://harbor", "(https://hаrbor",
     (9, "link", ('"https://hаrbor.example.org/report" mixes alphabets in its host: in "hаrbor" letter 2 '
      "(а) is Cyrillic and the others Latin"))),
    ("en.md", "Come to", "Come\nto [x](mailto:office@hаrbor.example.org)",
     (13, "link", ('the mail link mixes alphabets in its host: in "hаrbor" letter 2 (а) is Cyrillic and '
      "the others Latin"))),
    ("en.md", "Come to", "See www.hаrbor.example.org. Come to",
     (12, "link", ('"www.hаrbor.example.org" mixes alphabets in its host: in "hаrbor" letter 2 (а) is '
      "Cyrillic and the others Latin"))),
    ("en.md", "source: https://willow", "source: https://wіllow",
     (21, "quote.source", ('mixes alphabets in its host: in "wіllow" letter 2 (і) is Cyrillic and the '
      "others Latin"))),
    # Pictures.
    ("en.md", "![A light]", "![]", (17, "picture", '"light.png" has no alternative text')),
    ("en.md", "(light.png)", "(gone.png)",
     (17, "picture", 'there is no picture "gone.png" in the folder')),
    ("en.md", "(light.png)", "(https://a.example.org/light.png)",
     (17, "picture",
      "\"https://a.example.org/light.png\" is not the plain name of a picture in the statement's folder")),
    # Quotes.
    ("en.md", "attribution: Dina Karelova\n", "", (19, "quote.attribution", "a quote with no attribution")),
    ("en.md", "attribution: Dina Karelova", "attribution:", (20, "quote.attribution", "is empty")),
    ("en.md", "source: https://willow", "source: willow",
     (21, "quote.source", "is relative: a mail belongs to no site")),
    ("en.md", "language: ru", "language: Russian",
     (22, "quote.language", '"Russian" is not a language')),
    ("en.md", "language: ru", "author: x", (22, "quote.author", "is not a field of a quote")),
    ("en.md", "language: ru", "source: https://x.example.org", (22, "quote.source", "is given twice")),
    ("en.md", "::: quote", "> Said.\n\n::: quote", (19, "quote", "a quote with > has no attribution")),
    ("en.md", "Слова, которые были сказаны.", "", (19, "quote", "the quote is empty")),
    # Blocks and headings.
    ("en.md", "Open the doors.\n:::", "Open the doors.", (27, "demand", "the demand is never closed")),
    ("en.md", "::: demand", "::: demands", (27, "demands", "is not a block known here")),
    ("en.md", "## What", "# What", (15, "heading", "a heading with a single #")),
    ("en.md", "Open the", "Open <b>the</b>", (28, "text", "HTML is shown as it stands")),
    # Letters, in the language of the line.
    ("en.md", "What happened", "What hаppened",
     (15, "text", 'in the word "hаppened" letter 2 (а) is Cyrillic and the others Latin')),
    ("en.md", "Слова", "Cлова",
     (24, "text", 'in the word "Cлова" letter 1 (C) is Latin and the others Cyrillic')),
    # The declaration.
    ("statement.toml", 'kind = "report"', 'kind = "paper"', (6, "related[0].kind", 'is "paper"')),
    ("statement.toml", '"Portul"', '"Porţul"',
     (11, "signatories[0].name.ro", 'in the word "Porţul" letter 4 (ţ) has a cedilla')),
    ("statement.toml", "https://harbor", "https://һаrbоr",
     (8, "related[0].address", ('mixes alphabets in its host: in "һаrbоr" letters 1 (һ), 2 (а) and 5 (о) '
      "are Cyrillic and the others Latin"))),
    ("statement.toml", "[[related]]", ('[[hashtags]]\ntag = "#HerRіghts"\naddress = "https://a.example.org"'
     "\n\n[[related]]"),
     (6, "hashtags[0].tag", 'in the word "HerRіghts" letter 5 (і) is Cyrillic and the others Latin')),
    ("statement.toml", '"en"', '"de"', (0, "source_language", "the source edition de.md is missing")),
]  # fmt: skip


@pytest.mark.parametrize(("name", "old", "new", "expected"), FAULTS)
def test_each_fault_has_file_line_and_field(folder, name, old, new, expected):
    """Each mistake is found at the line of the file it is in, and no revision comes of it."""
    replace(folder, name, old, new)
    assert (name, *expected) in faults_of(folder)
    assert read_statement(folder, root_of(folder))[0] is None


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        ("en.md", "preheader: The doors are sealed\n", "",
         (1, "preheader", "is missing: mail programs show the first words of the text instead")),
        ("en.md", "discreet_subject: Our letter\n", "",
         (1, "discreet_subject", "is missing: who is marked discreet cannot be sent this edition")),
        ("en.md", "Stand with her", "Stand " * 20,
         (3, "subject", "has 119 characters; mail programs cut it at about 90")),
        ("en.md", "Come to", "See https://a.example.org and come to",
         (12, "link", 'the address "https://a.example.org" is no link')),
        ("en.md", "## What", "#### What", (15, "heading", "skips from level 1 to 4")),
        ("statement.toml", ', ru = "Доклад"', "",
         (7, "related[0].title", '"Report" has no title in "ru"')),
        ("statement.toml", 'en = "Report", ru', "fa",
         (7, "related[0].title", '"Доклад" has no title in "ru"')),
    ],
)  # fmt: skip
def test_what_is_worth_a_look_stops_nothing(folder, name, old, new, expected):
    """A warning is told, and the statement can be loaded all the same once it is translated anew."""
    replace(folder, name, old, new)
    assert (name, *expected) in faults_of(folder, Severity.WARNING)


def test_a_stale_translation_is_told_what_to_do(folder):
    """Once the source changes, its translations say so, with the hash to write in the end."""
    replace(folder, "en.md", "Open the doors", "Open all doors")
    source = read_folder(folder, root_of(folder)).editions["en"]
    _, faults = read_statement(folder, root_of(folder))
    (fault,) = errors_in(faults)
    assert ("templates/statements/letter/ru.md", 7, "translated_from") == (
        fault.file, fault.line, fault.field,
    )  # fmt: skip
    assert "en.md has changed since this was translated" == fault.problem
    assert "mailer statements changes letter ru" in fault.remedy
    assert f"translated_from: {source.content_hash[:12]}" in fault.remedy
    replace(folder, "ru.md", (folder / "ru.md").read_text(encoding="utf-8").split("from: ")[1][:12],
            source.content_hash[:12])  # fmt: skip
    assert [] == faults_of(folder)


def test_a_translation_says_what_it_was_made_from(folder):
    """A missing or mistyped hash is told apart from a stale one."""
    text = (folder / "ru.md").read_text(encoding="utf-8")
    line = next(line for line in text.split("\n") if line.startswith("translated_from"))
    replace(folder, "ru.md", line + "\n", "")
    assert [("ru.md", 1, "translated_from", "is missing")] == faults_of(folder)
    (folder / "ru.md").write_text(text.replace(line, "translated_from: en"), encoding="utf-8")
    assert [("ru.md", 7, "translated_from", "is not the hash of an edition")] == faults_of(folder)


def test_all_faults_of_all_files_are_told_at_once(folder):
    """Nobody mends one fault to be told the next."""
    replace(folder, "en.md", "subject:", "topic:")
    replace(folder, "en.md", "![A light]", "![]")
    replace(folder, "ru.md", "доклад](https", "доклад](http")
    replace(folder, "statement.toml", '"MD"', '"Moldova"')
    found = {(name, line) for name, line, _, _ in faults_of(folder)}
    expected = {("en.md", 1), ("en.md", 3), ("en.md", 17), ("ru.md", 10), ("statement.toml", 12)}
    assert expected <= found


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("README.md", '"README" is not a language'),
        ("sr_Latn.md", '"sr_Latn" is not how the tag is written'),
        ("mo.md", '"mo" is not how the tag is written'),
    ],
)
def test_an_edition_is_named_by_its_language(folder, name, problem):
    """A file whose name is no tag, or another than the one form, is told."""
    shutil.copy(folder / "en.md", folder / name)
    assert (name, 0, "", problem) in faults_of(folder)


@pytest.mark.parametrize(("twin", "language"), [("EN.md", "en"), ("mo.md", "ro"), ("RU.md", "ru")])
def test_two_files_of_one_language_are_told_and_neither_hides_the_other(folder, twin, language):
    """The one whose name is not the tag is the second; both keep all their other faults."""
    own = f"{language}.md"
    text = (folder / "ru.md").read_text(encoding="utf-8")
    for name, word in ((own, "слoво"), (twin, "дeло")):
        (folder / name).write_text(text + f"\n{word} ![Свет](gone.png)\n", encoding="utf-8")
    found = faults_of(folder)
    stem = twin.removesuffix(".md")
    both = f'{twin} and {own} are both the edition in "{language}"'
    assert (twin, 0, "", both) in found
    assert (twin, 0, "", f'"{stem}" is not how the tag is written') in found
    for name in (own, twin):
        assert (name, 12, "picture", 'there is no picture "gone.png" in the folder') in found
        assert [name] == [fault[0] for fault in found if fault[:3] == (name, 12, "text")]
    assert read_statement(folder, root_of(folder))[0] is None


def test_the_faults_of_a_line_stand_in_the_order_of_the_line(folder):
    """Somebody who mends a line goes through it once."""
    replace(folder, "en.md", "Come to", "Tоo mаny\u200b slіps. Come to")
    _, faults = read_statement(folder, root_of(folder))
    assert [1, 5, 9, 11] == [fault.column for fault in faults if fault.field == "text"]


def test_each_address_that_is_no_link_is_told(folder):
    """The first of a line hides no other; an address between angle brackets is a link."""
    replace(
        folder,
        "en.md",
        "Come to",
        "See https://a.example.org, www.b.example.org. <https://c.example.org>",
    )
    problems = [problem for _, line, field, problem in faults_of(folder, Severity.WARNING)]
    assert ['the address "https://a.example.org" is no link',
            'the address "www.b.example.org" is no link'] == problems  # fmt: skip


def test_a_link_to_a_host_that_looks_right_is_told_once(folder):
    """Its words show the same address."""
    replace(folder, "en.md", "Come to", "See <https://hаrbor.example.org> and come to")
    assert [("en.md", 12, "link")] == [fault[:3] for fault in faults_of(folder)][:-1]
    replace(folder, "en.md", "<https://hаrbor.example.org>",
            "[https://hаrbor.example.org](https://harbor.example.org)")  # fmt: skip
    # The last is that the translation is older than this.
    assert [("en.md", 12, "link")] == [fault[:3] for fault in faults_of(folder)][:-1]


def test_hosts_in_one_script_of_any_kind_are_right(folder):
    """Names of hosts in Cyrillic or with an umlaut are addresses like others."""
    replace(folder, "en.md", "(https://harbor.example.org/report)", "(https://гавань.рф/доклад)")
    replace(folder, "ru.md", "(https://harbor.example.org/report)", "(https://bücher.example)")
    replace(folder, "statement.toml", "https://harbor.example.org/report", "https://гавань.рф")
    assert [("ru.md", 7, "translated_from")] == [fault[:3] for fault in faults_of(folder)]


def test_files_as_windows_writes_them_are_read(folder):
    """A byte-order mark and carriage returns change neither text nor digest."""
    before, _ = read_statement(folder, root_of(folder))
    text = (folder / "en.md").read_text(encoding="utf-8")
    (folder / "en.md").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    after, faults = read_statement(folder, root_of(folder))
    assert () == faults
    assert before.digest == after.digest


def test_a_file_that_is_not_utf8_is_named_with_its_line(folder):
    """An old encoding is told, at the line where it shows."""
    (folder / "ru.md").write_bytes("---\ntitle: Привет\n".encode("cp1251"))
    assert ("ru.md", 2, "", "is not UTF-8") in faults_of(folder)


def test_an_empty_folder_says_what_is_missing(tmp_path):
    """Without statement.toml nothing can be told but that."""
    assert [("statement.toml", 0, "", "is missing")] == faults_of_empty(tmp_path)


def faults_of_empty(folder):
    """Return the faults of a folder with nothing in it."""
    _, faults = read_statement(folder, folder)
    return [
        (fault.file.rsplit("/", 1)[-1], fault.line, fault.field, fault.problem) for fault in faults
    ]


def test_an_edition_needs_a_complete_catalog(folder):
    """An edition in a language whose fixed phrases are missing is an error that lists them."""
    catalogs = {
        "en": Catalog("en", "n != 1", {"Unsubscribe": ("Unsubscribe",), "Forward": ("Forward",)}),
        "ru": Catalog("ru", "0", {"Forward": ("Переслать",)}, ("Unsubscribe",)),
    }
    shutil.copy(folder / "ru.md", folder / "uk.md")
    found = {
        fault.file.rsplit("/", 1)[-1]: fault
        for fault in check_statement(folder, root_of(folder), catalogs)
        if fault.field == "language"
    }
    assert {"ru.md", "uk.md"} == set(found)
    assert 'the catalog for Russian lacks the phrases "Unsubscribe"' == found["ru.md"].problem
    expected = 'there is no catalog for Ukrainian; it needs the phrases "Forward"; "Unsubscribe"'
    assert expected == found["uk.md"].problem
    assert "Add templates/locale/uk/LC_MESSAGES/mailer.po" == found["uk.md"].remedy


def test_a_stored_revision_is_checked_against_the_catalogs_there_are_now(folder):
    """What was loaded with a complete catalog is told when the catalog is no longer complete."""
    revision, _ = read_statement(folder, root_of(folder))
    catalog = Catalog("en", "n != 1", {"Forward": ("Forward",)})
    (fault,) = check_revision(revision, {"en": catalog})
    assert ("templates/statements/letter/ru.md", "language") == (fault.file, fault.field)
