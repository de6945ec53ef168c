"""Letters that are not what they seem."""

import pytest

from mailer.statements.letters import letter_faults


def problems(text, language):
    """Return what is said of each fault."""
    return [fault.problem for fault in letter_faults(text, language)]


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("ru", "из Mосквы", 'in the word "Mосквы" letter 1 (M) is Latin and the others Cyrillic'),
        ("en", "in Сhina", 'in the word "Сhina" letter 1 (С) is Cyrillic and the others Latin'),
        ("uk", "Українi", 'in the word "Українi" letter 7 (i) is Latin and the others Cyrillic'),
        ("be", "Мiнск", 'in the word "Мiнск" letter 2 (i) is Latin and the others Cyrillic'),
        ("ky", "Кыргызcтaн",
         'in the word "Кыргызcтaн" letters 7 (c) and 9 (a) are Latin and the others Cyrillic'),
        ("ro", "Мoldova", 'in the word "Мoldova" letter 1 (М) is Cyrillic and the others Latin'),
        ("fa", "PEN-клуб Cвобода", 'in the word "Cвобода" letter 1 (C) is Latin and the others Cyrillic'),
        # Both scripts could be the slip: the language decides.
        ("ru", "ОAО", 'in the word "ОAО" letter 2 (A) is Latin and the others Cyrillic'),
        ("en", "CОE", 'in the word "CОE" letter 2 (О) is Cyrillic and the others Latin'),
        # An accent over a letter is not counted.
        ("ru", "за\u0301мoк", 'in the word "за\u0301мoк" letter 4 (o) is Latin and the others Cyrillic'),
        ("ro", "știinţă", 'in the word "știinţă" letter 6 (ţ) has a cedilla'),
        ("ro", "paşi", 'in the word "paşi" letter 3 (ş) has a cedilla'),
        ("fa", "كتاب", 'in the word "كتاب" letter 1 (ك) has the Arabic form'),
        ("en", "a\u202eb", "U+202E turns the direction of text unseen"),
        ("en", "a\x07b", "U+0007 is a control character"),
        ("en", "a\u200bb", "U+200B is an unseen character inside the text"),
    ],
)  # fmt: skip
def test_the_word_the_letter_and_what_it_is_are_said(language, text, expected):
    """A person is told which letter of which word to type anew."""
    assert [expected] == problems(text, language)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ru", "IT-отдел, HTML-письмо, PDFы, SMSом, iPhone'ом, СМИ, за\u0301мок, МВФ и WHO"),
        ("ru", "Свет COVID-19, web-сайт, e-mail, №5, 3D"),
        ("uk", "Україна, м’ята, Ґданськ, її"),
        ("ky", "Кыргызстандын өкмөтү, аялдардын укуктары, Ыңгай"),
        ("be", "Ў Беларусі, дзе няма i, няма"),
        ("en", "Ivan Іванов wrote naïve, café, Łódź"),
        ("ro", "Erdoğan, știință, țară, Ștefan, paĢ"),
        ("tr", "Beşiktaş"),
        ("de", "paşi"),
        ("fa", "می‌خواهیم، کتاب"),
        ("ar", "كتاب في"),
        ("no tag", "text"),
    ],
)
def test_honest_words_are_left_alone(language, text):
    """Acronyms, borrowed words, apostrophes and joiners are no slips."""
    assert [] == problems(text, language)


def test_the_remedy_gives_the_word_as_it_should_be():
    """What to write is there to be copied."""
    fault = next(iter(letter_faults("в Mocквe", "ru")))
    assert 'Write it anew in Cyrillic letters only: "Москве"' == fault.remedy
    assert 2 == fault.start


def test_slips_are_told_in_the_order_they_stand_in():
    """Unseen characters and words alike."""
    assert [0, 5, 8] == [fault.start for fault in letter_faults("mаny \u200b, \u202eslip", "en")]


def test_doubtful_finds_are_marked():
    """An Arabic letter in Persian may be a quote; it stops nobody."""
    assert [True] == [fault.doubtful for fault in letter_faults("كتاب", "fa")]
    assert [False] == [fault.doubtful for fault in letter_faults("ţară", "ro")]
