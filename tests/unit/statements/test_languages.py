"""The choice of an edition, and what languages are called."""

from datetime import date

import pytest

from mailer.cldr import is_language
from mailer.model.audience import LanguageChoice, LanguageProfile, LanguageStep
from mailer.statements.languages import (
    MalformedTag,
    choose_edition,
    country_name,
    direction,
    find_locale,
    has_italics,
    is_never,
    join_languages,
    language_name,
    long_date,
)

FIRST, LATER, FALLBACK, NONE = LanguageStep


def choose(languages, editions, *, never=(), chain=(), source="en"):
    """Choose for a person with these languages among these editions."""
    profile = LanguageProfile(tuple(languages.split()), tuple(never))
    return choose_edition(profile, editions.split(), source, chain)


@pytest.mark.parametrize(
    ("languages", "editions", "expected", "step"),
    [
        # The exact tag, whatever else there is.
        ("en-GB", "en en-GB", "en-GB", FIRST),
        ("ru", "en ru", "ru", FIRST),
        # The base tag.
        ("ru-KG", "en ru", "ru", FIRST),
        ("be-tarask", "en be", "be", FIRST),
        # Any edition of the same base and script.
        ("en-GB", "ru en-US", "en-US", FIRST),
        ("en", "ru en-US", "en-US", FIRST),
        ("sr", "en sr-Cyrl", "sr-Cyrl", FIRST),
        ("sr-Cyrl", "en sr", "sr", FIRST),
        ("zh-TW", "en zh-Hant", "zh-Hant", FIRST),
        # Never another script of the same language.
        ("sr-Latn", "en sr-Cyrl", "en", FALLBACK),
        ("sr-Latn", "en sr", "en", FALLBACK),
        ("sr-ME", "en sr", "en", FALLBACK),
        ("az-Arab", "en az", "en", FALLBACK),
        # Legacy tags.
        ("mo", "en ro", "ro", FIRST),
        ("iw", "en he", "he", FIRST),
        # A later language.
        ("uk en", "en ru", "en", LATER),
        ("ky ru en", "en ru", "ru", LATER),
        # Never by likeness: Ukrainian and Belarusian are not Russian.
        ("uk", "en ru", "en", FALLBACK),
        ("be", "en ru", "en", FALLBACK),
        # Nothing said: the chain or the source, and nothing to excuse.
        ("", "en ru", "en", FALLBACK),
        # What is no tag can match no edition.
        ("русский en", "en ru", "en", FIRST),
    ],
)
def test_the_nearest_edition_is_chosen(languages, editions, expected, step):
    """Exact tag, then base tag, then base and script, language after language."""
    choice = choose(languages, editions)
    assert (expected, step) == (choice.language, choice.step)


def test_the_chain_comes_before_the_source():
    """The list's chain is tried in order, and the source edition last."""
    assert "ru" == choose("ky", "en ru", chain=("ro", "ru")).language
    assert "en" == choose("ky", "en ru", chain=("ro",)).language


def test_a_never_language_is_chosen_by_no_way():
    """The never-list holds against the person's languages, the chain and the source alike."""
    choice = choose("uk ru-UA", "en ru", never=("ru",), chain=("ru",))
    assert LanguageChoice("en", FALLBACK, "uk") == choice
    assert LanguageChoice(None, NONE, "uk") == choose("uk", "ru", never=("ru",), source="ru")


def test_a_language_both_wanted_and_never_wanted_is_never_wanted():
    """Nobody is even addressed in a language of their never-list."""
    assert LanguageChoice("en", FIRST, "en") == choose("ru en", "en ru", never=("ru",))
    assert LanguageChoice("en", FALLBACK, None) == choose("ru", "en ru", never=("ru",))


def test_an_unreadable_never_list_forbids_everything():
    """Where it cannot be told what a person must not be sent, nothing is sent."""
    assert LanguageChoice(None, NONE, "en") == choose("en", "en ru", never=("russkiy yazyk",))


def test_a_notice_goes_with_every_edition_but_the_first_language():
    """The notice stands where a first language is known and the edition is in another."""
    assert not choose("ru", "en ru").notice
    assert choose("uk en", "en ru").notice
    assert choose("uk", "en ru").notice
    assert not choose("", "en ru").notice


