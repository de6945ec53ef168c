"""Lay out what mail templates may name: plain tables of text, made for one edition and reader.

In: a revision, a sender, the edition's language and the reader's. Out: nested dicts and lists of
strings and truths, nothing that has methods worth calling; and the schema that templates are
checked against. What a template prints of a supporter is no part of it: those are slots.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TypeAlias

from markupsafe import Markup, escape

from mailer.compose.ledger import LIST_NAME, PREFERENCES_URL, UNSUBSCRIBE_URL, Ledger
from mailer.compose.links import ascii_address
from mailer.compose.naming import Leaf, Schema
from mailer.model.mailing import Sender
from mailer.model.statement import LocalizedText, RelatedKind, Revision, localized, localized_marked
from mailer.statements.issues import items_elsewhere, items_in
from mailer.statements.languages import (
    comma,
    country_name,
    direction,
    join_languages,
    language_name,
    long_date,
)

#: What templates are handed: text, truths, and tables and lists of them.
Value: TypeAlias = "str | bool | Mapping[str, Value] | list[Value]"

_LINK: Mapping[str, Schema] = {
    "name": Leaf.TEXT,
    "address": Leaf.TEXT,
    #: Tag of the name's language where it is not the edition's; else "".
    "language": Leaf.TEXT,
}

#: Everything a mail template may name beside `supporter`; docs/templates.md explains it.
SCHEMA: Mapping[str, Schema] = {
    "edition": {
        "language": Leaf.TEXT,
        "direction": Leaf.TEXT,
        "title": Leaf.TEXT,
        "subject": Leaf.TEXT,
        "preheader": Leaf.TEXT,
        "body": Leaf.TEXT,
        "padding": Leaf.TEXT,
    },
    "statement": {
        "kind": Leaf.TEXT,
        "supports": (_LINK,),
        "signatories": ({**_LINK, "country": Leaf.TEXT},),
        "and_others": Leaf.FLAG,
        "hashtags": (_LINK,),
        "related": ({"kind": Leaf.TEXT, "items": (_LINK,)},),
        "comma": Leaf.TEXT,
    },
    #: Empty but in appeals.
    "appeal": {
        "action": Leaf.TEXT,
        "address": Leaf.TEXT,
        "why_now": Leaf.TEXT,
        "deadline": Leaf.TEXT,
    },
    "newsletter": {
        #: What has an edition in the language of this one.
        "items": ({"title": Leaf.TEXT, "lead": Leaf.TEXT, "address": Leaf.TEXT},),
        #: What has none, in the language it was written in.
        "others": (
            {
                "title": Leaf.TEXT,
                "address": Leaf.TEXT,
                "language": Leaf.TEXT,
                "direction": Leaf.TEXT,
                "language_name": Leaf.TEXT,
            },
        ),
    },
    "sender": {"name": Leaf.TEXT},
    "list": {"name": Leaf.TEXT},
    "reader": {"language": Leaf.TEXT, "direction": Leaf.TEXT},
    "notice": {
        "shown": Leaf.FLAG,
        "language": Leaf.TEXT,
        "languages": Leaf.TEXT,
        "editions": (
            {
                "name": Leaf.TEXT,
                "language": Leaf.TEXT,
                "direction": Leaf.TEXT,
                "address": Leaf.TEXT,
            },
        ),
    },
    "correction": {"shown": Leaf.FLAG, "date": Leaf.TEXT},
    "web_view": Leaf.TEXT,
    "unsubscribe_url": Leaf.TEXT,
    "preferences_url": Leaf.TEXT,
}


@dataclass(frozen=True)
class Reading:
    """Which edition is read, and by whom."""

    #: Tag of the edition.
    language: str
    #: Tag of the catalog that the frame around the statement speaks.
    reader: str
    #: The edition is not in the reader's first language.
    notice: bool
    #: The day on which what it corrects was sent; None for most.
    corrects: date | None = None


def web_view_address(sender: Sender, slug: str, language: str) -> str:
    """Return where everyone can read an edition; nothing of a person is in it."""
    return ascii_address(f"{sender.base_url}/w/{slug}/{language}")


def make_context(
    revision: Revision, sender: Sender, reading: Reading, ledger: Ledger, *, html: bool
) -> dict[str, Value]:
    """Return what the templates of one part may name, all but the edition's body.

    Args:
        revision: The statement.
        sender: Who it comes from.
        reading: Which edition is read, and by whom.
        ledger: Gives the markers of the system's own slots.
        html: For the HTML part; else for the plain-text part.
    """
    language = reading.language
    edition = revision.editions[language]
    list_name = ledger.marker(LIST_NAME)
    context: dict[str, Value] = {
        "edition": {
            "language": language,
            "direction": direction(language),
            "title": edition.title,
            "subject": edition.subject,
            "preheader": edition.preheader,
        },
        "statement": _statement(revision, language),
        "appeal": _appeal(revision, language),
        "newsletter": _newsletter(revision, sender, language),
        "sender": {"name": localized(sender.name, language, revision.source_language)},
        # A marker is letters and digits; the tags around it are ours.
        "list": {"name": Markup(ledger.isolate(list_name)) if html else list_name},  # noqa: S704
        "reader": {"language": reading.reader, "direction": direction(reading.reader)},
        "notice": _notice(revision, sender, reading, html=html),
        "correction": {
            "shown": reading.corrects is not None,
            "date": long_date(reading.corrects, reading.reader) if reading.corrects else "",
        },
        "web_view": web_view_address(sender, revision.slug, language),
        "unsubscribe_url": ledger.marker(UNSUBSCRIBE_URL),
        "preferences_url": ledger.marker(PREFERENCES_URL),
    }
    return context


def _statement(revision: Revision, language: str) -> Value:
    def link(name: LocalizedText, address: str) -> dict[str, Value]:
        shown, mark = localized_marked(name, language, revision.source_language)
        return {"name": shown, "address": ascii_address(address), "language": mark}

    related: list[Value] = []
    for kind in RelatedKind:
        items: list[Value] = [
            link(item.title, item.address) for item in revision.related if item.kind is kind
        ]
        if items:
            related.append({"kind": kind.value, "items": items})
    return {
        "kind": revision.kind.value,
        "supports": [link(one.name, one.address) for one in revision.supports],
        "signatories": [
            {**link(one.name, one.address), "country": country_name(one.country, language)}
            for one in revision.signatories
        ],
        "and_others": revision.and_others,
        "hashtags": [link({language: one.tag}, one.address) for one in revision.hashtags],
        "related": related,
        "comma": comma(language),
    }


def _appeal(revision: Revision, language: str) -> Value:
    appeal = revision.appeal
    if appeal is None:
        return dict.fromkeys(("action", "address", "why_now", "deadline"), "")
    source = revision.source_language
    return {
        "action": localized(appeal.action, language, source),
        "address": ascii_address(appeal.address),
        "why_now": localized(appeal.why_now, language, source),
        "deadline": long_date(appeal.deadline, language) if appeal.deadline else "",
    }


def _newsletter(revision: Revision, sender: Sender, language: str) -> Value:
    return {
        "items": [
            {
                "title": item.title,
                "lead": item.lead,
                "address": web_view_address(sender, item.slug, item.language),
            }
            for item in items_in(revision, language)
        ],
        "others": [
            {
                "title": item.title,
                "address": web_view_address(sender, item.slug, item.language),
                "language": item.language,
                "direction": direction(item.language),
                "language_name": language_name(item.language, language),
            }
            for item in items_elsewhere(revision, language)
        ],
    }


def _notice(revision: Revision, sender: Sender, reading: Reading, *, html: bool) -> Value:
    reader = reading.reader
    editions: list[dict[str, Value]] = [
        {
            "name": language_name(language, reader),
            "language": language,
            "direction": direction(language),
            "address": web_view_address(sender, revision.slug, language),
        }
        for language in revision.languages
    ]
    languages = join_languages(revision.languages, reader)
    if html:
        # A phrase takes the whole list as one value, so its links are written here.
        languages = escape(comma(reader)).join(
            Markup('<a href="{address}" hreflang="{language}">{name}</a>').format(**edition)
            for edition in editions
        )
    return {
        "shown": reading.notice,
        "language": language_name(reading.language, reader),
        "languages": languages,
        "editions": list(editions),
    }
