"""Find letters in the host of an address that are not what they seem.

In: a web or mail address of the right form. Out: what is wrong with its host, or None. A host may
be in any script, but each of its labels in one: `hаrbor.example.org` with a Cyrillic а is another
site than the one it looks like. What people write as letters may reach us as an A-label (RFC 5890
§2.3.2.1), which is read back before it is judged.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from urllib.parse import unquote, urlsplit

from mailer.model.worded import worded
from mailer.statements.letters import (
    CYRILLIC,
    CYRILLIC_TO_LATIN,
    LATIN,
    LATIN_TO_CYRILLIC,
    said_places,
)
from mailer.statements.links import LinkProblem

_A_LABEL = "xn--"
_LATIN, _CYRILLIC = "Latin", "Cyrillic"
#: Scripts that one word of Japanese, Chinese or Korean may hold together.
_TOGETHER = (
    frozenset({_LATIN, "Han", "Hiragana", "Katakana"}),
    frozenset({_LATIN, "Han", "Bopomofo"}),
    frozenset({_LATIN, "Han", "Hangul"}),
)
#: First words of the names of letters, where they do not name the script.
_SCRIPTS = {
    "Cjk": "Han",
    "Ideographic": "Han",
    "Katakana-Hiragana": "Katakana",
    "Fullwidth": _LATIN,
    # An apostrophe that counts as a letter goes with any alphabet.
    "Modifier": "",
}
#: Scripts that never join letters, so that a joiner between them only hides something.
_UNJOINED = frozenset({_LATIN, _CYRILLIC, "Greek", "Armenian", "Georgian", "Hebrew"})
_JOINERS = "\u200c\u200d"
#: From the letters of one script to those of another that look the same.
_LOOK_ALIKES = {
    (_CYRILLIC, _LATIN): CYRILLIC_TO_LATIN,
    (_LATIN, _CYRILLIC): LATIN_TO_CYRILLIC,
}
#: What scripts are called, where a phrase knows it.
_NAMES = {str(one): one for one in (LATIN, CYRILLIC, worded("Greek"))}
_COPY = "Copy the address from the site itself"


def host_problem(address: str) -> LinkProblem | None:
    """Return which letters of an address's host are not what they seem; None when all are.

    It is no part of `web_address_problem`, by which rendering drops a link that may not stand: a
    revision that was stored keeps its links, and a new one is refused with all of them named.
    """
    labels = [_readable(label) for label in _host(address).split(".")]
    for label in labels:
        problem = _unseen(label) or _mixed(label)
        if problem is not None:
            return problem
    if labels[-1].isascii():
        for label in labels[:-1]:
            problem = _disguised(label)
            if problem is not None:
                return problem
    return None


def shown_address(address: str) -> str:
    """Return an address with the letters of its host as people read them."""
    host = _host(address)
    return address.replace(host, ".".join(map(_readable, host.split("."))), 1) if host else address


def _host(address: str) -> str:
    if address.lower().startswith("mailto:"):
        mailbox = address[len("mailto:") :].partition("?")[0]
        return unquote(mailbox).rpartition("@")[2]
    try:
        return (urlsplit(address).hostname or "").rstrip(".")
    except ValueError:
        return ""


def _readable(label: str) -> str:
    if not label.lower().startswith(_A_LABEL):
        return label
    try:
        return label[len(_A_LABEL) :].encode("ascii").decode("punycode")
    except UnicodeError:
        return label


def _script(character: str) -> str:
    """Return the script of a letter; "" for what belongs to any: digits, hyphens, accents."""
    if not unicodedata.category(character).startswith("L"):
        return ""
    first = unicodedata.name(character, "").partition(" ")[0].title()
    return _SCRIPTS.get(first, first)


def _unseen(label: str) -> LinkProblem | None:
    joined = not _UNJOINED.intersection(map(_script, label))
    for character in label:
        # Persian words need the joiners: there they change what is seen.
        if character in _JOINERS and joined:
            continue
        if unicodedata.category(character) in ("Cc", "Cf"):
            said = f"U+{ord(character):04X}"
            return LinkProblem(
                worded("has a character that nobody sees in its host: %(code)s", code=said), _COPY
            )
    return None


def _mixed(label: str) -> LinkProblem | None:
    scripts = [script for script in map(_script, label) if script]
    if len(set(scripts)) < 2 or any(set(scripts) <= together for together in _TOGETHER):
        return None
    # The larger part is what was meant; Latin where both are as large, as most hosts are Latin.
    right = max(sorted(set(scripts)), key=lambda one: (scripts.count(one), one == _LATIN))
    places = [
        (position, letter)
        for position, letter in enumerate(label, 1)
        if _script(letter) not in ("", right)
    ]
    foreign = sorted({_script(letter) for _, letter in places})
    return LinkProblem(
        worded(
            'mixes alphabets in its host: in "%(label)s" %(places)s is %(foreign)s and the others %(right)s'
            if len(places) == 1
            else 'mixes alphabets in its host: in "%(label)s" %(places)s are %(foreign)s and the others %(right)s',
            label=label,
            places=said_places(places),
            foreign=_NAMES.get(foreign[0], foreign[0])
            if len(foreign) == 1
            else " and ".join(foreign),
            right=_NAMES.get(right, right),
        ),
        _remedy(label, places, right),
    )


def _disguised(label: str) -> LinkProblem | None:
    """Return what is wrong with a label that reads as a Latin word and is Cyrillic throughout."""
    places = [(position, letter) for position, letter in enumerate(label, 1) if _script(letter)]
    if not places or any(letter not in CYRILLIC_TO_LATIN for _, letter in places):
        return None
    return LinkProblem(
        worded(
            'has a host that looks Latin and is not: in "%(label)s" %(places)s is Cyrillic'
            if len(places) == 1
            else 'has a host that looks Latin and is not: in "%(label)s" %(places)s are Cyrillic',
            label=label,
            places=said_places(places),
        ),
        _remedy(label, places, _LATIN),
    )


def _remedy(label: str, places: Sequence[tuple[int, str]], right: str) -> str:
    meant = dict[str, str]()
    for _, letter in places:
        same = _LOOK_ALIKES.get((_script(letter), right), {}).get(letter)
        if same is None:
            return _COPY
        meant[letter] = same
    mended = "".join(meant.get(letter, letter) for letter in label)
    return worded(
        'Write it anew in %(right)s letters only: "%(mended)s"',
        right=_NAMES.get(right, right),
        mended=mended,
    )
