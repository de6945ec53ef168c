"""Catalogs of fixed phrases: reading them, speaking them, and ours being complete."""

from pathlib import Path

import pytest

from mailer.model.faults import FaultsFound
from mailer.statements.catalog import (
    Catalog,
    MissingPhrase,
    MissingValue,
    complete_catalogs,
    find_catalog,
    load_catalogs,
    missing_phrases,
    placeholders,
    required_phrases,
)
from tools.catalogs import PLURALS, ROOT, renewed, used_phrases

OURS = tuple(PLURALS)

HEAD = """\
msgid ""
msgstr ""
"Content-Type: text/plain; charset=utf-8\\n"
"Language: {language}\\n"
"Plural-Forms: {plurals}\\n"
"""


def write(folder, language, body, plurals=None):
    """Write a catalog below `folder` and return the folder of all of them."""
    path = folder / "templates" / "locale" / language / "LC_MESSAGES" / "mailer.po"
    path.parent.mkdir(parents=True)
    rule = plurals or PLURALS.get(language, PLURALS["en"])
    path.write_text(HEAD.format(language=language, plurals=rule) + body, encoding="utf-8")
    return folder / "templates" / "locale"


ENGLISH = """
msgid "Unsubscribe"
msgstr "Unsubscribe"

msgid "In %(languages)s"
msgstr "In %(languages)s"

msgid "%(count)s name"
msgid_plural "%(count)s names"
msgstr[0] "%(count)s name"
msgstr[1] "%(count)s names"
"""


@pytest.fixture
def english(tmp_path):
    """A small complete catalog."""
    return load_catalogs(write(tmp_path, "en", ENGLISH))["en"]


def test_a_phrase_is_given_with_its_values(english):
    """Values go in by name, and a stray percent sign stays one."""
    assert "Unsubscribe" == english.phrase("Unsubscribe")
    assert "In English, 50 %" == english.phrase("In %(languages)s", languages="English, 50 %")


def test_a_missing_phrase_is_an_error_that_names_it(english):
    """Nothing falls back to the original by itself."""
    with pytest.raises(MissingPhrase) as caught:
        english.phrase("Forward")
    assert ("en", "Forward") == (caught.value.language, caught.value.phrase)
    with pytest.raises(MissingPhrase):
        english.plural("%(count)s day", "%(count)s days", 1)


def test_a_missing_value_is_an_error_that_names_it(english):
    """A phrase is never shown with a hole in it."""
    with pytest.raises(MissingValue) as caught:
        english.phrase("In %(languages)s")
    assert "languages" == caught.value.name


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("en", {0: 1, 1: 0, 2: 1, 21: 1}),
        ("ru", {0: 2, 1: 0, 2: 1, 4: 1, 5: 2, 11: 2, 12: 2, 21: 0, 22: 1, 111: 2}),
        ("uk", {1: 0, 3: 1, 14: 2, 31: 0}),
        ("be", {1: 0, 3: 1, 14: 2, 31: 0}),
        ("ro", {0: 1, 1: 0, 2: 1, 19: 1, 20: 2, 100: 2, 101: 1}),
        ("ky", {0: 1, 1: 0, 2: 1}),
        ("fa", {0: 0, 1: 0, 2: 1}),
        ("de", {0: 1, 1: 0, 2: 1}),
    ],
)
def test_each_language_counts_by_its_own_rule(tmp_path, language, expected):
    """The Plural-Forms we write are those of CLDR for whole numbers."""
    forms = int(PLURALS[language].split("nplurals=")[1][0])
    strings = "".join(f'msgstr[{form}] "{form}: %(count)s"\n' for form in range(forms))
    body = f'\nmsgid "%(count)s name"\nmsgid_plural "%(count)s names"\n{strings}'
    catalog = load_catalogs(write(tmp_path, language, body))[language]
    found = {
        count: int(catalog.plural("%(count)s name", "%(count)s names", count)[0])
        for count in expected
    }
    assert expected == found


def test_counts_are_written_in_the_digits_of_the_language(tmp_path):
    """Persian readers see Persian digits, and large numbers are grouped."""
    folder = write(tmp_path, "fa", "")
    write(tmp_path, "en", "")
    catalogs = load_catalogs(folder)
    assert "۱٬۲۰۰" == catalogs["fa"].number(1200)
    assert "1,200" == catalogs["en"].number(1200)


def test_fuzzy_and_empty_are_missing(tmp_path):
    """A guess of a tool and a form left out are no translation."""
    write(tmp_path, "en", ENGLISH)
    folder = write(
        tmp_path,
        "ru",
        """
#, fuzzy
msgid "Unsubscribe"
msgstr "Отписаться"

msgid "In %(languages)s"
msgstr ""

msgid "%(count)s name"
msgid_plural "%(count)s names"
msgstr[0] "%(count)s имя"
msgstr[1] "%(count)s имени"
msgstr[2] ""
""",
    )
    catalogs = load_catalogs(folder)
    assert {} == catalogs["ru"].forms
    assert ("%(count)s name", "In %(languages)s", "Unsubscribe") == missing_phrases(catalogs, "ru")
    assert ["en"] == list(complete_catalogs(catalogs))


