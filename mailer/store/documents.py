"""The form in which the database keeps a revision, and the digest over it.

In: a `Revision`. Out: a JSON-able document, its pictures told by name and hash only; and back. The
digest is taken over the document as it was stored, so it stays the same when the program grows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, date, datetime
from typing import Any

from mailer.model.statement import (
    Appeal,
    Edition,
    Hashtag,
    ItemText,
    NewsletterItem,
    Picture,
    RelatedItem,
    RelatedKind,
    Revision,
    Signatory,
    StatementKind,
    Supported,
    SupportedKind,
)
from mailer.store.engine import StoreUnavailable

#: Written into every document; raised when the form changes.
FORM = 1
EDITION_FIELDS = (
    "language",
    "title",
    "subject",
    "preheader",
    "discreet_subject",
    "discreet_preheader",
    "translated_from",
    "body",
    "content_hash",
)


class UnknownForm(StoreUnavailable):
    """The document was written by a later program."""

    def __init__(self, form: object) -> None:
        self.form = form
        super().__init__(
            f"A statement is stored in form {form}, which this program does not know",
            "Upgrade the program",
        )


def revision_to_document(revision: Revision) -> dict[str, Any]:
    """Return a revision as JSON can hold it; of a picture its name and hash."""
    # What a statement has not is not written, so that its digest stays what it was.
    appeal = {"appeal": _appeal_to_document(revision.appeal)} if revision.appeal else {}
    document: dict[str, Any] = {
        "form": FORM,
        "slug": revision.slug,
        "kind": revision.kind.value,
        "source_language": revision.source_language,
        "published": _written(revision.published) if revision.published else None,
        "supports": [{**asdict(one), "kind": one.kind.value} for one in revision.supports],
        "hashtags": [asdict(one) for one in revision.hashtags],
        "related": [{**asdict(one), "kind": one.kind.value} for one in revision.related],
        "signatories": [asdict(one) for one in revision.signatories],
        "and_others": revision.and_others,
        "editions": [
            {name: getattr(edition, name) for name in EDITION_FIELDS}
            for edition in revision.editions.values()
        ],
        "pictures": {
            name: hashlib.sha256(picture.content).hexdigest()
            for name, picture in sorted(revision.pictures.items())
        },
        **appeal,
    }
    if revision.items:
        # Left out where there are none: statements keep the digest they had before newsletters.
        document["items"] = [
            {
                "slug": item.slug,
                "revision": item.revision,
                "source_language": item.source_language,
                "texts": [
                    {"language": language, **asdict(text)} for language, text in item.texts.items()
                ],
            }
            for item in revision.items
        ]
    if revision.topics:
        document["topics"] = list(revision.topics)
    return document


def _appeal_to_document(appeal: Appeal) -> dict[str, Any]:
    day = appeal.deadline.isoformat() if appeal.deadline else None
    return {**asdict(appeal), "deadline": day}


def _appeal_from_document(document: Mapping[str, Any]) -> Appeal:
    day = document["deadline"]
    return Appeal(**{**document, "deadline": date.fromisoformat(day) if day else None})


def _written(published: datetime) -> str:
    """Return an hour as the document keeps it: with its offset where the day depends on it.

    Readers are shown the day on which the author wrote it. Where that is the day in UTC too, one
    instant is one text and one digest, whatever zone it was written in.
    """
    in_utc = published.astimezone(UTC)
    return (in_utc if in_utc.date() == published.date() else published).isoformat()


def document_digest(document: Mapping[str, Any]) -> str:
    """Return the SHA-256 in hex of a document in its canonical JSON: sorted keys, no blanks."""
    text = json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def with_digest(revision: Revision) -> Revision:
    """Return the revision with its digest set."""
    return replace(revision, digest=document_digest(revision_to_document(revision)))


def revision_from_document(
    document: Mapping[str, Any], pictures: Mapping[str, Picture]
) -> Revision:
    """Return the revision that `revision_to_document` was given.

    Args:
        document: As stored.
        pictures: By name, as they are kept beside it.

    Raises:
        UnknownForm: when a later program wrote it.
    """
    if document["form"] != FORM:
        raise UnknownForm(document["form"])
    published = document["published"]
    return Revision(
        slug=document["slug"],
        kind=StatementKind(document["kind"]),
        source_language=document["source_language"],
        published=datetime.fromisoformat(published) if published else None,
        supports=tuple(
            Supported(**{**one, "kind": SupportedKind(one["kind"])}) for one in document["supports"]
        ),
        hashtags=tuple(Hashtag(**one) for one in document["hashtags"]),
        related=tuple(
            RelatedItem(**{**one, "kind": RelatedKind(one["kind"])}) for one in document["related"]
        ),
        signatories=tuple(Signatory(**one) for one in document["signatories"]),
        and_others=document["and_others"],
        editions={one["language"]: Edition(**one) for one in document["editions"]},
        pictures=dict(pictures),
        digest=document_digest(document),
        appeal=_appeal_from_document(document["appeal"]) if "appeal" in document else None,
        items=tuple(_item(one) for one in document.get("items", ())),
        topics=tuple(document.get("topics", ())),
    )


def _item(document: Mapping[str, Any]) -> NewsletterItem:
    return NewsletterItem(
        slug=document["slug"],
        revision=document["revision"],
        source_language=document["source_language"],
        texts={one["language"]: ItemText(one["title"], one["lead"]) for one in document["texts"]},
    )
