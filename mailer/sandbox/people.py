"""Invent the people of the example lists: the same five hundred at every run.

In: nothing but a seed. Out: `lists/example-<list>.csv`, written by `python -m mailer.sandbox.people
lists`. Nobody in them exists; all addresses are in the domains reserved for examples (RFC 2606).
Some local parts begin with a word that the sandbox misbehaves for: `unknown.` is refused, `busy.`
is put off once, for `vanishes.` the connection is lost after the content.
"""

from __future__ import annotations

import csv
import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

from mailer.sandbox.names import NAMES

SEED = 20_261_201
PEOPLE = 500
#: How many begin with each word that the sandbox knows.
MISBEHAVING: Mapping[str, int] = {"unknown": 12, "busy": 15, "vanishes": 4}
#: On the volunteers' list alone, and there and on the news.
_VOLUNTEERS_ONLY, _VOLUNTEERS_TOO = 50, 60
#: On the friends' list alone, and there and on one of the harbor's.
_FRIENDS_ONLY, _FRIENDS_TOO = 130, 70

#: First language → of a hundred people.
_SHARES: Mapping[str, int] = {
    "ru": 27, "uk": 20, "en": 14, "be": 9, "ro": 10, "ky": 6, "fa": 6, "de": 6, "": 2,
}  # fmt: skip
#: First language → what some of them read besides; "" for nothing.
_BESIDES: Mapping[str, Sequence[str]] = {
    "ru": ("", "", "en"),
    "uk": ("", "en", "en", "ru"),
    "en": ("", "", "de"),
    "be": ("ru", "ru", "en", ""),
    "ro": ("ru", "en", ""),
    "ky": ("ru", "ru", ""),
    "fa": ("en", ""),
    "de": ("en", "en", ""),
    "": ("",),
}
#: First language → country and city, in one word, since whole names are looked for in tests.
_PLACES: Mapping[str, Sequence[tuple[str, str]]] = {
    "ru": (("RU", "Kazan"), ("RU", "Perm"), ("GE", "Tbilisi"), ("AM", "Yerevan"),
           ("KZ", "Almaty"), ("DE", "Berlin"), ("MD", "Chisinau")),
    "uk": (("UA", "Kyiv"), ("UA", "Lviv"), ("UA", "Kharkiv"), ("PL", "Warsaw"), ("DE", "Munich")),
    "en": (("GB", "Leeds"), ("IE", "Cork"), ("US", "Boston"), ("CA", "Ottawa")),
    "be": (("BY", "Minsk"), ("LT", "Vilnius"), ("PL", "Bialystok")),
    "ro": (("MD", "Chisinau"), ("MD", "Balti"), ("RO", "Iasi"), ("RO", "Cluj")),
    "ky": (("KG", "Bishkek"), ("KG", "Osh")),
    "fa": (("IR", "Shiraz"), ("IR", "Tabriz"), ("TR", "Ankara"), ("SE", "Uppsala")),
    "de": (("DE", "Hamburg"), ("AT", "Graz"), ("CH", "Basel")),
    "": (("MD", "Orhei"), ("", "")),
}  # fmt: skip
_ZONES = {"GE": "Asia/Tbilisi", "KG": "Asia/Bishkek", "US": "America/New_York"}
_DOMAINS = (
    "example.org", "example.net", "example.com", "mail.example.org", "post.example.net",
    "inbox.example.com",
)  # fmt: skip
#: Domains in other scripts, for a few.
_OTHER_DOMAINS = ("пошта.example.org", "почта.example.net", "bücher.example.com")
_TAGS = ("press", "donor", "translator", "student", "lawyer", "artist")
_SOURCES = ("petition-2023", "form-2024", "form-2025", "meeting-2025", "letter-2026")
_SKILLS = ("driving", "layout", "translation", "first-aid", "cooking", "accounting")
#: Number of a person, of twenty → the topics of the news that they chose.
_TOPICS: Mapping[int, str] = {3: "press", 11: "women", 13: "press", 17: "women;press"}
_FIRST_DAY = date(2019, 1, 15)
_DAYS = (date(2026, 10, 31) - _FIRST_DAY).days


@dataclass(frozen=True)
class Person:
    """Somebody who does not exist."""

    address: str
    name: str
    languages: tuple[str, ...]
    never: tuple[str, ...] = ()
    country: str = ""
    city: str = ""
    tags: tuple[str, ...] = ()
    joined: str = ""
    source: str = ""
    #: "yes", "" when nothing is on record, "no" when it was withdrawn.
    consent: str = "yes"
    discreet: bool = False

    @property
    def ordinary(self) -> bool:
        """Whether nothing stands in the way of a mail to them."""
        return self.consent == "yes" and not self.discreet and not self.never


