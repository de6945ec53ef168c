"""Read a statement's files for somebody who goes on writing them, faults and all.

In: the text of `statement.toml` or `<language>.md`. Out: drafts: everything as it was written, checked by
nobody, so that what is wrong or half done comes back to the person who wrote it; and what of the file a
draft cannot hold, comments for one. The checks read the same files: see `mailer.statements.source`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Generic, TypeVar

from mailer.model.statement import Edition, LocalizedText, Revision
from mailer.statements.collecting import FaultCollector
from mailer.statements.declaration import Declaration
from mailer.statements.front_matter import FIELDS, parse_front_matter

Draft = TypeVar("Draft")

_TOML_STRING = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'")


@dataclass(frozen=True)
class EditionDraft:
    """An edition as it is being written."""

    title: str = ""
    subject: str = ""
    preheader: str = ""
    discreet_subject: str = ""
    discreet_preheader: str = ""
    #: Hash of the source edition it says what that says; "" for the source and for a new one.
    translated_from: str = ""
    #: Markdown.
    body: str = ""


@dataclass(frozen=True)
class RowDraft:
    """One row of `supports`, `hashtags`, `related` or `signatories`; what it has not is ""."""

    #: "organisation", "report"; of supports and related.
    kind: str = ""
    #: Name or title per language; of all but hashtags.
    names: LocalizedText = field(default_factory=dict)
    #: "#HerRights"; of hashtags.
    tag: str = ""
    #: "MD"; of signatories.
    country: str = ""
    #: Web address.
    address: str = ""


@dataclass(frozen=True)
class HeadDraft:
    """`statement.toml` as it is being written."""

    slug: str
    kind: str = "statement"
    source_language: str = ""
    #: An hour with its zone as TOML writes it: "2026-12-01T09:00:00+02:00"; or what was typed.
    published: str = ""
    and_others: bool = False
    topics: tuple[str, ...] = ()
    supports: tuple[RowDraft, ...] = ()
    hashtags: tuple[RowDraft, ...] = ()
    related: tuple[RowDraft, ...] = ()
    signatories: tuple[RowDraft, ...] = ()
    #: Of an appeal: the last day, "2026-12-10"; or what was typed.
    deadline: str = ""
    why_now: LocalizedText = field(default_factory=dict)
    #: Of an appeal: what the button says, and where it leads.
    action_label: LocalizedText = field(default_factory=dict)
    action_address: str = ""


@dataclass(frozen=True)
class ReadDraft(Generic[Draft]):
    """A draft, and what of the file it does not hold."""

    draft: Draft
    #: Lines or keys that are lost when the draft is written; empty mostly.
    lost: tuple[str, ...] = ()


def edition_draft(edition: Edition) -> EditionDraft:
    """Return an edition as a draft."""
    return EditionDraft(**{name: getattr(edition, name) for name in (*FIELDS, "body")})


def read_edition_draft(text: str) -> ReadDraft[EditionDraft]:
    """Return an edition's file as a draft; a file without a head is all text."""
    front = parse_front_matter(text, FaultCollector(""))
    if front is None:
        return ReadDraft(EditionDraft(body=text.strip("\n").rstrip()))
    head = text.split("\n")[: front.body_line - 1]
    held = set(front.lines.values())
    lost = [
        line
        for number, line in enumerate(head, 1)
        if line.strip() and not re.fullmatch(r"-{3,}\s*", line) and number not in held
    ]
    return ReadDraft(EditionDraft(**front.values, body=front.body), tuple(lost))


