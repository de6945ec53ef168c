"""The form in which a statement is stored keeps what readers are shown."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from mailer.statements.document import (
    document_digest,
    revision_from_document,
    revision_to_document,
    with_digest,
)
from tests.support.mails import library_revision

EAST, WEST = timezone(timedelta(hours=2)), timezone(timedelta(hours=-5))


def stored(published):
    """Return the library's statement as it comes back from the database."""
    document = revision_to_document(replace(library_revision(), published=published))
    return revision_from_document(json.loads(json.dumps(document)), {})


@pytest.mark.parametrize(
    ("published", "day"),
    [
        (datetime(2026, 11, 2, 0, 30, tzinfo=EAST), date(2026, 11, 2)),
        (datetime(2026, 11, 1, 22, 0, tzinfo=WEST), date(2026, 11, 1)),
        (datetime(2026, 11, 2, 9, 0, tzinfo=EAST), date(2026, 11, 2)),
        (datetime(2026, 11, 2, 9, 0, tzinfo=UTC), date(2026, 11, 2)),
    ],
)
def test_the_day_of_publication_is_the_authors(published, day):
    """Half past midnight in Chișinău is the day before in UTC; the instant stays the same."""
    again = stored(published).published
    assert day == again.date()
    assert published == again


def test_one_hour_written_twice_is_one_digest():
    """The same text always is; another zone is another text only where the day differs."""
    night = datetime(2026, 11, 2, 0, 30, tzinfo=EAST)
    morning = datetime(2026, 11, 2, 9, 0, tzinfo=EAST)

    def digest(published):
        return with_digest(replace(library_revision(), published=published)).digest

    assert digest(night) == digest(night) == stored(night).digest
    assert digest(morning) == digest(morning.astimezone(UTC))
    assert digest(night) != digest(night.astimezone(UTC))


def test_nothing_is_published_by_itself():
    """A statement that names no hour comes back without one."""
    document = revision_to_document(library_revision())
    assert document["published"] is None
    again = revision_from_document(document, {})
    assert again.published is None
    assert document_digest(document) == again.digest
