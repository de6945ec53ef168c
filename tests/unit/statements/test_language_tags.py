"""Language tags: one form for all, legacy codes replaced."""

import pytest

from mailer.model.tags import LanguageTag, MalformedTag, normalize_tag, parse_tag


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("en", "en"),
        ("EN_gb", "en-GB"),
        ("ru_RU", "ru-RU"),
        ("sr_latn_me", "sr-Latn-ME"),
        ("mo", "ro"),
        ("mo-MD", "ro-MD"),
        ("iw", "he"),
        ("in", "id"),
        ("sh", "sr-Latn"),
        ("sh-Cyrl", "sr-Cyrl"),
        ("rus", "ru"),
        ("ger", "de"),
        ("per", "fa"),
        ("prs", "fa-AF"),
        ("be-tarask", "be-tarask"),
        ("zh-yue-HK", "yue-HK"),
        ("es-419", "es-419"),
        ("en-GB-u-ca-gregory", "en-GB"),
        (" uk ", "uk"),
    ],
)
def test_a_tag_has_one_form(written, expected):
    """However a tag is written, it is stored and compared in one form."""
    assert expected == normalize_tag(written)
    assert expected == normalize_tag(expected)


@pytest.mark.parametrize(
    "text", ["", "русский", "x-klingon", "e", "en--GB", "Russian language", "a" * 90]
)
def test_what_is_no_tag_is_refused(text):
    """Text that is no tag is refused and not guessed at."""
    with pytest.raises(MalformedTag) as caught:
        normalize_tag(text)
    assert text == caught.value.text


def test_a_tag_comes_apart():
    """Language, script, region and variants are told apart."""
    assert LanguageTag("sr", "Latn", "ME", ("ekavsk",)) == parse_tag("SR-latn-me-EKAVSK")