def head_draft(said: Declaration | Revision) -> HeadDraft:
    """Return what a statement's files or a revision of it say as a draft."""
    appeal = said.appeal
    return HeadDraft(
        slug=said.slug,
        kind=said.kind.value,
        source_language=said.source_language,
        published=said.published.isoformat() if said.published else "",
        and_others=said.and_others,
        topics=said.topics,
        supports=tuple(
            RowDraft(kind=one.kind.value, names=one.name, address=one.address)
            for one in said.supports
        ),
        hashtags=tuple(RowDraft(tag=one.tag, address=one.address) for one in said.hashtags),
        related=tuple(
            RowDraft(kind=one.kind.value, names=one.title, address=one.address)
            for one in said.related
        ),
        signatories=tuple(
            RowDraft(names=one.name, country=one.country, address=one.address)
            for one in said.signatories
        ),
        deadline=appeal.deadline.isoformat() if appeal and appeal.deadline else "",
        why_now=appeal.why_now if appeal else {},
        action_label=appeal.action if appeal else {},
        action_address=appeal.address if appeal else "",
    )


def read_head_draft(text: str) -> ReadDraft[HeadDraft] | None:
    """Return `statement.toml` as a draft; None when it is no TOML."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None
    table = _Loose(values)
    action = table.table("action")
    draft = HeadDraft(
        slug=table.text("slug"),
        kind=table.text("kind"),
        source_language=table.text("source_language"),
        published=table.text("published"),
        and_others=table.flag("and_others"),
        topics=table.texts("topics"),
        supports=table.rows("supports", "name"),
        hashtags=table.rows("hashtags", ""),
        related=table.rows("related", "title"),
        signatories=table.rows("signatories", "name"),
        deadline=table.text("deadline"),
        why_now=table.names("why_now"),
        action_label=action.names("label"),
        action_address=action.text("address"),
    )
    action.finish()
    table.finish()
    return ReadDraft(draft, (*_comments(text), *table.lost))


class _Loose:
    """A table of the file: gives out whatever is there as text, and keeps what nobody asked for."""

    def __init__(
        self, values: Mapping[str, Any], place: str = "", lost: list[str] | None = None
    ) -> None:
        self._values = dict(values)
        self._place = place
        self.lost: list[str] = [] if lost is None else lost

    def _take(self, key: str, kinds: type | tuple[type, ...]) -> Any:  # noqa: ANN401  (TOML's values.)
        value = self._values.get(key)
        if value is not None and not isinstance(value, kinds):
            return None
        return self._values.pop(key, None)

    def text(self, key: str) -> str:
        value = self._take(key, (str, int, float, date, datetime))
        if isinstance(value, date):
            return value.isoformat()
        return "" if value is None else str(value)

    def flag(self, key: str) -> bool:
        return bool(self._take(key, bool))

    def texts(self, key: str) -> tuple[str, ...]:
        return tuple(str(one) for one in self._take(key, list) or ())

    def names(self, key: str) -> dict[str, str]:
        values = self._take(key, dict) or {}
        return {tag: value for tag, value in values.items() if isinstance(value, str)}

    def table(self, key: str) -> _Loose:
        return _Loose(self._take(key, dict) or {}, f"{self._place}{key}.", self.lost)

    def rows(self, key: str, named: str) -> tuple[RowDraft, ...]:
        rows: list[RowDraft] = []
        for index, value in enumerate(self._take(key, list) or ()):
            place = f"{self._place}{key}[{index}]"
            if not isinstance(value, dict):
                self.lost.append(place)
                continue
            row = _Loose(value, f"{place}.", self.lost)
            rows.append(
                RowDraft(
                    kind=row.text("kind"),
                    names=row.names(named) if named else {},
                    tag=row.text("tag"),
                    country=row.text("country"),
                    address=row.text("address"),
                )
            )
            row.finish()
        return tuple(rows)

    def finish(self) -> None:
        """Note the keys nobody asked for, or whose value was none that a draft can hold."""
        self.lost.extend(f"{self._place}{key}" for key in self._values)


def _comments(text: str) -> Sequence[str]:
    """Return the comments of a file; those inside a text of several lines count as well."""
    found: list[str] = []
    for line in text.split("\n"):
        _, mark, comment = _TOML_STRING.sub("", line).partition("#")
        if mark:
            found.append(f"#{comment}")
    return found