@pytest.mark.parametrize(
    ("tag", "never", "expected"),
    [
        ("ru-UA", "ru", True),
        ("sr-Latn", "sr", True),
        ("sr", "sr-Cyrl", True),
        ("sr-RS", "sr-Cyrl", True),
        ("sr", "sr-Latn", False),
        ("en", "en-GB", True),
        ("ru", "ru-RU", True),
        ("ru-KZ", "ru-RU", False),
        ("zh", "zh-TW", False),
        ("zh-Hant", "zh-TW", True),
        ("en-GB", "en-GB", True),
        ("en-US", "en-GB", False),
        ("ro-MD", "mo", True),
        ("uk", "ru", False),
    ],
)
def test_what_a_never_entry_covers(tag, never, expected):
    """A base tag covers all of the language, a longer one what it says and what its reader gets."""
    assert expected is is_never(tag, [never])


def test_is_never_refuses_what_is_no_tag():
    """An entry that cannot be read is not passed over."""
    with pytest.raises(MalformedTag):
        is_never("en", ["???"])


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("en", "ltr"), ("ru", "ltr"), ("ky", "ltr"), ("fa", "rtl"), ("fa-AF", "rtl"), ("he", "rtl"),
        ("az", "ltr"), ("az-Arab", "rtl"), ("uz-AF", "rtl"), ("ug", "rtl"), ("ckb", "rtl"),
    ],
)  # fmt: skip
def test_direction_follows_the_script(tag, expected):
    """Text runs as its script does, also where a language has several."""
    assert expected == direction(tag)


def test_italics_are_for_scripts_that_have_them():
    """Latin and Cyrillic quotes are set in italics, Persian ones are not."""
    assert [True, True, True, False, False] == [
        has_italics(tag) for tag in ("en", "ru", "ky", "fa", "zh")
    ]


@pytest.mark.parametrize(
    ("in_language", "expected"),
    [
        ("en", "English, Russian"),
        ("ru", "английский, русский"),
        ("uk", "англійська, російська"),
        ("be", "англійская, руская"),
        ("ro", "engleză, rusă"),
        ("ky", "англисче, орусча"),
        ("fa", "انگلیسی، روسی"),
        ("de", "Englisch, Russisch"),
    ],
)
def test_languages_are_listed_in_the_readers_words(in_language, expected):
    """The names, their case and the comma between them are those of the reader's language."""
    assert expected == join_languages(["en", "ru"], in_language)


OURS = ("en", "ru", "uk", "be", "ro", "ky", "fa", "de")


@pytest.mark.parametrize("in_language", OURS)
def test_cldr_names_our_languages_in_each_other(in_language):
    """CLDR has a name for each of our eight languages in each of them, and no tag stands for one."""
    names = [language_name(tag, in_language) for tag in OURS]
    assert not set(OURS) & set(names)
    assert len(OURS) == len(set(names))


def test_names_tell_scripts_and_regions_apart():
    """Where a tag says more than a language, its name does too."""
    assert "sârbă (latină)" == language_name("sr-Latn", "ro")
    assert "British English" == language_name("en-GB", "en")
    assert "белорусский" == language_name("be", "ru-KG")


def test_a_language_without_a_name_is_called_by_its_own():
    """A name nobody translated is the language's own for itself, else its tag."""
    assert "rom" == language_name("rom", "ky")
    assert "кыргызча" == language_name("ky", "xx")


def test_locales_are_found_in_the_right_script():
    """A locale of another script is no locale for a tag."""
    assert "sr_Latn_ME" == str(find_locale("sr-ME"))
    assert "en_GB" == str(find_locale("en-GB"))
    assert find_locale("xx") is None


def test_known_languages_are_those_with_a_name():
    """File names like README are no languages."""
    assert [True, True, False, False] == [
        is_language(tag) for tag in ("ky", "sr-Latn", "readme", "!")
    ]


def test_some_names_are_those_that_the_people_concerned_use():
    """Where CLDR's word is taken amiss, another stands; elsewhere CLDR's does."""
    assert "кыргызский" == language_name("ky", "ru")
    assert "Belarusisch" == language_name("be", "de")
    assert ["Кыргызстан", "Kirgisistan"] == [country_name("KG", one) for one in ("ru", "de")]


@pytest.mark.parametrize(
    ("language", "written"),
    [("en", "November 2, 2026"), ("ru", "2 ноября 2026\u202fг."), ("fa", "۲ نوامبر ۲۰۲۶"),
     ("de", "2. November 2026"), ("xx", "2026-11-02")],
)  # fmt: skip
def test_days_are_written_out_in_the_languages_own_digits(language, written):
    """Persian has digits of its own; a language that CLDR does not know gets ISO 8601."""
    assert written == long_date(date(2026, 11, 2), language)