def test_a_catalog_survives_being_stored(english):
    """What a mailing pins speaks as the file did."""
    again = Catalog.from_document(english.to_document())
    assert english == again
    assert "2 names" == again.plural("%(count)s name", "%(count)s names", 2)


def test_a_reader_finds_the_catalog_of_their_language_and_script_only(tmp_path):
    """en-GB reads en; sr-Latn does not read sr; nobody reads a neighbor's."""
    write(tmp_path, "en", ENGLISH)
    write(tmp_path, "sr", ENGLISH)
    catalogs = load_catalogs(write(tmp_path, "sr_Latn", ENGLISH))
    assert "en" == find_catalog(catalogs, "en-GB").language
    assert "sr-Latn" == find_catalog(catalogs, "sr-ME").language
    assert "sr" == find_catalog(catalogs, "sr-RS").language
    assert find_catalog(catalogs, "uk") is None
    assert required_phrases(catalogs) == missing_phrases(catalogs, "uk")


def test_a_value_or_markup_that_the_original_has_not_is_a_fault(tmp_path):
    """Translations keep the values and bring no markup; the file and line are named."""
    folder = write(
        tmp_path,
        "de",
        """
msgid "In %(languages)s"
msgstr "Auf %(sprachen)s"

msgid "Unsubscribe"
msgstr "<b>Abmelden</b>"
""",
    )
    with pytest.raises(FaultsFound) as caught:
        load_catalogs(folder)
    found = [(fault.file, fault.line, fault.problem) for fault in caught.value.faults]
    file = "templates/locale/de/LC_MESSAGES/mailer.po"
    assert [
        (file, 7, "the value %(languages)s is missing"),
        (file, 7, "the value %(sprachen)s is not one the phrase is given"),
        (file, 10, "holds markup"),
    ] == found


@pytest.mark.parametrize(("body", "line"), [('\nmsgid "a\nmsgstr "b"\n', 7), ("\nnonsense\n", 7)])
def test_a_damaged_catalog_is_named_with_its_line(tmp_path, body, line):
    """A file that cannot be read stops the work, all such files at once."""
    folder = write(tmp_path, "de", body)
    write(tmp_path, "not a tag", ENGLISH)
    with pytest.raises(FaultsFound) as caught:
        load_catalogs(folder)
    assert [0, line] == sorted(fault.line for fault in caught.value.faults)


@pytest.mark.parametrize("language", OURS)
def test_our_catalogs_are_complete(language):
    """Every phrase that templates use has a finished translation with the same values."""
    catalogs = load_catalogs(ROOT / "templates" / "locale")
    used = [message for message in used_phrases() if message.id]
    ids = [one.id if isinstance(one.id, str) else one.id[0] for one in used]
    assert () == missing_phrases(catalogs, language, ids)
    for message in used:
        singular = message.id if isinstance(message.id, str) else message.id[0]
        for form in catalogs[language].forms[singular]:
            assert placeholders(form) <= placeholders(
                " ".join(message.id) if message.pluralizable else singular
            )


@pytest.mark.parametrize("language", OURS)
def test_our_catalogs_are_up_to_date(language):
    """`make catalogs` would change nothing."""
    path = ROOT / "templates" / "locale" / language / "LC_MESSAGES" / "mailer.po"
    text = path.read_text(encoding="utf-8")
    assert text == renewed(language, text, used_phrases())


def test_new_phrases_are_added_and_translations_kept(tmp_path):
    """Renewing keeps what is translated, adds what is new empty, and drops what is unused."""
    templates = tmp_path / "templates" / "mail" / "statement"
    templates.mkdir(parents=True)
    page = templates / "message.html"
    page.write_text('{{ _("Hello") }} {{ _("Bye") }}', encoding="utf-8")
    before = renewed("de", "", used_phrases(tmp_path)).replace(
        '"Hello"\nmsgstr ""', '"Hello"\nmsgstr "Hallo"'
    )
    page.write_text(
        '{{ _("Hello") }} {{ ngettext("%(count)s day", "%(count)s days", 3) }}', encoding="utf-8"
    )
    after = renewed("de", before, used_phrases(tmp_path))
    assert 'msgid "Hello"\nmsgstr "Hallo"' in after
    assert 'msgid_plural "%(count)s days"\nmsgstr[0] ""\nmsgstr[1] ""' in after
    assert "Bye" not in after
    assert after == renewed("de", after, used_phrases(tmp_path))


def test_a_template_with_a_mistake_loses_no_phrase_in_silence(tmp_path):
    """A template that does not parse stops the phrase tool."""
    folder = tmp_path / "templates" / "mail"
    folder.mkdir(parents=True)
    Path(folder / "message.html").write_text('{{ _("Hello") ', encoding="utf-8")
    with pytest.raises(Exception, match="unexpected end"):
        used_phrases(tmp_path)
