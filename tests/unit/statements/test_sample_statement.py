"""The sample that ships with the program shows every feature and has no fault."""

from pathlib import Path

import pytest

from mailer.model.statement import RelatedKind
from mailer.statements.body import body_to_html
from mailer.statements.source import read_statement

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def sample():
    """The sample as it is read, with its faults."""
    return read_statement(ROOT / "templates" / "statements" / "her-rights", ROOT)


def test_it_has_no_fault(sample):
    """Not even one that is only worth a look."""
    revision, faults = sample
    assert () == faults
    assert ("en", "ru") == revision.languages


def test_it_uses_everything_a_statement_can_have(sample):
    """Five organizations sign; every kind of related item and block is there, in both editions."""
    revision, _ = sample
    assert 5 == len(revision.signatories)
    assert len({one.country for one in revision.signatories}) > 3
    assert revision.and_others
    assert set(RelatedKind) == {item.kind for item in revision.related}
    assert len(revision.hashtags) > 1
    assert {one.kind.value for one in revision.supports} == {"organisation", "person"}
    assert revision.published is not None
    for edition in revision.editions.values():
        written = body_to_html(edition.body, picture_address=lambda name: f"cid:{name}")
        for name in (
            "quote",
            "quote-text",
            "quote-attribution",
            "demand",
            "note",
            "hashtag",
            "picture",
        ):
            assert f'class="{name}' in written
        assert 'lang="fa" dir="rtl"' in written
        assert "mailto:" in written
        assert edition.discreet_subject


def test_both_editions_say_the_same(sample):
    """They have the same links, blocks and pictures in the same order."""
    revision, _ = sample
    english, russian = (
        [line[:2] for line in edition.body.split("\n") if line.startswith((":::", "##", "!"))]
        for edition in revision.editions.values()
    )
    assert english == russian


def test_everybody_in_it_is_invented(sample):
    """Every address is one of those set aside for examples (RFC 2606)."""
    revision, _ = sample
    items = (*revision.supports, *revision.hashtags, *revision.related, *revision.signatories)
    for item in items:
        host = item.address.split("/")[2]
        assert host.rsplit(".", 2)[-2:] in (
            ["example", "org"],
            ["example", "net"],
            ["example", "com"],
        )
