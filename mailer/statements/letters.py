"""Find letters that look right and are not: of another script, with a cedilla, or unseen.

In: text and the language it is in. Out: what to tell a person: the word, which letter of it, and
what stands there. A word of two scripts cannot be searched for, is read aloud wrongly, and to a
mail filter looks like deception. Words that join scripts on purpose (IT-отдел, PDFы) are left alone.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mailer.cldr import script_of
from mailer.model.tags import MalformedTag, parse_tag
from mailer.model.worded import worded

_WORD = re.compile(r"[^\W\d_](?:[^\W\d_]|[\u0300-\u036f])*")

LATIN = worded("Latin")
CYRILLIC = worded("Cyrillic")
#: Latin letters that look like Cyrillic ones of the alphabets we meet, and what was meant.
LATIN_TO_CYRILLIC = dict(
    zip(
        "AaBCcEeHIiKkMOoPpTXxYyËëÏï",
        "АаВСсЕеНІіКкМОоРрТХхУуЁёЇї",
        strict=True,
    )
)
#: The same for alphabets that have these too.
_LATIN_TO_SOUTH_SLAVIC = LATIN_TO_CYRILLIC | {"J": "Ј", "j": "ј", "S": "Ѕ", "s": "ѕ"}
_SOUTH_SLAVIC = frozenset({"sr", "mk", "cnr", "bs"})
#: Cyrillic letters that look like Latin ones: more of them, as all of these are used to deceive.
CYRILLIC_TO_LATIN = {
    **{cyrillic: latin for latin, cyrillic in _LATIN_TO_SOUTH_SLAVIC.items()},
    **dict(zip("һԁԛԝүӏ", "hdqwyl", strict=True)),
}
#: Letters with a cedilla, which Romanian writes with a comma below.
_CEDILLA_TO_COMMA = dict(zip("şŞţŢ", "șȘțȚ", strict=True))
#: Turkish and Azerbaijani write ş; one of these beside it tells that the word is theirs.
_TURKIC_LETTERS = frozenset("ğĞıİçÇöÖüÜəƏ")
#: Arabic letters that look like Persian ones.
_ARABIC_TO_PERSIAN = {"ي": "ی", "ك": "ک"}
_PERSIAN = frozenset({"fa"})
# Overrides and embeddings turn text around unseen; U+200E, U+200F, U+200C and U+200D are honest.
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff]")
_UNSEEN = re.compile("[\u200b\u2060\ufeff\u00ad]")


@dataclass(frozen=True)
class LetterFault:
    """A word with letters that are not what they seem."""

    #: Where it begins in the text, counted from 0.
    start: int
    problem: str
    remedy: str
    #: Whether it may be right after all.
    doubtful: bool = False


def letter_faults(text: str, language: str) -> Iterator[LetterFault]:
    """Yield every letter that is not what it seems, in the order of the text.

    Args:
        text: In NFC; what is no prose (addresses, slots) already blanked out.
        language: Tag of the text's language.
    """
    found = [*unseen_faults(text), *_word_faults(text, language)]
    yield from sorted(found, key=lambda fault: fault.start)


def _word_faults(text: str, language: str) -> Iterator[LetterFault]:
    try:
        tag = parse_tag(language)
    except MalformedTag:
        return
    script = script_of(tag)
    for found in _WORD.finditer(text):
        word = found[0]
        if word.isascii():
            continue
        yield from _mixed(word, found.start(), script, tag.language)
        if tag.language == "ro":
            yield from _replaced(
                word,
                found.start(),
                _cedilla(word),
                worded("a cedilla"),
                worded("Romanian has a comma below"),
            )
        if tag.language in _PERSIAN:
            yield from _replaced(
                word, found.start(), _ARABIC_TO_PERSIAN, worded("the Arabic form"), worded("Persian has its own"),
                doubtful=True,
            )  # fmt: skip


def unseen_faults(text: str) -> Iterator[LetterFault]:
    """Yield every character that nobody sees and that changes what is shown."""
    for pattern, problem, doubtful in (
        (_CONTROL, worded("is a control character"), False),
        (_TURNING, worded("turns the direction of text unseen"), False),
        (_UNSEEN, worded("is an unseen character inside the text"), True),
    ):
        for found in pattern.finditer(text):
            yield LetterFault(
                found.start(),
                worded("U+%(code)s %(problem)s", code=f"{ord(found[0]):04X}", problem=problem),
                "Delete it: it came along when the text was copied",
                doubtful,
            )


def _script(letter: str) -> str:
    name = unicodedata.name(letter, "")
    if name.startswith("CYRILLIC"):
        return "Cyrl"
    return "Latn" if name.startswith(("LATIN", "FULLWIDTH LATIN")) else ""


def _mixed(word: str, start: int, script: str, language: str) -> Iterator[LetterFault]:
    latin = [letter for letter in word if _script(letter) == "Latn"]
    cyrillic = [letter for letter in word if _script(letter) == "Cyrl"]
    if not latin or not cyrillic or _is_acronym_with_ending(word):
        return
    to_cyrillic = _LATIN_TO_SOUTH_SLAVIC if language in _SOUTH_SLAVIC else LATIN_TO_CYRILLIC
    latin_is_foreign = all(letter in to_cyrillic for letter in latin)
    cyrillic_is_foreign = all(letter in CYRILLIC_TO_LATIN for letter in cyrillic)
    if latin_is_foreign and cyrillic_is_foreign:
        # Both could be the slip: the script of the language decides, else the larger part.
        latin_is_foreign = script == "Cyrl" or (script != "Latn" and len(latin) <= len(cyrillic))
    if latin_is_foreign:
        yield _mixed_fault(word, start, "Latn", LATIN, CYRILLIC, to_cyrillic)
    elif cyrillic_is_foreign:
        yield _mixed_fault(word, start, "Cyrl", CYRILLIC, LATIN, CYRILLIC_TO_LATIN)


def _is_acronym_with_ending(word: str) -> bool:
    """Return whether the word is Latin capitals with a Cyrillic ending: "CEOм"."""
    head = 0
    while head < len(word) and _script(word[head]) == "Latn" and word[head].isupper():
        head += 1
    ending = word[head:]
    return head > 1 and ending.islower() and all(_script(letter) == "Cyrl" for letter in ending)


def _mixed_fault(
    word: str, start: int, foreign: str, foreign_name: str, right_name: str, meant: dict[str, str]
) -> LetterFault:
    places = [
        (position, letter)
        for position, letter in enumerate(_letters(word), 1)
        if _script(letter) == foreign
    ]
    mended = "".join(meant[letter] if _script(letter) == foreign else letter for letter in word)
    return LetterFault(
        start,
        worded(
            'in the word "%(word)s" %(places)s is %(foreign)s and the others %(right)s'
            if len(places) == 1
            else 'in the word "%(word)s" %(places)s are %(foreign)s and the others %(right)s',
            word=word,
            places=said_places(places),
            foreign=foreign_name,
            right=right_name,
        ),
        worded(
            'Write it anew in %(right)s letters only: "%(mended)s"',
            right=right_name,
            mended=mended,
        ),
    )


def said_places(places: Sequence[tuple[int, str]]) -> str:
    """Return the places for a person: "letter 1 (M)", "letters 7 (c) and 9 (a)"."""
    named = [f"{position} ({letter})" for position, letter in places]
    if len(named) == 1:
        return worded("letter %(place)s", place=named[0])
    return worded("letters %(places)s and %(last)s", places=", ".join(named[:-1]), last=named[-1])


def _letters(word: str) -> list[str]:
    """Return the letters of a word, accents left out, so that a person can count along."""
    return [letter for letter in word if not unicodedata.combining(letter)]


def _cedilla(word: str) -> dict[str, str]:
    turkic = any(letter in _TURKIC_LETTERS for letter in word)
    return {} if turkic else _CEDILLA_TO_COMMA


def _replaced(
    word: str, start: int, meant: dict[str, str], what: str, why: str, *, doubtful: bool = False
) -> Iterator[LetterFault]:
    places = [
        (position, letter) for position, letter in enumerate(_letters(word), 1) if letter in meant
    ]
    if places:
        mended = "".join(meant.get(letter, letter) for letter in word)
        yield LetterFault(
            start,
            worded(
                'in the word "%(word)s" %(places)s has %(what)s'
                if len(places) == 1
                else 'in the word "%(word)s" %(places)s have %(what)s',
                word=word,
                places=said_places(places),
                what=what,
            ),
            worded('%(why)s: write "%(mended)s"', why=why, mended=mended),
            doubtful,
        )