@dataclass(frozen=True)
class Lists:
    """Who is on which of the example lists."""

    news: tuple[Person, ...]
    volunteers: tuple[Person, ...]
    friends: tuple[Person, ...]


def invent() -> Lists:
    """Return the people of the three lists: five hundred addresses, some on more than one."""
    dice = random.Random(SEED)  # noqa: S311  (Nothing is kept secret with it.)
    people = list(_people(dice))
    _set_apart(people)
    _misbehave(people)
    news_only = PEOPLE - _VOLUNTEERS_ONLY - _FRIENDS_ONLY
    news = people[:news_only]
    volunteers = people[news_only : news_only + _VOLUNTEERS_ONLY]
    friends = people[news_only + _VOLUNTEERS_ONLY :]
    also_volunteers = dice.sample(news, _VOLUNTEERS_TOO)
    also_friends = dice.sample(news + volunteers, _FRIENDS_TOO)
    volunteers += also_volunteers
    friends += [_as_lantern_knows(one, number) for number, one in enumerate(also_friends)]
    dice.shuffle(volunteers)
    dice.shuffle(friends)
    return Lists(tuple(news), tuple(volunteers), tuple(friends))


def _people(dice: random.Random) -> Iterator[Person]:
    taken: set[str] = set()
    languages = [tag for tag, share in _SHARES.items() for _ in range(share * PEOPLE // 100)]
    dice.shuffle(languages)
    for number, language in enumerate(languages):
        name, latin = _name(dice, language or "ro")
        local = latin
        if local in taken:
            local = f"{latin}{number}"
        taken.add(local)
        besides = dice.choice(_BESIDES[language])
        country, city = dice.choice(_PLACES[language])
        yield Person(
            address=f"{local}@{dice.choice(_DOMAINS)}",
            name=name,
            languages=tuple(tag for tag in (language, besides) if tag),
            never=_never(dice, language, besides),
            country=country,
            city=city,
            tags=tuple(sorted(dice.sample(_TAGS, dice.choice((0, 0, 1, 1, 2))))),
            joined=(_FIRST_DAY + timedelta(days=dice.randrange(_DAYS))).isoformat(),
            source=dice.choice(_SOURCES),
        )


def _name(dice: random.Random, language: str) -> tuple[str, str]:
    """Return a name in its script and its Latin spelling, as in a mail address."""
    pool = NAMES[language]
    given, families = dice.choice(((pool.women, pool.families_f), (pool.men, pool.families_m)))
    first, first_latin = dice.choice(given)
    family, family_latin = dice.choice(families)
    return f"{first} {family}", f"{first_latin}.{family_latin}"


def _never(dice: random.Random, language: str, besides: str) -> tuple[str, ...]:
    """Return the languages somebody is never to be sent."""
    if besides == "ru":
        return ()
    if language == "uk" and dice.random() < 0.5:
        return ("ru",)
    if language == "be" and dice.random() < 0.25:
        return ("ru",)
    return ()


def _set_apart(people: list[Person]) -> None:
    """Give a few what keeps a mail from them, and a few addresses of another kind."""
    plain = [number for number, one in enumerate(people) if one.ordinary]
    for number in plain[0:6]:
        people[number] = replace(people[number], consent="", source="")
    for number in plain[6:8]:
        people[number] = replace(people[number], consent="no", source="")
    for number in plain[8:12]:
        people[number] = replace(people[number], discreet=True)
    for number, domain in zip(plain[12:18], _OTHER_DOMAINS * 2, strict=True):
        local = people[number].address.partition("@")[0]
        people[number] = replace(people[number], address=f"{local}@{domain}")
    ukrainians = [number for number, one in enumerate(people) if one.languages[:1] == ("uk",)]
    for number, local in zip(ukrainians[:2], ("олена.приклад", "тарас.приклад"), strict=True):
        people[number] = replace(people[number], address=f"{local}@example.org", never=())
    # Nothing is left for them: the sample statement is in English and Russian.
    for number in ukrainians[2:5]:
        people[number] = replace(people[number], languages=("uk",), never=("en", "ru"))


def _misbehave(people: list[Person]) -> None:
    """Let some addresses begin with a word the sandbox misbehaves for."""
    words = [word for word, count in MISBEHAVING.items() for _ in range(count)]
    plain = [
        number
        for number, one in enumerate(people)
        if one.ordinary and one.address.isascii() and number % 3 == 0
    ]
    for word, number in zip(words, plain, strict=False):
        people[number] = replace(people[number], address=f"{word}.{people[number].address}")


def _as_lantern_knows(person: Person, number: int) -> Person:
    """Return somebody as the second organisation knows them: not all it was told is the same."""
    if number % 7 == 0 and "ru" not in person.languages:
        # Only here it is on record that they want nothing in Russian.
        return replace(person, never=("ru",), city="", tags=())
    return replace(person, never=(), tags=person.tags[:1], source="letter-2026")


def write_examples(folder: Path) -> None:
    """Write the three example files into a folder."""
    lists = invent()
    _write(folder / "example-harbor-news.csv", _NEWS_HEADER, _news_rows(lists.news))
    _write(
        folder / "example-harbor-volunteers.csv", _VOLUNTEERS_HEADER,
        _volunteer_rows(lists.volunteers),
    )  # fmt: skip
    _write(folder / "example-lantern-friends.csv", _FRIENDS_HEADER, _friend_rows(lists.friends))


def _write(path: Path, header: Sequence[str], rows: Iterator[list[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


_NEWS_HEADER = (
    "email", "name", "languages", "never_languages", "country", "time_zone", "city", "member",
    "tags", "joined", "discreet", "topics", "text_only", "consent", "consent_source", "consented_at",
    "remark",
)  # fmt: skip
_VOLUNTEERS_HEADER = (
    "email", "name", "languages", "never_languages", "country", "city", "tags", "joined", "hours",
    "helps_since", "skills", "discreet", "consent",
)  # fmt: skip
_FRIENDS_HEADER = (
    "E-Mail", "Vorname und Name", "Sprachen", "Nie auf", "Land", "Ort", "Stichworte", "Seit",
    "discreet", "consent",
)  # fmt: skip


def _news_rows(people: Sequence[Person]) -> Iterator[list[str]]:
    for number, one in enumerate(people):
        yield [
            one.address, one.name, ";".join(one.languages), ";".join(one.never), one.country,
            _ZONES.get(one.country, ""), one.city, "yes" if number % 5 == 0 else "no",
            ";".join(one.tags), one.joined, "yes" if one.discreet else "",
            _TOPICS.get(number % 20, ""), "yes" if number % 20 == 7 else "", one.consent, one.source,
            one.joined if one.consent == "yes" else "", "phoned" if number % 40 == 0 else "",
        ]  # fmt: skip
        if number == 100:
            yield from _bad_news_rows(one)


def _bad_news_rows(neighbor: Person) -> Iterator[list[str]]:
    """Yield rows that cannot be taken, and one that comes twice."""
    empty = [""] * (len(_NEWS_HEADER) - 3)
    yield ["not.an.address.example.org", "Nobody", "en", *empty]
    yield ["two@signs@example.org", "Nobody", "en", *empty]
    yield ["nobody.lost@example.org", "Nobody", "martian language!", *empty]
    yield ["nobody.nowhere@example.org", "Nobody", "en", "", "Atlantis", *empty[2:]]
    yield ["", "Nobody", "en", *empty]
    yield [neighbor.address.upper() if neighbor.address.isascii() else neighbor.address,
           neighbor.name, "", *empty]  # fmt: skip


def _volunteer_rows(people: Sequence[Person]) -> Iterator[list[str]]:
    for number, one in enumerate(people):
        since = date.fromisoformat(one.joined) + timedelta(days=30)
        yield [
            one.address, one.name, ";".join(one.languages), ";".join(one.never), one.country,
            one.city, ";".join(sorted({*one.tags, "volunteer"})), one.joined,
            str((number * 7) % 12), since.isoformat(), _SKILLS[number % len(_SKILLS)],
            "yes" if one.discreet else "", one.consent,
        ]  # fmt: skip


def _friend_rows(people: Sequence[Person]) -> Iterator[list[str]]:
    for one in people:
        yield [
            one.address, one.name, ";".join(one.languages), ";".join(one.never), one.country,
            one.city, ";".join(one.tags), one.joined, "yes" if one.discreet else "", one.consent,
        ]  # fmt: skip


if __name__ == "__main__":
    write_examples(Path(sys.argv[1]))
